"""Find the rank of this process in a distributed training; the setting ``ranks`` decides which ranks record.

The first of these sources that has an answer is used:

1. **The framework**, if this process has joined the others: ``torch.distributed.init_process_group()``,
   ``jax.distributed.initialize()`` or ``keras.distribution.initialize()``, which calls JAX's.
2. **KerasTuner**: a worker of a distributed search (``KERASTUNER_TUNER_ID``) trains alone, even if a platform has
   set ``TF_CONFIG`` for all workers.
3. **The launcher**: the variables in ``LAUNCHERS``, in that order, which is from the innermost to the outermost.
4. **TF_CONFIG**: the chief is rank 0, or worker 0 if there is no chief. Parameter servers and evaluators come after
   the workers.

Nothing is imported or initialised for this.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from multitrack.errors import ConfigError
from multitrack.journal.prepared import prepared


class Place(NamedTuple):
    """The place of a process among those that train together.

    Attributes:
        rank: Its number, from 0.
        size: Number of processes.
        source: The source of the rank, for messages; empty for a process that trains alone.
    """

    rank: int
    size: int
    source: str

    def passed_over(self, setting: str) -> bool:
        """Return True if, with this value of ``ranks``, rank 0 records and this process does not."""
        return setting == "zero" and self.rank > 0

    def __str__(self) -> str:
        return f"rank {self.rank} of {self.size} ({self.source})"


class Launcher(NamedTuple):
    """The environment variables by which a launcher tells each process its rank.

    Attributes:
        name: The launcher's command, for messages.
        rank: The variable with the rank.
        size: The variable with the number of processes.
        needs: Variables of which at least one must be set as well.
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
    # MPICH and Intel MPI; srun may set the first two variables for any program.
    Launcher("mpiexec", "PMI_RANK", "PMI_SIZE", needs=("MPI_LOCALNRANKS",)),
    # srun starts independent jobs as well: it is one training only if a coordinator's address is set. Not SLURM_NTASKS:
    # it is also set in a batch script and in a shell of an allocation, where SLURM_STEP_NUM_TASKS is not.
    Launcher("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", needs=("MASTER_ADDR", "JAX_COORDINATOR_ADDRESS")),
)
#: Variables that are the same in all tasks of a SLURM step, and together identify that step.
_STEP: Final = ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT", "SLURM_JOB_START_TIME")
#: Task types of TF_CONFIG, in the order of their ranks.
_TASK_TYPES: Final = ("chief", "master", "worker", "ps", "evaluator")
_ALONE: Final = Place(0, 1, "")

_started = 0


def this_process() -> Place:
    """The place of this process, as far as it is known now."""
    return _joined() or _searching() or _launched() or _tf_config() or _ALONE


def _joined() -> Place | None:
    """The place according to a framework with which this process has joined others."""
    try:
        torch: Any = sys.modules.get("torch.distributed")
        if torch is not None and torch.is_available() and torch.is_initialized():
            return Place(torch.get_rank(), torch.get_world_size(), "torch.distributed")
        # jax.process_index() would start the devices, and wait for all other processes to do the same
        jax: Any = sys.modules.get("jax._src.distributed")
        if jax is not None and jax.global_state.client is not None:
            return Place(jax.global_state.process_id, jax.global_state.num_processes, "jax.distributed")
    except AttributeError:  # another thread is still importing the framework, so this process has not joined yet
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
        found = msgspec.json.decode(os.environ["TF_CONFIG"], type=prepared(_Cluster), strict=False)
    except (KeyError, ValueError):
        return None
    task = (found.task.type, found.task.index)
    tasks = [(kind, index) for kind in _TASK_TYPES for index in range(len(found.cluster.get(kind, ())))]
    if task not in tasks:  # an evaluator need not be listed
        tasks.append(task)
    return Place(tasks.index(task), len(tasks), f"TF_CONFIG: {task[0]} {task[1]}")


def shared_id(size: int) -> str:
    """Derive a run id that is the same in every rank of one launch, and different for each run of the process.

    Args:
        size: Number of ranks.

    Raises:
        ConfigError: If no variable identifies this launch.
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
    """The start time of a process, in clock ticks since boot (field 22 of proc(5)'s stat)."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
