"""A search that goes on: after an interruption, in another process, or called again."""

import json
import subprocess
import sys
from typing import Any

import keras
import pytest

import multitrack
from searches import WARNINGS, build, make, search

pytestmark = WARNINGS


class StopAt(keras.callbacks.Callback):
    """Ctrl-C in the trial of this run name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if multitrack.active_run().name == self.name:
            raise KeyboardInterrupt


def test_a_resumed_search_goes_on_in_the_same_run(data, project, journal):
    first = make("RandomSearch", build, project, max_trials=3)
    with pytest.raises(KeyboardInterrupt):
        search(first, data, callbacks=[StopAt("trial-1")])
    before = {name: run.id for name, run in journal().items()}
    assert journal()["toy"].summary().status == "killed"

    second = make("RandomSearch", build, project, max_trials=4)
    search(second, data)
    runs = journal()
    assert second.parent_run.id == first.parent_run.id
    assert second.parent_run is not first.parent_run
    assert set(runs) == {"toy", "trial-0", "trial-1", "trial-1-a2", "trial-2", "trial-3"}
    assert {name: runs[name].id for name in before} == before
    assert [runs[name].summary().status for name in ("toy", "trial-1", "trial-1-a2")] == [
        "finished",
        "killed",
        "finished",
    ]
    assert len({run.manifest.group for run in runs.values()}) == 1
    assert set(second.runs) == {"1", "2", "3"}
    assert len(runs["trial-0"].get_metrics("loss")["loss"]) == 2
    params = runs["toy"].get_params()
    assert (params["search/max_trials"], params["search/2/max_trials"]) == (3, 4)
    assert not any(name.startswith("search/2/") and name != "search/2/max_trials" for name in params)
    best = second.oracle.get_best_trials(1)[0].trial_id
    name = "trial-1-a2" if best == "1" else f"trial-{best}"  # perhaps of the first process
    assert runs["toy"].summary().tags["best_run"] == runs[name].id

    third = make("RandomSearch", build, project, max_trials=4)
    search(third, data)
    assert set(journal()) == set(runs)
    assert third.parent_run.id == first.parent_run.id
    assert third.runs == {}


def test_a_search_killed_in_its_first_trial_goes_on_too(data, project, journal):
    """KerasTuner itself starts anew then: nothing was saved yet."""
    first = make("RandomSearch", build, project, max_trials=2)
    with pytest.raises(KeyboardInterrupt):
        search(first, data, callbacks=[StopAt("trial-0")])
    second = make("RandomSearch", build, project, max_trials=2)
    search(second, data)
    assert set(journal()) == {"toy", "trial-0", "trial-0-a2", "trial-1"}
    assert second.parent_run.id == first.parent_run.id


def test_a_search_whose_process_died_goes_on(data, project, journal):
    code = """
import os, signal, keras, numpy
import multitrack
from multitrack.keras_tuner import RandomSearch

def build(hp):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01 * hp.Int("tenths", 1, 10)), "mse", run_eagerly=True)
    return model

class Die(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if (multitrack.active_run().name, epoch) == ("trial-1", 1):
            os.kill(os.getpid(), signal.SIGKILL)

x, y = numpy.ones((20, 4)), numpy.ones((20, 1))
tuner = RandomSearch(build, objective="val_loss", max_trials=3, seed=3, directory="tuning", project_name="toy")
tuner.search(x, y, validation_data=(x, y), epochs=3, verbose=0, callbacks=[Die()])
"""
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert died.returncode == -9, died.stderr
    before = journal()
    assert set(before) == {"toy", "trial-0", "trial-1"}
    assert [before[name].summary().status for name in before] == ["killed", "finished", "killed"]
    assert [point.step for point in before["trial-1"].get_metrics("loss")["loss"]] == [0]

    tuner = make("RandomSearch", build, project, max_trials=3)
    search(tuner, data)
    runs = journal()
    assert set(runs) == {"toy", "trial-0", "trial-1", "trial-1-a2", "trial-2"}
    assert tuner.parent_run.id == before["toy"].id
    assert runs["toy"].summary().status == "finished"
    tenths = [runs[name].get_params()["tenths"] for name in ("trial-1", "trial-1-a2")]
    assert tenths[0] == tenths[1]


def test_search_again_in_one_process(data, project, journal):
    tuner = make("RandomSearch", build, project, max_trials=2)
    search(tuner, data)
    parent = tuner.parent_run
    tuner.oracle.max_trials = 3
    search(tuner, data)
    assert tuner.parent_run.id == parent.id
    assert set(tuner.runs) == {"0", "1", "2"}
    assert set(journal()) == {"toy", "trial-0", "trial-1", "trial-2"}


def test_overwrite_begins_anew(data, project):
    first = make("RandomSearch", build, project, max_trials=1)
    search(first, data)
    second = make("RandomSearch", build, project, max_trials=1, overwrite=True)
    assert not (project / "tuning/toy/multitrack.json").exists()
    search(second, data)
    assert first.parent_run.id != second.parent_run.id
    assert first.parent_run.manifest.group != second.parent_run.manifest.group
    assert second.runs["0"].name == "trial-0"


def test_an_active_run_is_the_parent_of_a_resumed_search(data, project, recorded, caplog):
    first = make("RandomSearch", build, project, max_trials=1)
    search(first, data)
    with multitrack.start_run(name="mine") as run:
        tuner = make("RandomSearch", build, project, max_trials=2)
        search(tuner, data)
    assert tuner.parent_run is run
    assert recorded(tuner.runs["1"]).manifest.parent == run.id
    said = [record.getMessage() for record in caplog.records]
    assert [
        text for text in said if f"began in run {first.parent_run.id} and continues in the active run {run.id}" in text
    ]
    caplog.clear()
    with multitrack.start_run(run_id=run.id):
        search(make("RandomSearch", build, project, max_trials=3), data)
    assert caplog.records == []


def test_damaged_notes_begin_anew_and_are_said(data, project, journal):
    search(make("RandomSearch", build, project, max_trials=1), data)
    notes = project / "tuning/toy/multitrack.json"
    assert set(json.loads(notes.read_text())) == {
        "search",
        "parent",
        "owned",
        "begun",
        "project",
        "trials",
        "worker_timeout",
    }
    notes.write_text("{")
    tuner = make("RandomSearch", build, project, max_trials=2, project_name="toy")
    search(tuner, data)
    assert tuner.parent_run.mistakes == 1
    assert set(tuner.runs) == {"1"}


def test_a_parent_that_another_process_writes_is_left_alone(data, project):
    first = make("RandomSearch", build, project, max_trials=1)
    search(first, data)
    code = (
        "import sys, multitrack\n"
        f"run = multitrack.start_run(run_id={first.parent_run.id!r})\n"
        "print('open', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "open\n"  # type: ignore[union-attr]
        second = make("RandomSearch", build, project, max_trials=2)
        search(second, data)
    assert second.parent_run.id != first.parent_run.id
    assert second.parent_run.mistakes == 1
    assert set(second.runs) == {"1"}
