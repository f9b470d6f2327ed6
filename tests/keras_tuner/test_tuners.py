"""A search as runs: one parent, a child for each attempt of a trial, and the search itself unchanged."""

import contextlib
import json
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

import multitrack
from multitrack import keras_tuner as tuners
from multitrack.keras import TrackingCallback
from multitrack.keras_tuner.epochs import Epochs
from multitrack.testing import MemoryBackend
from searches import KINDS, WARNINGS, Space, build, make, search

pytestmark = WARNINGS


# -- the four tuners ----------------------------------------------------------------------------------------------


@pytest.mark.long("RandomSearch", "Hyperband")
@pytest.mark.parametrize("kind", KINDS)
def test_each_trial_is_recorded_whole(kind, data, project, journal):
    tuner = make(kind, Space(), project, **KINDS[kind])
    assert isinstance(tuner, getattr(keras_tuner, kind))
    search(tuner, data)

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
    assert {name: summary.sources[name] for name in own} == dict.fromkeys(own, "keras tuner")
    assert {source for name, source in summary.sources.items() if name not in own} == {"keras"}
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
    assert set(summary.sources.values()) == {"keras"}
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


def test_hyperbands_rounds_are_linked_in_every_tracker_also_after_an_interruption(project):
    """Each trial has bracket and round, and the run it goes on from: the attempt that was right, of an earlier process too."""
    calls: list[str] = []

    class Box(keras_tuner.Hyperband):
        def run_trial(self, trial: Any) -> float:
            calls.append(trial.trial_id)
            if trial.hyperparameters.values["tuner/round"] == 0 and calls.count(trial.trial_id) == 1:
                raise ZeroDivisionError
            if trial.hyperparameters.values["tuner/round"] == 1 and calls.count(trial.trial_id) == 1:
                raise KeyboardInterrupt
            return float(trial.hyperparameters.get("x"))

    space = keras_tuner.HyperParameters()
    space.Int("x", 1, 1000)
    args = {"max_epochs": 4, "factor": 2, "max_retries_per_trial": 1, "seed": 3, "directory": project}
    memory = MemoryBackend()
    first: dict[str, Any] = {}
    for _ in range(100):
        with multitrack.start_run(backends=[memory], config={"delivery": "thread"}):
            tuner = tuners.tracked(Box)(hyperparameters=space, **args)
            with contextlib.suppress(KeyboardInterrupt):
                tuner.search()
                break
        first |= {key: memory.runs[run.id] for key, run in tuner.runs.items()}
    else:
        raise AssertionError("it should have come to an end")
    final = first | {key: memory.runs[run.id] for key, run in tuner.runs.items()}
    assert set(final) == set(tuner.oracle.trials)
    ids = {key: name for key, held in final.items() for name, run in memory.runs.items() if run is held}
    rounds = {}
    for key, trial in tuner.oracle.trials.items():
        values, tags = trial.hyperparameters.values, final[key].tags
        assert (tags["tuner/bracket"], tags["tuner/round"]) == (
            str(values["tuner/bracket"]),
            str(values["tuner/round"]),
        )
        rounds.setdefault(values["tuner/round"], []).append(key)
        if values["tuner/round"] == 0:
            assert "keras_tuner/parent_trial_run" not in tags
        else:
            assert tags["keras_tuner/parent_trial_run"] == ids[values["tuner/trial_id"]]
        # The last of its attempts: after a failure, or an interruption.
        assert tags["keras_tuner/attempt"] == str(2 if values["tuner/round"] < 2 else 1)
    assert set(rounds) == {0, 1, 2}


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
    assert set(journal()) == {"toy", "trial-0", "trial-1"}
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


def test_best_epoch_is_an_epoch_not_an_index():
    history = keras.callbacks.History()
    history.epoch, history.history = [4, 5, 6], {"loss": [1.0, 2.0, 3.0], "val_loss": [3.0, 1.0, 2.0]}
    assert Epochs(keras_tuner.Objective("val_loss", "min")).best(history) == [5]
    assert Epochs(keras_tuner.Objective("val_loss", "max")).best(history) == [4]
    assert Epochs(keras_tuner.Objective("val_loss", "min")).best(1.5) == []
