"""Which process of a training this is, from what each launcher was seen to set, and who then records."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.cli import main
from multitrack.environment.ranks import this_process
from multitrack.recording import start
from processes import free_ports, together

CLUSTER = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"]}


def tf_config(cluster: Any, kind: str, index: Any) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


SEEN: dict[str, tuple[dict[str, str], str]] = {
    "nothing": ({}, "rank 0 of 1 ()"),
    "torchrun": ({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}, "rank 3 of 4 (torchrun)"),
    "no number": ({"RANK": "x", "WORLD_SIZE": "4"}, "rank 0 of 1 ()"),
    "keras": (
        {"KERAS_DISTRIBUTION_PROCESS_ID": "1", "KERAS_DISTRIBUTION_NUM_PROCESSES": "2"},
        "rank 1 of 2 (keras.distribution)",
    ),
    "horovodrun": ({"HOROVOD_RANK": "1", "HOROVOD_SIZE": "2", "HOROVOD_LOCAL_RANK": "1"}, "rank 1 of 2 (horovodrun)"),
    "mpirun of Open MPI 5": (
        {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "1"},
        "rank 1 of 2 (mpirun)",
    ),
    "mpiexec of MPICH 5": (
        {"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALNRANKS": "2", "MPI_LOCALRANKID": "1"},
        "rank 1 of 2 (mpiexec)",
    ),
    # mpiexec has srun start a proxy on each node
    "mpiexec under Slurm": (
        {"PMI_RANK": "5", "PMI_SIZE": "8", "MPI_LOCALNRANKS": "4", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"},
        "rank 5 of 8 (mpiexec)",
    ),
    "srun, independent jobs": (
        {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4", "PMI_RANK": "2", "PMI_SIZE": "4"},
        "rank 0 of 1 ()",
    ),
    "srun, torch": (
        {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4", "MASTER_ADDR": "n1"},
        "rank 2 of 4 (srun)",
    ),
    "srun, JAX": (
        {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4", "JAX_COORDINATOR_ADDRESS": "n1:1"},
        "rank 2 of 4 (srun)",
    ),
    "a batch script": ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "MASTER_ADDR": "n1"}, "rank 0 of 1 ()"),
    "srun torchrun": (
        {"RANK": "6", "WORLD_SIZE": "8", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "MASTER_ADDR": "n1"},
        "rank 6 of 8 (torchrun)",
    ),
    "chief": ({"TF_CONFIG": tf_config(CLUSTER, "chief", 0)}, "rank 0 of 4 (TF_CONFIG: chief 0)"),
    "worker 0 beside a chief": ({"TF_CONFIG": tf_config(CLUSTER, "worker", 0)}, "rank 1 of 4 (TF_CONFIG: worker 0)"),
    "parameter server": ({"TF_CONFIG": tf_config(CLUSTER, "ps", 0)}, "rank 3 of 4 (TF_CONFIG: ps 0)"),
    "evaluator": ({"TF_CONFIG": tf_config(CLUSTER, "evaluator", 0)}, "rank 4 of 5 (TF_CONFIG: evaluator 0)"),
    "worker 0, no chief": (
        {"TF_CONFIG": tf_config({"worker": ["a:1", "b:1"]}, "worker", 0)},
        "rank 0 of 2 (TF_CONFIG: worker 0)",
    ),
    "worker 1, as text": (
        {"TF_CONFIG": tf_config({"worker": {"0": "a:1", "1": "b:1"}}, "worker", "1")},
        "rank 1 of 2 (TF_CONFIG: worker 1)",
    ),
    "a TF_CONFIG of nobody": ({"TF_CONFIG": "{}"}, "rank 0 of 1 ()"),
    "a broken TF_CONFIG": ({"TF_CONFIG": "{"}, "rank 0 of 1 ()"),
    "torchrun on a platform that sets TF_CONFIG": (
        {"RANK": "1", "WORLD_SIZE": "4", "TF_CONFIG": tf_config({"worker": ["a:1", "b:1"]}, "worker", 0)},
        "rank 1 of 4 (torchrun)",
    ),
    "a worker of a search on such a platform": (
        {"KERASTUNER_TUNER_ID": "tuner1", "TF_CONFIG": tf_config(CLUSTER, "worker", 1)},
        "rank 0 of 1 ()",
    ),
}


@pytest.mark.parametrize("case", SEEN)
def test_what_launchers_say(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    variables, expected = SEEN[case]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(this_process()) == expected


@pytest.mark.parametrize(
    ("cluster", "kind"), [*((CLUSTER, kind) for kind in CLUSTER), ({"worker": ["a:1", "b:1"]}, "worker")]
)
def test_rank_0_is_whom_tensorflow_calls_the_chief(
    monkeypatch: pytest.MonkeyPatch, cluster: dict[str, list[str]], kind: str
) -> None:
    from tensorflow.python.distribute.multi_worker_util import is_chief

    for index in range(len(cluster[kind])):
        monkeypatch.setenv("TF_CONFIG", tf_config(cluster, kind, index))
        assert (this_process().rank == 0) == is_chief(cluster, kind, index)


def launched(monkeypatch: pytest.MonkeyPatch, rank: int) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", str(rank))
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    start._say_once.cache_clear()


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_who_is_passed_over_says_so_once_and_rank_1_for_all_to_see(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, rank: int
) -> None:
    launched(monkeypatch, rank)
    with caplog.at_level(logging.INFO, "multitrack"):
        first, second = (multitrack.start_run(config={"delivery": "off"}) for _ in range(2))
    assert (first.disabled, second.disabled) == (rank > 0, rank > 0)
    said = [(entry.levelno, entry.getMessage()) for entry in caplog.records]
    assert [level for level, _ in said] == {0: [], 1: [logging.WARNING], 2: [logging.INFO]}[rank]
    assert all(text.startswith(f"multitrack: rank {rank} of 4 (mpirun): records nothing") for _, text in said)


def test_with_ranks_off_each_process_has_runs_of_its_own_and_children(monkeypatch: pytest.MonkeyPatch) -> None:
    launched(monkeypatch, 3)
    with multitrack.start_run(config={"delivery": "off", "ranks": "off"}) as run:
        assert not run.disabled
        with multitrack.start_run(parent=run) as child:
            assert not child.disabled
    assert {run.id, child.id} == {found.id for found in multitrack.open_journal().runs()}


def test_ranks_all_under_srun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import multitrack\nwith multitrack.start_run(name='r') as run: run.log_metric('x', 1.0)\n"
    )
    step = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_JOB_ID": "7", "MASTER_ADDR": "n1", "MULTITRACK_RANKS": "all",
            "MULTITRACK_DELIVERY": "off"}  # fmt: skip
    for step_id, rank in (("0", "0"), ("0", "1"), ("1", "1"), ("1", "0")):
        environment = {**os.environ, **step, "SLURM_STEP_ID": step_id, "SLURM_PROCID": rank}
        subprocess.run([sys.executable, "train.py"], check=True, env=environment)
    runs = list(multitrack.open_journal().runs())
    wholes = [run for run in runs if run.manifest.parent is None]
    assert len(wholes) == 2  # one for each step
    for whole in wholes:
        children = sorted(run.manifest.name for run in runs if run.manifest.parent == whole.id)
        assert children == ["r-rank0", "r-rank1"]


def test_the_command_says_which_process_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    assert "this process" not in CliRunner().invoke(main, ["config"]).stdout
    launched(monkeypatch, 3)
    assert "this process: rank 3 of 4 (mpirun): records nothing\n" in CliRunner().invoke(main, ["config"]).stdout
    found = json.loads(CliRunner().invoke(main, ["config", "--json"]).stdout)
    assert found["process"] == {"rank": 3, "size": 4, "source": "mpirun"}
    monkeypatch.setenv("MULTITRACK_RANKS", "all")
    assert "this process: rank 3 of 4 (mpirun)\n" in CliRunner().invoke(main, ["config"]).stdout


JAX = """
import jax, jax.numpy as jnp
from jax._src import xla_bridge
from multitrack.environment.ranks import this_process

number = int(os.environ["NUMBER"])
assert this_process().size == 1
jax.distributed.initialize(f"127.0.0.1:{os.environ['PORT']}", 2, number)
with multitrack.start_run(name="one") as run:
    here = this_process()
    assert not xla_bridge.backends_are_initialized(), "asking has started the devices"
    assert here[:2] == (number, 2), here
    mesh = jax.sharding.Mesh(jax.devices(), ("data",))  # of both processes
    shards = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    mine = jnp.arange(4.0) + 4 * number
    x = jax.make_array_from_process_local_data(shards, mine)
    loss = lambda w, x: jnp.mean((w * x - 2 * x) ** 2)
    step = jax.jit(lambda w, x: w - 0.1 * jax.grad(loss)(w, x))
    w = 0.0
    for epoch in range(3):
        w = step(w, x)
        run.log_metrics({"w": w, "process": number}, step=epoch)
    assert here[:2] == (jax.process_index(), jax.process_count())
jax.distributed.shutdown()
"""


@pytest.mark.slow
def test_two_processes_that_jax_trains_together_are_one_run_of_process_0(tmp_path: Path) -> None:
    port = str(free_ports(1)[0])
    environment = {"PORT": port, "JAX_PLATFORMS": "cpu", "MULTITRACK_DELIVERY": "off"}
    said = together(tmp_path, JAX, [{**environment, "NUMBER": str(number)} for number in (0, 1)])
    assert "multitrack" not in said[0]
    assert said[1].count("multitrack: rank 1 of 2 (jax.distributed): records nothing") == 1
    (run,) = multitrack.open_journal().runs()
    metrics = run.get_metrics()
    assert [point.value for point in metrics["process"]] == [0, 0, 0]
    w, expected = 0.0, []
    for _ in range(3):  # what both processes' data, 0 to 7, make of it
        w -= 0.1 * sum(2 * (w * x - 2 * x) * x for x in range(8)) / 8
        expected.append(w)
    assert [point.value for point in metrics["w"]] == pytest.approx(expected)
