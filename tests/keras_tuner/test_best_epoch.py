"""The best epoch is told by the epochs that a callback saw, whatever ``HyperModel.fit`` returns."""

from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

import multitrack
from multitrack.keras import TrackingCallback
from multitrack.keras_tuner.epochs import Epochs
from searches import WARNINGS, build, make, search

pytestmark = [pytest.mark.case(34), *WARNINGS]


class Returns(keras_tuner.HyperModel):
    """Makes something of the history, and knows what the epochs had."""

    def __init__(self, result: Any, folds: int = 1) -> None:
        super().__init__()
        self.result = result
        self.folds = folds
        self.seen: list[list[float]] = []

    def build(self, hp: Any) -> Any:
        return build(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        results = []
        for _ in range(self.folds):
            fold = build(hp) if self.folds > 1 else model
            history = fold.fit(*args, **kwargs)
            self.seen.append(history.history["val_loss"])
            results.append(self.result(history))
        return results if self.folds > 1 else results[0]


RESULTS: dict[str, Any] = {
    "a float": lambda history: min(history.history["val_loss"]),
    "a numpy float": lambda history: np.min(history.history["val_loss"]),
    "a dict": lambda history: {"val_loss": min(history.history["val_loss"]), "other": 3.0},
    "a list of one": lambda history: [min(history.history["val_loss"])],
    "the history": lambda history: history,
    "a list of the history": lambda history: [history],
    "the last value": lambda history: history.history["val_loss"][-1],
    "another number": lambda history: 123.0,
    "an integer": lambda history: 5,
    "two floats": lambda history: [1.0, 2.0],
}


#: Of each kind one that the suite runs: a value, a dict, a history, a list, and what is no value of the objective.
KINDS = {"a dict", "the history", "a list of the history", "another number"}


def rows(*names: str, kept: set[str] = KINDS) -> list[Any]:
    return [name if name in kept else pytest.param(name, marks=pytest.mark.long) for name in names]


def trained(data: Any, model: Any, project: Any, **how: Any) -> Any:
    """A search of two trials, in which the epochs get worse from some on."""
    args = {"max_trials": 2, **{key: how.pop(key) for key in ("executions_per_trial", "objective") if key in how}}
    tuner = make("RandomSearch", model, project, **args)
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: (0.05, 0.05, -0.2, -0.2)[epoch % 4])
    search(tuner, data, epochs=4, callbacks=[schedule], **how)
    return tuner


def best_of(values: list[float]) -> int:
    return int(np.argmin(values))


@pytest.mark.long("the history", "another number")
@pytest.mark.parametrize("result", rows(*RESULTS))
def test_the_best_epoch_whatever_is_returned(data, project, journal, result):
    model = Returns(RESULTS[result])
    tuner = trained(data, model, project)
    assert len({best_of(values) for values in model.seen} - {0}) >= 1
    for key, values in zip("01", model.seen, strict=True):
        metrics = journal()[f"trial-{key}"].summary().metrics
        points = [point.value for point in journal()[f"trial-{key}"].get_metrics("val_loss")["val_loss"]]
        assert points == values
        assert metrics["best_epoch"] == best_of(values) != 3
        assert "best_epoch_mean" not in metrics
        # The score is what was returned, whatever the epochs say; of the other metrics it is that epoch's.
        assert metrics["score"] == metrics["val_loss"] == tuner.oracle.get_trial(key).score
        loss = [point.value for point in journal()[f"trial-{key}"].get_metrics("loss")["loss"]]
        assert metrics["loss"] == loss[best_of(values)]
    assert {run.summary().mistakes for run in journal().values()} == {0}


@pytest.mark.long("the history")
@pytest.mark.parametrize(
    "result", rows("a float", "a dict", "the history", "another number", kept={"the history", "another number"})
)
def test_each_execution_has_its_own(data, project, journal, result):
    model = Returns(RESULTS[result])
    tuner = trained(data, model, project, executions_per_trial=2)
    runs = journal()
    for key, pair in zip("01", (model.seen[:2], model.seen[2:]), strict=True):
        best = [best_of(values) for values in pair]
        below = [runs[f"trial-{key}-e{number}"].summary().metrics for number in (1, 2)]
        assert [metrics["best_epoch"] for metrics in below] == best
        assert runs[f"trial-{key}"].summary().metrics["best_epoch_mean"] == np.mean(best)
        scores = [123.0, 123.0] if result == "another number" else [min(values) for values in pair]
        assert [metrics["score"] for metrics in below] == scores
        assert runs[f"trial-{key}"].summary().metrics["score"] == tuner.oracle.get_trial(key).score == np.mean(scores)


@pytest.mark.long("the history")
@pytest.mark.parametrize("result", rows("a float", "a dict", "the history", kept={"a float", "the history"}))
def test_a_list_of_folds_has_the_mean_of_their_best_epochs(data, project, journal, result):
    model = Returns(RESULTS[result], folds=2)
    trained(data, model, project)
    for key, pair in zip("01", (model.seen[:2], model.seen[2:]), strict=True):
        metrics = journal()[f"trial-{key}"].summary().metrics
        assert metrics["best_epoch_mean"] == np.mean([best_of(values) for values in pair])
        assert "best_epoch" not in metrics


def summed(history: Any) -> dict[str, float]:
    """A dict as KerasTuner wants it of several objectives."""
    last = {name: values[-1] for name, values in history.history.items()}
    return {**last, "multi_objective": last["val_loss"] + last["val_mae"]}


def test_several_objectives(data, project, journal):
    class Two(Returns):
        def build(self, hp: Any) -> Any:
            model = build(hp)
            model.compile(model.optimizer, "mse", metrics=["mae"], run_eagerly=True)
            return model

    objectives = [keras_tuner.Objective("val_loss", "min"), keras_tuner.Objective("val_mae", "min")]
    for number, result in enumerate((summed, lambda history: history)):
        model = Two(result)
        with multitrack.start_run(name=f"search-{number}"):
            tuner = make(
                "RandomSearch", model, project, max_trials=1, objective=objectives, project_name=f"toy-{number}"
            )
            search(tuner, data, epochs=3)
        held = multitrack.open_journal(".multitrack").run(tuner.runs["0"].id)
        points = {name: [p.value for p in held.get_metrics(name)[name]] for name in ("val_loss", "val_mae")}
        assert held.summary().metrics["best_epoch"] == best_of(np.add(points["val_loss"], points["val_mae"]))
        assert held.summary().metrics["score"] == tuner.oracle.get_trial("0").score


def test_the_most_is_best(data, project, journal):
    model = Returns(lambda history: max(history.history["val_loss"]))
    trained(data, model, project, objective=keras_tuner.Objective("val_loss", "max"))
    for key, values in zip("01", model.seen, strict=True):
        assert journal()[f"trial-{key}"].summary().metrics["best_epoch"] == int(np.argmax(values))


def test_without_the_objective_among_the_epochs_there_is_none(data, project, journal):
    model = Returns(lambda history: {"total": 1.0})
    trained(data, model, project, objective=keras_tuner.Objective("total", "min"))
    assert "best_epoch" not in journal()["trial-0"].summary().metrics
    model = Returns(lambda history: 0.5)  # and without an objective
    tuner = make("RandomSearch", model, project, max_trials=1, objective=None, project_name="none")
    search(tuner, data)
    simple = multitrack.open_journal(".multitrack").run(tuner.runs["0"].id).summary().simple
    assert "best_epoch" not in simple
    assert simple["score"] == simple["default_objective"] == 0.5


def test_a_callback_of_the_users_own_has_seen_them_as_well(data, project, journal):
    class Own(Returns):
        def fit(self, hp: Any, model: Any, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
            return min(model.fit(*args, **kwargs, callbacks=[TrackingCallback()]).history["val_loss"])

    tuner = make("RandomSearch", Own(None), project, max_trials=1)
    search(tuner, data, epochs=3)
    held = journal()["trial-0"]
    points = [point.value for point in held.get_metrics("val_loss")["val_loss"]]
    assert held.summary().metrics["best_epoch"] == best_of(points)


def test_hyperband_that_returns_floats_has_true_epochs(data, project, journal):
    tuner = make("Hyperband", Returns(RESULTS["a float"]), project, max_epochs=3, factor=3)
    search(tuner, data)
    later = 0
    for key, trial in tuner.oracle.trials.items():
        held = journal()[f"trial-{key}"]
        points = {point.step: point.value for point in held.get_metrics("val_loss")["val_loss"]}
        first = trial.hyperparameters.values["tuner/initial_epoch"]
        later += first > 0
        assert min(points) == first
        best = held.summary().metrics["best_epoch"]
        assert points[best] == min(points.values()) == trial.score
    assert later > 0


def test_a_completed_trial_whose_end_was_not_recorded(data, project, journal, monkeypatch):
    """Killed once KerasTuner had ended it: the best epoch is told by what the run holds."""
    model = Returns(RESULTS["another number"])
    tuner = make("RandomSearch", model, project, max_trials=1)

    def killed(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("multitrack.keras_tuner.search.Search.end_trial", killed)
        search(tuner, data, epochs=3)
    assert "best_epoch" not in journal()["trial-0"].summary().metrics
    search(make("RandomSearch", model, project, max_trials=1), data)
    metrics = journal()["trial-0"].summary().metrics
    assert metrics["best_epoch"] == best_of(model.seen[0])
    assert metrics["score"] == 123.0


def test_of_several_fits_the_one_that_gave_the_history_counts():
    history = keras.callbacks.History()
    history.epoch, history.history = [0, 1], {"val_loss": [3.0, 2.0]}
    epochs = Epochs(keras_tuner.Objective("val_loss", "min"))
    for fit, values in enumerate(([3.0, 2.0], [5.0, 6.0], [1.0, 4.0])):
        for epoch, value in enumerate(values):
            epochs(fit, epoch, 2 * fit + epoch, {"val_loss": value})
    assert epochs.best(history) == [1]  # not the last, nor the best of all
    assert epochs.best(0.5) == [4]
    history.history = {"val_loss": [9.0, 8.0]}  # changed since: the last fit of these epochs
    assert epochs.best(history) == [5]
    history.epoch = [7, 8]  # of a fit that nobody saw
    assert epochs.best(history) == [8]


def test_epochs_without_a_number_are_passed_over():
    epochs = Epochs(keras_tuner.Objective("val_loss", "min"))
    for epoch, value in enumerate([float("nan"), 3.0, None, "x", np.array([1.0, 2.0]), 2.0]):
        epochs(0, epoch, epoch, {} if value is None else {"val_loss": value})
    assert epochs.best(1.0) == [5]
