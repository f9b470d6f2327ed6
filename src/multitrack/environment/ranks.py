"""Which process of one training this is, where several train together; the setting ``ranks`` says who records.

The first of these that has an answer is believed:

1. **The framework**, where this process has joined the others: ``torch.distributed.init_process_group()``,
   ``jax.distributed.initialize()`` or ``keras.distribution.initialize()``, which calls JAX's.
2. **KerasTuner**: a worker of a distributed search (``KERASTUNER_TUNER_ID``) trains alone, also where a platform has
   set ``TF_CONFIG`` for all of them.
3. **What started it**: the variables in ``LAUNCHERS``, in that order, which is from the inner to the outer.
4. **TF_CONFIG**: the chief is rank 0, or worker 0 where there is no chief. Evaluators and parameter servers never are.

Nothing is imported or initialised in order to ask.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from multitrack.errors import ConfigError


class Place(NamedTuple):
    """One process among those that train together.

    Attributes:
        rank: Its number, from 0.
        size: How many there are.
        source: Who says so; empty where nobody does.
    """

    rank: int
    size: int
    source: str

    def passed_over(self, setting: str) -> bool:
        """Whether, as ``ranks`` in the config is set, another process records in this one's place."""
        return setting == "zero" and self.rank > 0

    def __str__(self) -> str:
        return f"rank {self.rank} of {self.size} ({self.source})"


class Launcher(NamedTuple):
    """Variables by which a launcher tells each process that it starts its rank.

    Attributes:
        name: What one types.
        rank: The variable of the rank.
        size: The variable of how many there are.
        needs: One of these must be set as well.
    """

    name: str
    rank: str
    size: str
    needs: tuple[str, ...] = ()


LAUNCHERS: Final = (
    Launcher("torchrun", "RANK", "WORLD_SIZE"),
    Launcher("keras.distribution", "KERAS_DISTRIBUTION_PROCESS_ID", "KERAS_DISTRIBUTION_NUM_PROCESSES"),
    Launcher("horovodrun", "HOROVOD_RANK", "HOROVOD_SIZE"),
    Launcher("mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    # MPICH and Intel MPI; srun may set the first two for anything that it starts.
    Launcher("mpiexec", "PMI_RANK", "PMI_SIZE", needs=("MPI_LOCALNRANKS",)),
    # srun starts independent jobs as well: it is one training where the tasks have been told where to meet. In a
    # batch script and a shell in an allocation SLURM_NTASKS is set, but not the number of this step's tasks.
    Launcher("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", needs=("MASTER_ADDR", "JAX_COORDINATOR_ADDRESS")),
)
#: Of a SLURM step, the same in all of its tasks; together no other step has them.
_STEP: Final = ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT", "SLURM_JOB_START_TIME")
#: In the order in which ranks are counted.
_TASK_TYPES: Final = ("chief", "master", "worker", "ps", "evaluator")
_ALONE: Final = Place(0, 1, "")

_started = 0


def this_process() -> Place:
    """Where this process stands, as far as can be known now."""
    return _joined() or _searching() or _launched() or _tf_config() or _ALONE


def _joined() -> Place | None:
    """What a framework says that this process has joined others with."""
    try:
        torch: Any = sys.modules.get("torch.distributed")
        if torch is not None and torch.is_available() and torch.is_initialized():
            return Place(torch.get_rank(), torch.get_world_size(), "torch.distributed")
        # jax.process_index() would start the devices, and wait for all other processes to do the same
        jax: Any = sys.modules.get("jax._src.distributed")
        if jax is not None and jax.global_state.client is not None:
            return Place(jax.global_state.process_id, jax.global_state.num_processes, "jax.distributed")
    except AttributeError:  # another thread is still importing it, so that nobody has joined
        return None
    return None


def _searching() -> Place | None:
    return _ALONE if os.environ.get("KERASTUNER_TUNER_ID") else None


def _launched() -> Place | None:
    for launcher in LAUNCHERS:
        if launcher.needs and not any(os.environ.get(name) for name in launcher.needs):
            continue
        try:
            return Place(int(os.environ[launcher.rank]), int(os.environ[launcher.size]), launcher.name)
        except (KeyError, ValueError):
            continue
    return None


class _Task(msgspec.Struct):
    type: str
    index: int


class _Cluster(msgspec.Struct):
    cluster: dict[str, list[Any] | dict[str, Any]]
    task: _Task


def _tf_config() -> Place | None:
    try:
        found = msgspec.json.decode(os.environ["TF_CONFIG"], type=_Cluster, strict=False)
    except (KeyError, ValueError):
        return None
    task = (found.task.type, found.task.index)
    tasks = [(kind, index) for kind in _TASK_TYPES for index in range(len(found.cluster.get(kind, ())))]
    if task not in tasks:  # an evaluator need not be listed
        tasks.append(task)
    return Place(tasks.index(task), len(tasks), f"TF_CONFIG: {task[0]} {task[1]}")


def shared_id(size: int) -> str:
    """A run id that every rank of one launch arrives at by itself, another one for each run it starts.

    Args:
        size: How many ranks there are.

    Raises:
        ConfigError: The launcher says nothing that only this launch has.
    """
    import hashlib  # noqa: PLC0415 - see multitrack.inputs.references

    global _started
    _started += 1
    launch = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    if launch == "none":
        if os.environ.get("LOCAL_WORLD_SIZE") == str(size):
            launch = f"{os.getppid()}:{_start_time(os.getppid())}"  # one machine: all ranks have one parent
        elif os.environ.get("SLURM_STEP_NUM_TASKS") == str(size):
            launch = ":".join(os.environ.get(name, "") for name in _STEP)
        else:
            raise ConfigError(
                'ranks = "all" needs an id that all ranks share and no other launch has: pass run_id=, or start with '
                "torchrun --rdzv-id (TORCHELASTIC_RUN_ID)"
            )
    return f"launch-{hashlib.sha256(f'{launch}:{_started}'.encode()).hexdigest()[:16]}"


def _start_time(pid: int) -> str:
    """When a process started, in clock ticks since boot (field 22 of proc(5)'s stat)."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
