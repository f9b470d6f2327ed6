"""Run an example that has an engine place a search, and read the outcome in every tracker."""

import itertools
import json
import runpy
import subprocess
import sys
from pathlib import Path

from mlflow_reader import read_run
from neptune_file import find_run
from neptune_file import read_run as read_neptune
from wandb_file import read_native

import multitrack
import quiet
from multitrack.reading.recorded_run import RecordedRun

EXAMPLES = Path(__file__).parents[1] / "examples"

_SHARED = runpy.run_path(str(EXAMPLES / "distributed_search.py"))
#: Makes a directory with the examples' config.
prepare = _SHARED["prepare"]
#: The recorded trials in such a directory.
trials_in = _SHARED["trials_in"]


def environment(root: Path) -> dict[str, str]:
    """One thread for each process, loopback, no telemetry."""
    return {
        **quiet.environment(root), "KERAS_BACKEND": "jax", "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0",
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "PYTHON": sys.executable,
    }  # fmt: skip


def example(name: str, *arguments: str, where: Path) -> str:
    """Run an example to its end; return what it printed."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments], cwd=where, env=environment(where), text=True, timeout=280,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def check_trackers(out: Path, trials: int) -> dict[str, list[RecordedRun]]:
    """One parent and all trials in MLflow, W&B and Neptune, each with KerasTuner's score.

    Returns:
        The attempts of each trial, by KerasTuner's id.
    """
    runs = list(multitrack.open_journal(out / ".multitrack").runs())
    (parent,) = [run for run in runs if run.manifest.parent is None]
    attempts: dict[str, list[RecordedRun]] = {}
    for run in sorted(runs, key=lambda run: run.id):
        if run is not parent:
            assert run.manifest.parent == parent.id
            attempts.setdefault(run.summary().tags["keras_tuner/trial"], []).append(run)
    assert len(attempts) == trials
    assert parent.summary().status == "finished"
    uri = f"sqlite:///{out}/mlflow.db"
    for run in runs:
        lanes, summary = run.lanes(), run.summary()
        assert all(lane.settled and not lane.set_aside for lane in lanes.values())
        natives = [read_run(uri, lanes["mlflow"].id), read_native(out, run.id),
                   read_neptune(find_run(out / ".neptune", run.id))]  # fmt: skip
        parents = [None] * 3 if run is parent else [parent.lanes()["mlflow"].id, parent.id, parent.id]
        for native, expected in zip(natives, parents, strict=True):
            assert (native.name, native.status, native.parent) == (run.manifest.name, summary.status, expected)
            assert native.metrics.get("score") == summary.metrics.get("score")
            assert len(native.series.get("loss", ())) == summary.lengths.get("loss", 0)
    for trial, tried in attempts.items():
        state = json.loads((out / f"tuner/sine/trial_{trial}/trial.json").read_text())
        last = tried[-1].summary()
        assert (state["status"], last.status) == ("COMPLETED", "finished")
        assert last.metrics["score"] == state["score"]
        assert last.lengths["loss"] == 3
    return attempts


def workers(attempts: dict[str, list[RecordedRun]]) -> set[str]:
    return {run.summary().tags["keras_tuner/tuner_id"] for tried in attempts.values() for run in tried}


def killed(attempts: dict[str, list[RecordedRun]]) -> list[tuple[RecordedRun, RecordedRun]]:
    """The killed attempts, each with the next one of the same trial."""
    pairs = [pair for tried in attempts.values() for pair in itertools.pairwise(tried)]
    return [(one, other) for one, other in pairs if one.summary().status == "killed"]
