"""Tracking never changes a search that fails, is interrupted, or goes on."""

from collections.abc import Iterator
from typing import Any

import keras
import keras_tuner
import pytest

from same_search import RANDOM, SEEN, Fit, Rows, assert_unchanged, building
from searches import WARNINGS, Space, make, search

pytestmark = WARNINGS

ROWS = Rows()
row = ROWS.add


# -- what goes wrong ----------------------------------------------------------------------------------------------


@row
def a_retry(track: Any, data: Any) -> Iterator[Any]:
    args = {"max_retries_per_trial": 1, "executions_per_trial": 2}
    tuner = make(track(keras_tuner.RandomSearch), Fit(None, ZeroDivisionError("once"), None, None), **RANDOM, **args)
    yield tuner
    search(tuner, data, epochs=1)


@row
def the_limit_of_failures(track: Any, data: Any) -> Iterator[Any]:
    args = {**RANDOM, "max_trials": 9, "max_consecutive_failed_trials": 2}
    tuner = make(track(keras_tuner.RandomSearch), Fit(None, ZeroDivisionError("always"), ZeroDivisionError()), **args)
    yield tuner
    search(tuner, data, epochs=1)


@row
def a_fatal_error(track: Any, data: Any) -> Iterator[Any]:
    fatal = keras_tuner.errors.FatalValueError("no use")
    tuner = make(track(keras_tuner.RandomSearch), Fit(None, fatal), **RANDOM)
    yield tuner
    search(tuner, data, epochs=1)


@row
def a_wrong_result(track: Any, data: Any) -> Iterator[Any]:
    tuner = make(track(keras_tuner.RandomSearch), Fit({"loss": 1.0}), **RANDOM)
    yield tuner
    search(tuner, data, epochs=1)


@row
def an_interrupt(track: Any, data: Any) -> Iterator[Any]:
    tuner = make(track(keras_tuner.RandomSearch), Fit(None, KeyboardInterrupt()), **RANDOM)
    yield tuner
    search(tuner, data, epochs=1)


@row
def a_score_that_is_nan(track: Any, data: Any) -> Iterator[Any]:
    outcomes = (0.5, float("nan"), ZeroDivisionError("first"), float("nan"))
    args = {**RANDOM, "max_trials": 3, "objective": None, "max_retries_per_trial": 1}
    tuner = make(track(keras_tuner.RandomSearch), Fit(*outcomes), **args)
    yield tuner
    search(tuner, data, epochs=1)


@row
def an_oversized_model(track: Any, data: Any) -> Iterator[Any]:
    """Failed at once, whatever the retries."""
    args = {"max_model_size": 12, "max_retries_per_trial": 2, "max_trials": 4}
    tuner = make(track(keras_tuner.GridSearch), Space(), **args)
    yield tuner
    search(tuner, data, epochs=1)


@row
def a_callback_that_cannot_be_copied(track: Any, data: Any) -> Iterator[Any]:
    class Stubborn(keras.callbacks.Callback):
        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError

        def __repr__(self) -> str:
            return "Stubborn()"

    tuner = make(track(keras_tuner.RandomSearch), building, **RANDOM)
    yield tuner
    search(tuner, data, callbacks=[Stubborn()])


# -- going on -----------------------------------------------------------------------------------------------------


@row
def search_called_again(track: Any, data: Any) -> Iterator[Any]:
    tuner = make(track(keras_tuner.RandomSearch), building, **RANDOM)
    yield tuner
    search(tuner, data, epochs=1)
    SEEN.append(tuner.remaining_trials)
    search(tuner, data, epochs=1)
    tuner.oracle.max_trials = 3
    search(tuner, data, epochs=1)


@row
def reloaded_when_all_is_done(track: Any, data: Any) -> Iterator[Any]:
    for _ in range(2):
        tuner = make(track(keras_tuner.RandomSearch), building, **RANDOM)
        yield tuner
        search(tuner, data, epochs=1)


@row
def resumed_after_an_interrupt(track: Any, data: Any) -> Iterator[Any]:
    args = {**RANDOM, "max_trials": 3}
    tuner = make(track(keras_tuner.RandomSearch), Fit(None, KeyboardInterrupt()), **args)
    yield tuner
    with pytest.raises(KeyboardInterrupt):
        search(tuner, data, epochs=1)
    tuner = make(track(keras_tuner.RandomSearch), Fit(None), **args)
    yield tuner
    search(tuner, data, epochs=1)


@pytest.mark.long("a_retry", "resumed_after_an_interrupt")
@pytest.mark.parametrize("name", ROWS.named)
def test_tracking_never_changes_a_search(name, data, project, monkeypatch):
    assert_unchanged(ROWS.named[name], data, project, monkeypatch)
