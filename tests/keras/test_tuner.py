"""A search as runs: one parent, a child for each attempt of a trial, and the search itself unchanged."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

import multitrack
from multitrack import keras_tuner as tuners
from multitrack._trial import best_epoch
from multitrack.keras import TrackingCallback
from multitrack.testing import MemoryBackend

# KerasTuner's oracle asks for the thread's name the old way, and Keras on TensorFlow copies weights the old way when
# KerasTuner saves them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    pytest.mark.filterwarnings(
        "ignore:currentThread\\(\\) is deprecated:DeprecationWarning:keras_tuner.src.engine.oracle"
    ),
    pytest.mark.filterwarnings("ignore:getName\\(\\) is deprecated:DeprecationWarning:keras_tuner.src.engine.oracle"),
]

KINDS: dict[str, dict[str, Any]] = {
    "RandomSearch": {"max_trials": 3},
    "BayesianOptimization": {"max_trials": 3, "num_initial_points": 2},
    "GridSearch": {"max_trials": 3},
    "Hyperband": {"max_epochs": 3, "factor": 3},
}


class Space(keras_tuner.HyperModel):
    """A conditional hyperparameter, and one that only ``fit`` asks for."""

    def build(self, hp: Any) -> Any:
        kind = hp.Choice("kind", ["plain", "deep"])
        layers = [keras.Input((4,))]
        if kind == "deep":
            with hp.conditional_scope("kind", ["deep"]):
                layers.append(keras.layers.Dense(hp.Int("width", 2, 6)))
        model = keras.Sequential([*layers, keras.layers.Dense(1)])
        model.compile(
            keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse", metrics=["mae"], run_eagerly=True
        )
        return model

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, batch_size=hp.Choice("batch_size", [10, 25]), **kwargs)


def build(hp: Any) -> Any:
    """One hyperparameter of ten values."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(
        keras.optimizers.SGD(0.01 * hp.Int("tenths", 1, 10)), "mse", run_eagerly=True
    )  # quicker for so little
    return model


def make(kind: Any, hypermodel: Any, project: Path, **args: Any) -> Any:
    cls = getattr(tuners, kind) if isinstance(kind, str) else kind
    given = {"objective": "val_loss", "seed": 3, "directory": project / "tuning", "project_name": "toy", **args}
    return cls(hypermodel, **given)


def search(tuner: Any, data: Any, **args: Any) -> None:
    tuner.search(*data, **{"validation_data": data, "epochs": 2, "verbose": 0, **args})


@pytest.fixture
def journal(project: Path) -> Callable[[], dict[str, Any]]:
    """All runs, by name."""

    def read() -> dict[str, Any]:
        runs = list(multitrack.open_journal(project / ".multitrack").runs())
        named = {run.manifest.name: run for run in runs}
        assert len(named) == len(runs)
        return named

    return read


def states(tuner: Any) -> list[dict[str, Any]]:
    """Everything KerasTuner knows of its trials, in the order they ended."""
    return [
        json.loads(json.dumps(tuner.oracle.get_trial(key).get_state(), default=float)) for key in tuner.oracle.end_order
    ]


# -- the four tuners ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_tracking_changes_nothing_and_records_everything(kind, data, project, journal):
    keras.utils.set_random_seed(5)
    plain = make(getattr(keras_tuner, kind), Space(), project / "plain", **KINDS[kind])
    search(plain, data)
    keras.utils.set_random_seed(5)
    tuner = make(kind, Space(), project, **KINDS[kind])
    assert isinstance(tuner, getattr(keras_tuner, kind))
    search(tuner, data)
    assert states(tuner) == states(plain)

    runs = journal()
    parent = runs.pop("toy")
    assert parent.id == tuner.parent_run.id
    assert parent.manifest.project == "digits"
    assert parent.summary().status == "finished"
    assert tuner.parent_run.status == "finished"
    assert list(runs) == [f"trial-{key}" for key in sorted(tuner.oracle.trials)]
    assert {run.manifest.parent for run in runs.values()} == {parent.id}
    assert {run.manifest.group for run in [*runs.values(), parent]} == {parent.manifest.group}
    assert parent.manifest.group is not None
    for key, trial in tuner.oracle.trials.items():
        check_trial(runs[f"trial-{key}"], trial, tuner)
    check_parent(parent, tuner, kind)


def check_trial(run: Any, trial: Any, tuner: Any) -> None:
    summary = run.summary()
    values = trial.hyperparameters.values
    own = {name: value for name, value in values.items() if not name.startswith("tuner/")}
    assert own["batch_size"] in (10, 25)
    assert ("width" in own) == (own["kind"] == "deep")
    assert {name: summary.params.get(name) for name in own} == own
    assert not any(name.startswith("tuner/") for name in summary.params)
    steering = {name: str(value) for name, value in values.items() if name.startswith("tuner/")}
    assert {name: value for name, value in summary.tags.items() if name.startswith("tuner/")} == steering
    assert summary.tags["keras_tuner/status"] == "COMPLETED"
    assert summary.tags["keras_tuner/trial"] == trial.trial_id
    assert (summary.status, summary.mistakes, tuner.runs[trial.trial_id].id) == ("finished", 0, run.id)
    first = values.get("tuner/initial_epoch", 0)
    last = values.get("tuner/epochs", 2)
    series = [(point.step, point.value) for point in run.get_metrics("val_loss")["val_loss"]]
    assert [step for step, _ in series] == list(range(first, last))
    assert summary.metrics["score"] == trial.score == min(value for _, value in series)
    assert summary.metrics["best_epoch"] == trial.best_step + first
    assert dict(series)[summary.metrics["best_epoch"]] == trial.score
    best = summary.metrics["best_epoch"]
    assert {"loss", "mae", "val_loss", "val_mae"} <= set(summary.metrics)
    for name in ("loss", "mae", "val_loss", "val_mae"):
        points = {point.step: point.value for point in run.get_metrics(name)[name]}
        assert summary.metrics[name] == points[best] == trial.metrics.get_last_value(name)
    if "tuner/trial_id" in values:
        assert summary.tags["keras_tuner/parent_trial_run"] == tuner.runs[values["tuner/trial_id"]].id
    assert summary.params["fit/initial_epoch"] == first


def check_parent(parent: Any, tuner: Any, kind: str) -> None:
    summary = parent.summary()
    best = tuner.oracle.get_best_trials(1)[0]
    assert summary.tags["best_trial"] == best.trial_id
    assert summary.tags["best_run"] == tuner.runs[best.trial_id].id
    assert summary.metrics == {"best_score": best.score}
    assert summary.mistakes == 0
    expected = {"tuner": kind, "objective": "val_loss", "direction": "min", "executions_per_trial": 1, "seed": 3}
    expected |= {name: KINDS[kind][name] for name in ("max_trials", "max_epochs") if name in KINDS[kind]}
    assert {name: summary.params[f"search/{name}"] for name in expected} == expected
    space = {name: json.loads(text) for name, text in summary.params.items() if name.startswith("search/space/")}
    # "width" is known only once a deep model was built, which three points of the grid do not come to.
    names = {"kind", "rate", "batch_size"} | ({"width"} if kind != "GridSearch" else set())
    assert {name.removeprefix("search/space/") for name in space} == names
    assert space["search/space/rate"]["config"]["sampling"] == "log"
    assert space.get("search/space/width", {"class_name": "Int"})["class_name"] == "Int"


def test_the_whole_family_is_delivered(data, project):
    memory = MemoryBackend()
    with multitrack.start_run(backends=[memory], config={"delivery": "thread"}) as run:
        tuner = make("RandomSearch", build, project, max_trials=2)
        search(tuner, data, epochs=1)
        assert tuner.parent_run is run
        assert run.status == "running"
        assert set(tuner.runs) == {"0", "1"}
    assert run.status == "finished"
    for trial_run in tuner.runs.values():
        held = memory.runs[trial_run.id]
        assert (held.status, held.parent) == ("finished", run.id)
        assert len(held.series["val_loss"]) == 1
    assert memory.runs[run.id].params["search/max_trials"] == 2


# -- which run, and what is handed to the model -------------------------------------------------------------------


def test_inside_a_trial_its_run_is_the_active_one(data, project, journal):
    seen: list[tuple[str, str]] = []

    def building(hp: Any) -> Any:
        seen.append(("build", multitrack.active_run().name))
        return build(hp)

    class Look(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            seen.append(("fit", multitrack.active_run().name))

    with multitrack.start_run(name="mine") as run:
        tuner = make("RandomSearch", building, project, max_trials=2)
        seen.clear()
        search(tuner, data, epochs=1, callbacks=[Look()])
        assert multitrack.active_run() is run
    assert seen == [(what, f"trial-{key}") for key in "01" for what in ("build", "fit")]
    assert set(journal()) == {"mine", "trial-0", "trial-1"}


def test_the_users_own_callback_replaces_ours(data, project, journal):
    callback = TrackingCallback(log_freq=1)
    with multitrack.start_run(name="before"):
        build(keras_tuner.HyperParameters()).fit(*data, verbose=0, callbacks=[callback])
    tuner = make("RandomSearch", build, project, max_trials=2)
    search(tuner, data, callbacks=[callback])
    for key in "01":
        metrics = journal()[f"trial-{key}"].get_metrics()
        assert len(metrics["loss"]) == 2
        assert len(metrics["batch/loss"]) == 4


def test_the_users_callback_on_another_run_goes_there(data, project, recorded):
    with multitrack.start_run(name="mine") as run:
        tuner = make("RandomSearch", build, project, max_trials=2)
        search(tuner, data, callbacks=[TrackingCallback(run)])
    assert len(recorded(run).get_metrics("loss")["loss"]) == 4
    assert [len(recorded(trial).get_metrics("loss")["loss"]) for trial in tuner.runs.values()] == [2, 2]


def test_executions_have_runs_of_their_own(data, project, journal):
    tuner = make("RandomSearch", build, project, max_trials=2, executions_per_trial=2)
    search(tuner, data, epochs=3)
    runs = journal()
    assert set(runs) == {"toy"} | {f"trial-{key}{end}" for key in "01" for end in ("", "-e1", "-e2")}
    for key, trial in tuner.oracle.trials.items():
        summary = runs[f"trial-{key}"].summary()
        below = [runs[f"trial-{key}-e{number}"] for number in (1, 2)]
        assert {run.manifest.parent for run in below} == {runs[f"trial-{key}"].id}
        assert all(len(run.get_metrics("val_loss")["val_loss"]) == 3 for run in below)
        scores = [run.summary().metrics["score"] for run in below]
        assert [min(point.value for point in run.get_metrics("val_loss")["val_loss"]) for run in below] == scores
        assert summary.metrics["score"] == trial.score == pytest.approx(np.mean(scores))
        assert summary.metrics["best_epoch_mean"] == np.mean([run.summary().metrics["best_epoch"] for run in below])
        assert "best_epoch" not in summary.metrics
        assert not runs[f"trial-{key}"].get_metrics()
        assert "tenths" in summary.params
        assert [run.summary().status for run in below] == ["finished", "finished"]


# -- failure ------------------------------------------------------------------------------------------------------


def test_a_failing_build_fails_its_trial_only(data, project, journal):
    calls: list[int] = []

    def building(hp: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:  # the first call is KerasTuner's own, looking for hyperparameters
            raise ZeroDivisionError("no such model")
        return build(hp)

    tuner = make("RandomSearch", building, project, max_trials=3)
    search(tuner, data, epochs=1)
    runs = journal()
    assert [runs[f"trial-{key}"].summary().status for key in "012"] == ["finished", "failed", "finished"]
    failed = runs["trial-1"]
    assert failed.summary().tags["keras_tuner/status"] == "FAILED"
    lines = list(failed.get_lines())
    assert lines[-1].text == "ZeroDivisionError: no such model"
    assert lines[-1].stream == "stderr"
    assert "score" not in failed.summary().metrics
    assert failed.summary().params["tenths"] == tuner.oracle.get_trial("1").hyperparameters.values["tenths"]
    assert runs["toy"].summary().status == "finished"
    assert all(run.summary().mistakes == 0 for run in runs.values())


def test_a_retried_trial_has_a_run_for_each_attempt(data, project, journal):
    calls: list[int] = []

    def fitting(model: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise ZeroDivisionError("once")
        return model.fit(*args, **kwargs)

    class Shaky(keras_tuner.HyperModel):
        def build(self, hp: Any) -> Any:
            return build(hp)

        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            return fitting(model, *args, **kwargs)

    tuner = make("RandomSearch", Shaky(), project, max_trials=2, max_retries_per_trial=1, executions_per_trial=2)
    search(tuner, data, epochs=1)
    runs = journal()
    statuses = {name: run.summary().status for name, run in runs.items()}
    assert statuses == {
        "toy": "finished", "trial-0": "failed", "trial-0-e1": "finished", "trial-0-e2": "failed", "trial-0-a2": "finished",
        "trial-0-a2-e1": "finished", "trial-0-a2-e2": "finished", "trial-1": "finished", "trial-1-e1": "finished",
        "trial-1-e2": "finished",
    }  # fmt: skip
    assert runs["trial-0"].summary().tags["keras_tuner/status"] == "INVALID"
    assert [line.text for line in runs["trial-0-e2"].get_lines()][-1] == "ZeroDivisionError: once"
    assert tuner.runs["0"].name == "trial-0-a2"
    assert runs["trial-0-a2"].summary().lines == 0


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), "killed"), (SystemExit(3), "killed"), (keras_tuner.errors.FatalError("x"), "failed")],
)
def test_what_stops_the_search_ends_its_runs_and_goes_up(data, project, journal, error, status):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if multitrack.active_run().name == "trial-1-e2":
                raise error

        def __deepcopy__(self, memo: Any) -> Any:
            return self

    tuner = make("RandomSearch", build, project, max_trials=3, executions_per_trial=2)
    with pytest.raises(type(error)) as raised:
        search(tuner, data, epochs=1, callbacks=[Stop()])
    assert raised.value is error
    statuses = {name: run.summary().status for name, run in journal().items()}
    assert statuses == {
        "toy": status, "trial-0": "finished", "trial-0-e1": "finished", "trial-0-e2": "finished",
        "trial-1": status, "trial-1-e1": "finished", "trial-1-e2": status,
    }  # fmt: skip
    assert any("FatalError" in line.text for line in journal()["toy"].get_lines()) == (status == "failed")
    assert multitrack.active_run().disabled
    assert journal()["toy"].summary().tags["best_trial"] == "0"


def test_too_many_failures_in_a_row_end_the_search_as_failed(data, project, journal):
    calls: list[int] = []

    def building(hp: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise ZeroDivisionError
        return build(hp)

    tuner = make("RandomSearch", building, project, max_trials=9, max_consecutive_failed_trials=2)
    with multitrack.start_run(name="mine") as run:
        with pytest.raises(RuntimeError, match="consecutive failures"):
            search(tuner, data)
        assert run.status == "running"
    statuses = {name: held.summary().status for name, held in journal().items()}
    assert statuses == {"mine": "finished", "trial-0": "failed", "trial-1": "failed"}


@pytest.mark.parametrize("broken", ["log_params", "log_metrics", "log_lines", "set_tags", "end"])
def test_a_broken_recording_never_reaches_the_search(data, project, monkeypatch, broken):
    keras.utils.set_random_seed(5)
    plain = make(keras_tuner.RandomSearch, build, project / "plain", max_trials=2)
    search(plain, data)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("no")

    keras.utils.set_random_seed(5)
    tuner = make("RandomSearch", build, project, max_trials=2)
    monkeypatch.setattr(multitrack.Run, broken, fail)
    search(tuner, data)
    monkeypatch.undo()
    assert states(tuner) == states(plain)
    assert tuner.parent_run.mistakes + sum(run.mistakes for run in tuner.runs.values()) > 0
    for run in [*tuner.runs.values(), tuner.parent_run]:
        run.end()


def test_child_runs_that_cannot_start_are_set_aside(data, project, monkeypatch, journal):
    real = multitrack.start_run

    def fail_below(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("parent") is not None:
            raise OSError("disk full")
        return real(*args, **kwargs)

    monkeypatch.setattr("multitrack._search.start_run", fail_below)
    tuner = make("RandomSearch", build, project, max_trials=2)
    search(tuner, data)
    assert len(tuner.oracle.end_order) == 2
    assert tuner.runs == {}
    assert journal()["toy"].summary().mistakes == 2
    assert journal()["toy"].summary().status == "finished"


def test_a_wrong_config_is_said_before_any_trial(data, project):
    tuner = make("RandomSearch", build, project, max_trials=2)
    (project / "multitrack.toml").write_text('backends = ["nosuch"]\n')
    with pytest.raises(multitrack.ConfigError, match="nosuch"):
        search(tuner, data)
    assert not tuner.oracle.trials


# -- resume -------------------------------------------------------------------------------------------------------


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


def test_an_active_run_is_the_parent_of_a_resumed_search(data, project, recorded):
    search(make("RandomSearch", build, project, max_trials=1), data)
    with multitrack.start_run(name="mine") as run:
        tuner = make("RandomSearch", build, project, max_trials=2)
        search(tuner, data)
    assert tuner.parent_run is run
    assert recorded(tuner.runs["1"]).manifest.parent == run.id


def test_damaged_notes_begin_anew_and_are_said(data, project, journal):
    search(make("RandomSearch", build, project, max_trials=1), data)
    notes = project / "tuning/toy/multitrack.json"
    assert set(json.loads(notes.read_text())) == {"search", "parent", "owned", "trials"}
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


# -- any tuner ----------------------------------------------------------------------------------------------------


def test_tracked_takes_a_tuner_with_its_own_run_trial(data, project, journal):
    class Own(keras_tuner.RandomSearch):
        def run_trial(self, trial: Any, x: Any, y: Any) -> Any:
            model = self.hypermodel.build(trial.hyperparameters)
            history = model.fit(x, y, epochs=2, verbose=0, callbacks=[TrackingCallback()])
            return {"total": history.history["loss"][-1], "other": 1.5}

    objective = keras_tuner.Objective("total", "min")
    tuner = make(tuners.tracked(Own), build, project, max_trials=2, objective=objective)
    assert isinstance(tuner, Own)
    tuner.search(*data)
    for key in "01":
        run = journal()[f"trial-{key}"]
        metrics = run.summary().metrics
        assert metrics["score"] == metrics["total"] == run.get_metrics("loss")["loss"][-1].value
        assert metrics["other"] == 1.5
        assert "best_epoch" not in metrics
        assert run.summary().params["tenths"]


def test_a_black_box_without_a_model(project, journal):
    class Parabola(keras_tuner.GridSearch):
        def run_trial(self, trial: Any) -> float:
            return float((trial.hyperparameters.Int("x", -1, 2) - 1) ** 2)

    tuner = tuners.tracked(Parabola)(directory=project / "tuning", project_name="toy", max_trials=9)
    tuner.search()
    runs = journal()
    best = tuner.oracle.get_best_trials(1)[0]
    assert runs["toy"].summary().metrics["best_score"] == 0.0
    assert runs[f"trial-{best.trial_id}"].summary().params["x"] == 1
    assert runs[f"trial-{best.trial_id}"].summary().metrics["default_objective"] == 0.0


def test_sklearn_tuner(data, project, journal):
    from sklearn.linear_model import Ridge

    tuner = tuners.tracked(keras_tuner.SklearnTuner)(
        oracle=keras_tuner.oracles.RandomSearchOracle(
            objective=keras_tuner.Objective("score", "max"), max_trials=2, seed=1
        ),
        hypermodel=lambda hp: Ridge(alpha=hp.Float("alpha", 0.1, 1)),
        directory=project / "tuning",
        project_name="toy",
    )
    tuner.search(*data)
    for key, trial in tuner.oracle.trials.items():
        summary = journal()[f"trial-{key}"].summary()
        assert summary.params == {"alpha": trial.hyperparameters.values["alpha"]}
        assert summary.metrics == {"score": trial.score}


def test_several_objectives(data, project, journal):
    objectives = [keras_tuner.Objective("val_loss", "min"), keras_tuner.Objective("val_mae", "min")]
    tuner = make("RandomSearch", Space(), project, max_trials=1, objective=objectives)
    search(tuner, data)
    params = journal()["toy"].get_params()
    assert params["search/objective"] == "multi_objective"
    assert (params["search/objectives/val_loss"], params["search/objectives/val_mae"]) == ("min", "min")
    summary = journal()["trial-0"].summary()
    assert summary.metrics["score"] == pytest.approx(summary.metrics["val_loss"] + summary.metrics["val_mae"])
    assert summary.metrics["best_epoch"] == tuner.oracle.get_trial("0").best_step


def test_tracked_says_what_it_takes():
    assert tuners.tracked(tuners.RandomSearch) is tuners.RandomSearch
    assert tuners.tracked(keras_tuner.Hyperband).__name__ == "TrackedHyperband"
    with pytest.raises(TypeError, match="takes a tuner class"):
        tuners.tracked(dict)
    with pytest.raises(ValueError, match="hypermodel=None"):
        tuners.RandomSearch(objective="val_loss")


def test_best_epoch_is_an_epoch_not_an_index():
    history = keras.callbacks.History()
    history.epoch, history.history = [4, 5, 6], {"loss": [1.0, 2.0, 3.0], "val_loss": [3.0, 1.0, 2.0]}
    assert best_epoch(history, keras_tuner.Objective("val_loss", "min")) == 5
    assert best_epoch(history, keras_tuner.Objective("val_loss", "max")) == 4
    assert best_epoch(1.5, keras_tuner.Objective("val_loss", "min")) is None


# -- switched off, and what is missing ----------------------------------------------------------------------------


def test_disabled_writes_no_file(data, project, monkeypatch):
    keras.utils.set_random_seed(5)
    plain = make(keras_tuner.RandomSearch, build, project / "plain", max_trials=2)
    search(plain, data)
    monkeypatch.setenv("MULTITRACK_DISABLED", "1")
    keras.utils.set_random_seed(5)
    tuner = make("RandomSearch", build, project, max_trials=2, executions_per_trial=1)
    search(tuner, data)
    assert states(tuner) == states(plain)
    assert set(tuner.runs) == {"0", "1"}
    assert all(run.disabled for run in [tuner.parent_run, *tuner.runs.values()])
    assert sorted(path.name for path in project.iterdir()) == ["multitrack.toml", "plain", "tuning"]
    left = [
        sorted(str(p.relative_to(base)) for p in base.rglob("*"))
        for base in (project / "tuning", project / "plain/tuning")
    ]
    assert left[0] == left[1]


def test_a_missing_tensorboard_is_said_before_the_search(data, project, monkeypatch):
    real = tuners.importlib.util.find_spec
    monkeypatch.setattr(tuners.importlib.util, "find_spec", lambda name: None if name == "tensorboard" else real(name))
    tuner = make("RandomSearch", build, project, max_trials=1)
    with pytest.raises(ImportError, match=r'tensorboard.*pip install "multitrack\[keras-tuner\]"'):
        search(tuner, data)
    assert not tuner.oracle.trials
    assert not (project / ".multitrack").exists()


@pytest.mark.parametrize("missing", ["keras_tuner", "six"])
def test_a_missing_keras_tuner_is_named_with_the_command(project, missing):
    code = (
        f"import os, sys; sys.modules[{missing!r}] = None; os.environ['KERAS_BACKEND'] = 'tensorflow'\n"
        "import multitrack\n"
        "try:\n    import multitrack.keras_tuner\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f'multitrack.keras_tuner needs {missing}: pip install "multitrack[keras-tuner]"\n'


def test_the_chief_of_a_distributed_search_has_no_runs(data, project, monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "1")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    served: list[Any] = []
    monkeypatch.setattr("keras_tuner.src.distribute.oracle_chief.start_server", served.append)
    tuner = make("RandomSearch", build, project, max_trials=1)
    search(tuner, data)
    assert served == [tuner.oracle]
    assert tuner.parent_run is None
    assert tuner.runs == {}
    assert not (project / ".multitrack").exists()
