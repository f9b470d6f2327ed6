"""Trainings in a trial that are several fits, or out of the tracking's reach: one curve, or said once a search."""

from typing import Any

import keras_tuner
import pytest

import multitrack
import multitrack.keras_tuner
from multitrack.keras import TrackingCallback
from searches import WARNINGS, build, make, search

pytestmark = [pytest.mark.case(25), *WARNINGS]


def steps(held: Any, name: str = "loss") -> list[int]:
    return [point.step for point in held.get_metrics(name).get(name, [])]


def fit(model: Any, data: Any, epochs: int = 1, *others: Any, **how: Any) -> Any:
    """Epochs of 5 batches."""
    how = {"batch_size": 10, "verbose": 0, **how}
    return model.fit(*data, epochs=epochs, callbacks=[TrackingCallback(log_freq=1), *others], **how)


# -- in a search --------------------------------------------------------------------------------------------------


class Curriculum(keras_tuner.HyperModel):
    """Several fits in a trial; the last one's history is returned."""

    def build(self, hp: Any) -> Any:
        return build(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        for _ in range(3):
            history = model.fit(*args, **kwargs)
        return history


def test_several_fits_in_a_trial_are_one_curve(data, project, journal):
    tuner = make("RandomSearch", Curriculum(), project, max_trials=1)
    search(tuner, data, epochs=2)
    held = journal()["trial-0"]
    points = held.get_metrics("val_loss")["val_loss"]
    assert [point.step for point in points] == [0, 1, 2, 3, 4, 5]
    metrics = held.summary().metrics
    assert points[int(metrics["best_epoch"])].value == metrics["score"]
    assert metrics["best_epoch"] in (4, 5)  # of the fit whose history counts for KerasTuner
    assert held.summary().mistakes == 0


# -- callbacks that are dropped -----------------------------------------------------------------------------------


class Drops(keras_tuner.HyperModel):
    """A ``fit`` that leaves the callbacks where they are."""

    def build(self, hp: Any) -> Any:
        return build(hp)

    def fit(self, hp: Any, model: Any, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        return model.fit(*args, **kwargs)


class DropsAll(Drops):
    def fit(self, hp: Any, model: Any, x: Any, y: Any, validation_data: Any, **kwargs: Any) -> Any:
        return model.fit(x, y, validation_data=validation_data, epochs=1, verbose=0)


class DropsForOwn(Drops):
    """Its own, in their place; so the epochs are there."""

    def fit(self, hp: Any, model: Any, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        return model.fit(*args, **kwargs, callbacks=[TrackingCallback()])


class Blackbox(Drops):
    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        return {"val_loss": 0.5}


class DropsSometimes(Drops):
    calls = 0

    def fit(self, hp: Any, model: Any, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        self.calls += 1
        return model.fit(*args, **kwargs, callbacks=callbacks if self.calls != 2 else None)


def dropped(caplog: Any) -> list[str]:
    return [text for record in caplog.records if "callbacks" in (text := record.getMessage())]


@pytest.mark.long("Blackbox-2", "DropsSometimes-2")
@pytest.mark.parametrize("executions", [1, 2])
@pytest.mark.parametrize("model", [Drops, DropsAll, Blackbox, DropsSometimes])
def test_callbacks_that_are_dropped_are_said_once_a_search(data, project, journal, caplog, model, executions):
    tuner = make("RandomSearch", model(), project, max_trials=3, executions_per_trial=executions)
    search(tuner, data)
    (text,) = dropped(caplog)
    assert f"{model.__name__}.fit()" in text
    assert "model.fit(*args, **kwargs)" in text
    assert text.removeprefix("multitrack: ") in [line.text for line in journal()["toy"].get_lines()]
    assert {run.summary().mistakes for run in journal().values()} == {0}
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["COMPLETED"] * 3


@pytest.mark.parametrize("model", [Curriculum, DropsForOwn])
def test_callbacks_that_are_handed_on_are_not_complained_of(data, project, journal, caplog, model):
    tuner = make("RandomSearch", model(), project, max_trials=2)
    search(tuner, data, epochs=1)
    assert dropped(caplog) == []
    assert journal()["trial-1"].get_metrics("val_loss")


def test_a_fit_of_no_epochs_and_one_that_fails_have_dropped_nothing(data, project, caplog):
    class Fails(Drops):
        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            raise ZeroDivisionError

    search(make("RandomSearch", Fails(), project, max_trials=2), data)
    objective = keras_tuner.Objective("x", "min")

    class NoEpochs(Drops):
        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            model.fit(*args, **{**kwargs, "epochs": 0})
            return {"x": 1.0}

    search(make("RandomSearch", NoEpochs(), project, max_trials=1, objective=objective, project_name="other"), data)
    assert dropped(caplog) == []


def test_a_second_search_says_it_again(data, project, caplog):
    for name in ("one", "two"):
        search(make("RandomSearch", Drops(), project, max_trials=1, project_name=name), data)
    assert len(dropped(caplog)) == 2


# -- a run_trial of one's own -------------------------------------------------------------------------------------


def own(run_trial: Any, data: Any, project: Any, **how: Any) -> Any:
    """A search of a tuner with this ``run_trial``; its trials must complete."""
    kind = type("Own", (multitrack.keras_tuner.Tuner,), {"run_trial": run_trial})
    oracle = keras_tuner.oracles.RandomSearchOracle(objective="val_loss", max_trials=3)
    tuner = kind(oracle=oracle, directory=str(project / "tuning"), project_name="own", **{"hypermodel": build, **how})
    tuner.search(*data, validation_data=data, epochs=2, verbose=0)
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["COMPLETED"] * 3
    return tuner


def untracked(caplog: Any) -> list[str]:
    return [text for record in caplog.records if "trains by itself" in (text := record.getMessage())]


def test_a_run_trial_that_trains_by_itself_is_said_once_a_search(data, project, journal, caplog):
    def run_trial(self: Any, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return self.hypermodel.build(trial.hyperparameters).fit(*args, **kwargs)

    own(run_trial, data, project)
    (text,) = untracked(caplog)
    assert "trial-0: Own.run_trial()" in text
    assert text.removeprefix("multitrack: ") in [line.text for line in journal()["trial-0"].get_lines()]


def test_a_run_trial_with_a_callback_of_its_own_is_not_complained_of(data, project, journal, caplog):
    def run_trial(self: Any, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return self.hypermodel.build(trial.hyperparameters).fit(*args, callbacks=[TrackingCallback()], **kwargs)

    own(run_trial, data, project)
    assert untracked(caplog) == []
    assert [steps(run) for name, run in journal().items() if name.startswith("trial")] == [[0, 1]] * 3


def test_a_black_box_without_a_hypermodel_is_not_complained_of(data, project, caplog):
    own(lambda self, trial, *args, **kwargs: trial.hyperparameters.Float("x", 0, 1), data, project, hypermodel=None)
    assert untracked(caplog) == []


def test_a_loop_that_tells_the_tuner_of_its_epochs_has_them(data, project, journal, caplog):
    def run_trial(self: Any, trial: Any, *args: Any, **kwargs: Any) -> float:
        model = self.hypermodel.build(trial.hyperparameters)
        for epoch in range(2):
            self.on_epoch_begin(trial, model, epoch, logs={})
            model.train_on_batch(*data)
            self.on_epoch_end(trial, model, epoch, logs={"val_loss": 1.0 - epoch / 4})
        return 0.75

    own(run_trial, data, project)
    assert untracked(caplog) == []
    for number in range(3):
        held = journal()[f"trial-{number}"]
        assert [(p.step, p.value) for p in held.get_metrics("val_loss")["val_loss"]] == [(0, 1.0), (1, 0.75)]
        assert held.summary().mistakes == 0


def test_a_metric_that_cannot_be_recorded_is_warned_of_once_a_search(data, project, journal, caplog):
    class Many(keras_tuner.HyperModel):
        def build(self, hp: Any) -> Any:
            return build(hp)

        def fit(self, hp: Any, model: Any, *args: Any, callbacks: Any = (), **kwargs: Any) -> float:
            for callback in callbacks:
                callback.set_model(model)
                callback.on_epoch_end(0, {"many": [0.5] * 200, "more": [0.5] * 300, "val_loss": 0.5})
            return 0.5

    search(make("RandomSearch", Many(), project, max_trials=3, executions_per_trial=2), data)
    said = [text for record in caplog.records if "was set aside" in (text := record.getMessage())]
    assert len(said) == 2
    assert "TrackingCallback: many was set aside" in said[0]
    assert "TrackingCallback: more was set aside" in said[1]
    counted = [run.summary().mistakes for name, run in journal().items() if "-e" in name]
    assert counted == [2] * 6
