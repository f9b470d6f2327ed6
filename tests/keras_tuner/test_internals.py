"""Names that KerasTuner does not promise: which of them the installed release has, and what is done without each."""

import importlib
from typing import Any

import keras
import keras_tuner
import pytest

from multitrack.keras_tuner import internals
from searches import WARNINGS, build, make, search, states

pytestmark = WARNINGS


def test_the_names_that_the_installed_release_has():
    objectives = [keras_tuner.Objective("loss", "min"), keras_tuner.Objective("mae", "max")]
    having = {
        "Tuner": keras_tuner.Tuner,
        "MultiObjective": keras_tuner.engine.oracle.Oracle(objective=objectives, max_trials=1).objective,
        "Oracle": keras_tuner.engine.oracle.Oracle(objective="val_loss", max_trials=1),
        "oracle_chief": importlib.import_module("keras_tuner.src.distribute.oracle_chief"),
        "tuner_utils": importlib.import_module("keras_tuner.src.engine.tuner_utils"),
    }
    missing = {
        f"{owner}.{name}"
        for owner, names in internals.NAMES.items()
        for name in names
        if not hasattr(having[owner], name)
    }
    assert missing == set()


def history(**values: list[float]) -> Any:
    made = keras.callbacks.History()
    made.history = values
    made.epoch = list(range(len(next(iter(values.values())))))
    return made


def test_results_are_read_the_same_by_public_names(monkeypatch):
    several = keras_tuner.engine.oracle.Oracle(
        objective=[keras_tuner.Objective("a", "min"), keras_tuner.Objective("b", "max")], max_trials=1
    ).objective
    results = [
        3, 2.5, {"a": 1.0, "b": 2.0, "c": 3.0}, history(a=[3.0, 1.0, 1.0], b=[0.0, 0.5, 0.0], c=[1.0, 2.0, 3.0]),
    ]  # fmt: skip
    for objective in (keras_tuner.Objective("a", "min"), keras_tuner.Objective("b", "max"), several):
        theirs = [internals.metrics_of(each, objective) for each in (*results, results[:2], [results[3]] * 2)]
        index = internals.best_index(results[3], objective)
        with monkeypatch.context() as patched:
            patched.setattr(internals, "_tuner_utils", lambda: None)
            ours = [internals.metrics_of(each, objective) for each in (*results, results[:2], [results[3]] * 2)]
            assert ours == theirs
            assert internals.best_index(results[3], objective) == index == 1
    with pytest.raises(TypeError, match="no number"):
        internals.metrics_of("text", several)


def test_directions_of_several_objectives_by_public_names():
    objective = keras_tuner.engine.oracle.Oracle(
        objective=[keras_tuner.Objective("a", "min"), keras_tuner.Objective("b", "max")], max_trials=1
    ).objective
    found = internals.directions(objective)
    del objective.name_to_direction
    assert internals.directions(objective) == found == {"a": "min", "b": "max"}


def test_without_its_name_for_a_checkpoint_none_is_referred_to(data, project, journal, monkeypatch):
    """KerasTuner finds its own file all the same."""
    whole = internals.checkpoint_path
    monkeypatch.setattr(internals, "checkpoint_path", lambda tuner, trial_id: whole(object(), trial_id))
    search(make("RandomSearch", build, project, max_trials=1), data)
    summary = journal()["trial-0"].summary()
    assert not summary.artifacts
    assert summary.status == "finished"
    assert summary.mistakes == 0


def test_without_the_method_for_one_training_the_search_hands_over_the_callback(data, project, journal, monkeypatch):
    """KerasTuner copies it for each training, and it records into the trial's run."""

    def run_trial(self: Any, trial: Any, *args: Any, callbacks: Any = (), **kwargs: Any) -> Any:
        results = []
        for _ in range(self.executions_per_trial):
            model = self.hypermodel.build(trial.hyperparameters)
            copies = self._deepcopy_callbacks(list(callbacks))
            results.append(self.hypermodel.fit(trial.hyperparameters, model, *args, callbacks=copies, **kwargs))
        return results

    run_trial.__module__ = keras_tuner.Tuner.__module__
    monkeypatch.setattr(keras_tuner.Tuner, "run_trial", run_trial)
    monkeypatch.delattr(keras_tuner.Tuner, "_build_and_fit_model")
    tuner = make("RandomSearch", build, project, max_trials=2)
    search(tuner, data)
    for state in states(tuner):
        run = journal()[f"trial-{state['trial_id']}"]
        points = run.get_metrics("val_loss")["val_loss"]
        assert [point.step for point in points] == [0, 1]
        assert run.summary().metrics["score"] == state["score"] == min(point.value for point in points)
        assert run.summary().mistakes == 0


def test_without_the_method_for_one_trial_its_begin_is_the_hook(data, project, journal, monkeypatch):
    theirs = keras_tuner.engine.base_tuner.BaseTuner

    def search_without(self: Any, *args: Any, **kwargs: Any) -> None:
        self.on_search_begin()
        while (trial := self.oracle.create_trial(self.tuner_id)).status != "STOPPED":
            self.on_trial_begin(trial)
            attempt(self, trial, *args, **kwargs)
            self.on_trial_end(trial)
        self.on_search_end()

    attempt = theirs._try_run_and_update_trial
    monkeypatch.setattr(theirs, "search", search_without)
    monkeypatch.delattr(theirs, "_try_run_and_update_trial")
    search(make("RandomSearch", build, project, max_trials=2), data)
    assert {name: run.summary().status for name, run in journal().items()} == {
        "toy": "finished", "trial-0": "finished", "trial-1": "finished",
    }  # fmt: skip
