"""Tracking never changes a search, whatever the search is told."""

from collections.abc import Iterator
from typing import Any

import keras
import keras_tuner
import pytest

from same_search import ON_TENSORFLOW, RANDOM, SEEN, Fit, Rows, assert_unchanged, building
from searches import WARNINGS, Space, make, search

pytestmark = WARNINGS

ROWS = Rows()
row = ROWS.add


@row
def fit_that_returns_a_float(track: Any, data: Any) -> Iterator[Any]:
    tuner = make(track(keras_tuner.RandomSearch), Fit(0.5, 0.25), **RANDOM, objective=None)
    yield tuner
    search(tuner, data, epochs=1)


@row
def fit_that_returns_a_dict(track: Any, data: Any) -> Iterator[Any]:
    results = ({"val_loss": 0.5, "other": 1}, {"val_loss": 0.25, "other": 2})
    tuner = make(track(keras_tuner.RandomSearch), Fit(*results), **RANDOM)
    yield tuner
    search(tuner, data, epochs=1)


@row
def several_executions(track: Any, data: Any) -> Iterator[Any]:
    tuner = make(track(keras_tuner.RandomSearch), Fit(None), **RANDOM, executions_per_trial=2)
    yield tuner
    search(tuner, data)


@row
def several_objectives(track: Any, data: Any) -> Iterator[Any]:
    objectives = [keras_tuner.Objective("val_loss", "min"), keras_tuner.Objective("val_mae", "max")]
    tuner = make(track(keras_tuner.RandomSearch), Space(), **RANDOM, objective=objectives)
    yield tuner
    search(tuner, data)


@row
def the_most_is_best(track: Any, data: Any) -> Iterator[Any]:
    objective = keras_tuner.Objective("val_mae", "max")
    tuner = make(track(keras_tuner.Hyperband), Space(), objective=objective, max_epochs=2, factor=2)
    yield tuner
    search(tuner, data)


@row
def a_space_given_beforehand(track: Any, data: Any) -> Iterator[Any]:
    space = keras_tuner.HyperParameters()
    space.Float("rate", 1e-2, 1e-1)
    args = {"hyperparameters": space, "tune_new_entries": False}
    tuner = make(track(keras_tuner.RandomSearch), Space(), **RANDOM, **args)
    yield tuner
    search(tuner, data, epochs=1)


@row
def new_entries_not_allowed(track: Any, data: Any) -> Iterator[Any]:
    """The one that only ``fit`` asks for comes too late for the constructor, and ends the search."""
    space = keras_tuner.HyperParameters()
    space.Int("tenths", 1, 10)
    args = {"hyperparameters": space, "allow_new_entries": False}
    tuner = make(track(keras_tuner.RandomSearch), Fit(None), **RANDOM, **args)
    yield tuner
    search(tuner, data, epochs=1)


@row
def compile_arguments_replaced(track: Any, data: Any) -> Iterator[Any]:
    args = {"optimizer": keras.optimizers.SGD(0.05), "loss": "mae", "metrics": ["mse"], "objective": "val_mse"}
    tuner = make(track(keras_tuner.RandomSearch), building, **RANDOM, **args)
    yield tuner
    search(tuner, data, epochs=1)


@row
def an_id_and_a_logger(track: Any, data: Any) -> Iterator[Any]:
    tuner = make(track(keras_tuner.RandomSearch), building, **RANDOM, tuner_id="mine", logger=SEEN)
    yield tuner
    search(tuner, data, epochs=1)


@row
def callbacks_that_steer_and_one_that_holds_the_tuner(track: Any, data: Any) -> Iterator[Any]:
    class Holds(keras.callbacks.Callback):
        tuner: Any = None

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            SEEN.append((epoch, self.tuner.project_name, sorted(logs)))

    callback = Holds()
    tuner = callback.tuner = make(track(keras_tuner.RandomSearch), building, **RANDOM)
    yield tuner
    stopping = keras.callbacks.EarlyStopping("val_loss", min_delta=1e9)
    slower = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    search(tuner, data, epochs=4, callbacks=[callback, stopping, slower])


@row
def verbose(track: Any, data: Any) -> Iterator[Any]:
    tuner = make(track(keras_tuner.RandomSearch), Fit(None, ZeroDivisionError()), **RANDOM, max_retries_per_trial=1)
    yield tuner
    tuner.search_space_summary()
    search(tuner, data, verbose=2)
    tuner.results_summary()


class Hooks:
    """Every hook of a tuner, noted; ``on_trial_begin`` calls no other, as KerasTuner's does nothing."""

    def pre_create_trial(self) -> None:
        SEEN.append("pre_create_trial")

    def on_search_begin(self) -> None:
        SEEN.append("on_search_begin")

    def on_search_end(self) -> None:
        SEEN.append("on_search_end")

    def on_trial_begin(self, trial: Any) -> None:
        SEEN.append(("on_trial_begin", trial.trial_id, trial.status, dict(trial.hyperparameters.values)))

    def on_trial_end(self, trial: Any) -> None:
        SEEN.append(("on_trial_end", trial.trial_id, trial.status, trial.score))
        super().on_trial_end(trial)  # type: ignore[misc]

    def on_epoch_begin(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
        SEEN.append(("on_epoch_begin", epoch, logs))

    def on_epoch_end(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
        SEEN.append(("on_epoch_end", epoch, sorted(logs)))

    def on_batch_begin(self, trial: Any, model: Any, batch: int, logs: Any) -> None:
        SEEN.append(("on_batch_begin", batch, sorted(logs)))

    def on_batch_end(self, trial: Any, model: Any, batch: int, logs: Any = None) -> None:
        SEEN.append(("on_batch_end", batch, sorted(logs)))


@row
def a_subclass_with_every_hook(track: Any, data: Any) -> Iterator[Any]:
    class Own(Hooks, keras_tuner.RandomSearch):
        pass

    tuner = make(track(Own), building, **RANDOM)
    yield tuner
    search(tuner, data)


@row
def a_subclass_of_ours_with_every_hook(track: Any, data: Any) -> Iterator[Any]:
    class Own(Hooks, track(keras_tuner.RandomSearch)):  # type: ignore[misc]
        pass

    tuner = make(Own, building, **RANDOM)
    yield tuner
    search(tuner, data)


@row
def a_subclass_of_ours_that_ends_trials_its_own_way(track: Any, data: Any) -> Iterator[Any]:
    class Own(track(keras_tuner.RandomSearch)):  # type: ignore[misc]
        def on_trial_end(self, trial: Any) -> None:
            self.oracle.end_trial(trial)

    tuner = make(Own, building, **RANDOM)
    yield tuner
    search(tuner, data, epochs=1)


if ON_TENSORFLOW:

    @row
    def a_distribution_strategy(track: Any, data: Any) -> Iterator[Any]:
        import tensorflow as tf

        strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
        tuner = make(track(keras_tuner.RandomSearch), building, **RANDOM, distribution_strategy=strategy)
        yield tuner
        search(tuner, data, epochs=1)


#: One row of each kind; `make keras` runs all.
KEPT = {
    "compile_arguments_replaced", "callbacks_that_steer_and_one_that_holds_the_tuner",
    "a_subclass_of_ours_that_ends_trials_its_own_way", "new_entries_not_allowed",
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in KEPT else pytest.mark.long) for name in ROWS.named]
)
def test_tracking_never_changes_a_search(name, data, project, monkeypatch):
    assert_unchanged(ROWS.named[name], data, project, monkeypatch)
