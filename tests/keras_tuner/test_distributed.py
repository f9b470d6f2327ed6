"""KerasTuner's own chief and workers, as processes on loopback: one search in every tracker."""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from keras_tuner.src.engine.trial import Trial
from mlflow_reader import read_run
from neptune_file import find_run
from neptune_file import read_run as read_neptune
from wandb_file import read_native

import multitrack
import quiet
from multitrack.reading.recorded_run import RecordedRun
from processes import wait_until

JOB = Path(__file__).with_name("distributed_job.py")
CONFIG = """
project = "digits"
backends = ["mlflow", "wandb", "neptune"]
mlflow.tracking_uri = "sqlite:///mlflow.db"
wandb.mode = "offline"
wandb.dir = "."
neptune.directory = "neptune"
"""


class Cluster:
    """A chief and workers, each a process; all in one directory.

    Args:
        directory: That directory.
        own_journals: Whether each has a journal of its own, as on machines that share nothing but the project's directory.
    """

    def __init__(self, directory: Path, *, own_journals: bool = False, trackers: bool = True) -> None:
        self.directory = directory
        self.own_journals = own_journals
        (directory / "multitrack.toml").write_text(CONFIG if trackers else 'project = "digits"\ndelivery = "off"\n')
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self, name: str, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        environment = {
            **quiet.environment(self.directory), "KERAS_BACKEND": "jax", "KERASTUNER_TUNER_ID": name,
            "KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(self.port), **variables,
        }  # fmt: skip
        if self.own_journals:
            environment["MULTITRACK_JOURNAL"] = str(self.directory / f"journal-{name}")
        environment.pop("COVERAGE_PROCESS_START", None)  # the processes wait for each other, and would for too long
        with (self.directory / f"{name}.log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-W", "ignore", JOB, *arguments], cwd=self.directory, env=environment, text=True,
                stdout=log, stderr=log,
            )  # fmt: skip

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def journal(self, name: str) -> Path:
        return self.directory / (f"journal-{name}" if self.own_journals else ".multitrack")

    def runs(self) -> dict[str, RecordedRun]:
        journals = {self.journal(name) for name in ("chief", "one", "two")}
        return {run.id: run for path in journals for run in multitrack.open_journal(path).runs()}

    def trials(self) -> list[Any]:
        paths = sorted((self.directory / "tuning/shared").glob("trial_*/trial.json"))
        return [Trial.load(str(path)) for path in paths]

    def notes(self, name: str) -> dict[str, Any]:
        file = "multitrack.json" if name == "chief" else f"multitrack-{name}.json"
        return json.loads((self.directory / "tuning/shared" / file).read_text())  # type: ignore[no-any-return]


@contextlib.contextmanager
def ended(cluster: Cluster, *processes: "subprocess.Popen[str]") -> Iterator[None]:
    """The processes end by themselves, or are killed."""
    try:
        yield
        for process in processes:
            assert process.wait(240) == 0, [cluster.log(name) for name in ("chief", "one", "two")]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def check_journal(cluster: Cluster) -> tuple[RecordedRun, dict[str, RecordedRun]]:
    """One run of the search; each trial once, or once an attempt, by the worker that ran it."""
    runs = cluster.runs()
    parent = runs.pop(cluster.notes("chief")["parent"])
    assert parent.summary().status == "finished"
    assert {run.manifest.parent for run in runs.values()} == {parent.id}
    assert {run.manifest.group for run in runs.values()} == {parent.manifest.group}
    named = {run.manifest.name: run for run in runs.values()}
    assert len(named) == len(runs)
    by_worker = {
        name: {run for some in cluster.notes(name)["trials"].values() for run in some} for name in ("one", "two")
    }
    assert by_worker["one"] | by_worker["two"] == set(runs)
    assert by_worker["one"] and by_worker["two"]
    for run in runs.values():
        worker = run.summary().tags["keras_tuner/tuner_id"]
        assert run.id in by_worker[worker]
        assert run.directory.parent.parent == cluster.journal(worker)
        assert run.context.pid != parent.context.pid
    trials = {trial.trial_id: trial for trial in cluster.trials()}
    for key, trial in trials.items():
        attempts = [named[name] for name in (f"trial-{key}", f"trial-{key}-a2") if name in named]
        last = attempts[-1].summary()
        assert last.tags["keras_tuner/status"] == trial.status
        assert last.params == trial.hyperparameters.values
        assert last.lengths["loss"] == 3
        if key == "1":
            assert [run.summary().status for run in attempts] == ["failed", "failed"]
            assert "ZeroDivisionError: no such trial" in [line.text for line in attempts[-1].get_lines()]
        else:
            assert (last.status, last.metrics["score"]) == ("finished", trial.score)
    best = min((trial for trial in trials.values() if trial.status == "COMPLETED"), key=lambda trial: trial.score)
    tags, metrics = parent.summary().tags, parent.summary().metrics
    assert (tags["best_trial"], metrics["best_score"]) == (best.trial_id, best.score)
    assert runs[tags["best_run"]].summary().tags["keras_tuner/trial"] == best.trial_id
    return parent, runs


@pytest.mark.long("one journal")
@pytest.mark.slow
@pytest.mark.parametrize("own_journals", [False, True], ids=["one journal", "a journal each"])
def test_chief_and_workers_are_one_search_in_every_tracker(tmp_path, own_journals, monkeypatch):
    for variable, value in quiet.QUIET.items():
        monkeypatch.setenv(variable, value)
    cluster = Cluster(tmp_path, own_journals=own_journals)
    notes = tmp_path / "tuning/shared/multitrack.json"
    chief = cluster.start("chief", "overwrite")
    wait_until(lambda: notes.exists() and cluster.notes("chief")["begun"], 120)
    # As KerasTuner's guide has it, a worker with overwrite=True, too: it removes the chief's files as it starts.
    one = cluster.start("one", "overwrite")
    wait_until(lambda: (tmp_path / "tuning/shared/multitrack-one.json").exists(), 120)
    two = cluster.start("two")
    with ended(cluster, chief, one, two):
        pass
    parent, runs = check_journal(cluster)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    parent_id = parent.lanes()["mlflow"].id
    # On a busy machine the couriers go on for a while after those that they deliver for.
    wait_until(lambda: all(lane.settled for run in [parent, *runs.values()] for lane in run.lanes().values()), 240)
    for run in [parent, *runs.values()]:
        lanes, summary = run.lanes(), run.summary()
        natives = [read_run(uri, lanes["mlflow"].id), read_native(tmp_path, run.id),
                   read_neptune(find_run(tmp_path / "neptune", run.id))]  # fmt: skip
        for native in natives:
            assert native.status == summary.status
            assert native.name == run.manifest.name
            assert native.metrics.get("score") == summary.metrics.get("score")
            assert len(native.series.get("loss", ())) == summary.lengths.get("loss", 0)
            assert native.tags.get("keras_tuner/tuner_id") == summary.tags.get("keras_tuner/tuner_id")
        assert [native.parent for native in natives] == (
            [None] * 3 if run is parent else [parent_id, parent.id, parent.id]
        ), cluster.log("one")


@pytest.mark.slow
def test_a_worker_that_is_killed_and_started_again_goes_on_with_its_trial(tmp_path):
    cluster = Cluster(tmp_path, trackers=False)
    chief = cluster.start("chief")
    died = cluster.start("one", ALONE="1", DIES_IN="2")
    with ended(cluster, chief):
        assert died.wait(240) == -9
        again = cluster.start("one", ALONE="1")  # long before the chief gives it up
        with ended(cluster, again):
            pass
    notes = cluster.notes("one")["trials"]
    runs = cluster.runs()
    parent = runs.pop(cluster.notes("chief")["parent"])
    assert parent.summary().status == "finished"
    assert {run.manifest.parent for run in runs.values()} == {parent.id}
    assert set(runs) == {run for attempts in notes.values() for run in attempts}
    found = {key: [runs[run].summary().status for run in attempts] for key, attempts in notes.items()}
    assert found == {
        "0": ["finished"], "1": ["failed", "failed"], "2": ["killed", "finished"], "3": ["finished"], "4": ["finished"],
    }  # fmt: skip
    assert runs[notes["2"][1]].manifest.name == "trial-2-a2"
    assert len(cluster.trials()) == len(notes)
    for trial in cluster.trials():
        assert runs[notes[trial.trial_id][-1]].summary().metrics.get("score") == trial.score


def by_trial(cluster: Cluster, worker: str) -> dict[str, list[RecordedRun]]:
    runs = cluster.runs()
    return {trial: [runs[run] for run in attempts] for trial, attempts in cluster.notes(worker)["trials"].items()}


@pytest.mark.slow
def test_the_trial_of_a_worker_that_is_gone_for_good_is_repeated_by_another(tmp_path):
    cluster = Cluster(tmp_path, trackers=False)
    chief = cluster.start("chief", MULTITRACK_WORKER_TIMEOUT="3")
    died = cluster.start("one", DIES_IN="0")  # once the other one has begun
    wait_until(lambda: (tmp_path / "tuning/shared/multitrack-one.json").exists(), 120)
    other = cluster.start("two", ALONE="1", LASTS="1")
    with ended(cluster, chief, other):
        assert died.wait(240) == -9
    parent = cluster.runs()[cluster.notes("chief")["parent"]]
    assert parent.summary().status == "finished"
    said = "worker one gives no sign of life: its trial 0 ends as INVALID, and is repeated"
    assert [line.text for line in parent.get_lines()] == [said]
    assert f"multitrack: {said}" in cluster.log("chief")
    (killed,) = by_trial(cluster, "one")["0"]
    assert killed.summary().status == "killed"
    repeated = by_trial(cluster, "two")
    assert {trial: [run.summary().status for run in runs] for trial, runs in repeated.items()} == {
        "0": ["finished"], "1": ["failed", "failed"], "2": ["finished"], "3": ["finished"], "4": ["finished"],
    }  # fmt: skip
    assert repeated["0"][0].manifest.name == "trial-0-a2"
    assert [trial.status for trial in cluster.trials()] == [
        "COMPLETED", "FAILED", "COMPLETED", "COMPLETED", "COMPLETED",
    ]  # fmt: skip


@pytest.mark.long
@pytest.mark.slow
def test_a_search_ends_without_the_worker_that_had_its_last_trial(tmp_path):
    cluster = Cluster(tmp_path, trackers=False)
    chief = cluster.start("chief", MULTITRACK_WORKER_TIMEOUT="2")
    died = cluster.start("one", ALONE="1", DIES_IN="4")
    with ended(cluster, chief):
        assert died.wait(240) == -9
    parent = cluster.runs()[cluster.notes("chief")["parent"]]
    assert parent.summary().status == "finished"
    said = "worker one gives no sign of life: its trial 4 ends as FAILED"
    assert [line.text for line in parent.get_lines()] == [said]
    assert {trial.trial_id: trial.status for trial in cluster.trials()} == {
        "0": "COMPLETED", "1": "FAILED", "2": "COMPLETED", "3": "COMPLETED", "4": "FAILED",
    }  # fmt: skip


@pytest.mark.long
@pytest.mark.slow
def test_a_chief_without_workers_ends_and_the_search_goes_on_later(tmp_path):
    cluster = Cluster(tmp_path, trackers=False)
    chief = cluster.start("chief", MULTITRACK_WORKER_TIMEOUT="2")
    died = cluster.start("one", ALONE="1", DIES_IN="2")
    assert (died.wait(240), chief.wait(240)) == (-9, 1)
    assert "the chief has had no worker for 2 seconds (worker_timeout), and trials remain" in cluster.log("chief")
    parent = cluster.notes("chief")["parent"]
    assert cluster.runs()[parent].summary().status == "failed"
    with ended(cluster, cluster.start("chief"), cluster.start("two", ALONE="1")):
        pass
    assert cluster.notes("chief")["parent"] == parent
    assert cluster.runs()[parent].summary().status == "finished"
    # KerasTuner's chief saves a trial as ended before it saves that it is no longer ongoing, and repeats it as well.
    assert list(by_trial(cluster, "two")) == ["2", "3", "4"]


@pytest.mark.long
@pytest.mark.slow
def test_a_worker_that_leaves_with_an_error_is_given_up_at_once(tmp_path):
    """Its own error, not one of a trial: too many trials in a row have failed, which KerasTuner tells the worker only."""
    cluster = Cluster(tmp_path, trackers=False)
    chief, one = cluster.start("chief"), cluster.start("one", ALONE="1", ALL_FAIL="1")
    assert (one.wait(240), chief.wait(240)) == (1, 1)
    assert "RuntimeError: Number of consecutive failures exceeded the limit of 3" in cluster.log("chief")
    assert cluster.runs()[cluster.notes("chief")["parent"]].summary().status == "failed"
