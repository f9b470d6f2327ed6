"""The names of KerasTuner that no documentation promises, each with the public way that is taken where it is missing.

No other module of this folder uses one. ``tests/keras_tuner/test_internals.py`` says which the installed release has.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np

#: Where the classes and functions really are; imported under its own name, everything would be there twice.
PRIVATE_PACKAGE: Final = "keras_tuner.src"

#: By where they stand.
NAMES: Final = {
    "Tuner": ("_build_and_fit_model", "_get_checkpoint_fname", "_try_run_and_update_trial"),
    "MultiObjective": ("name_to_direction",),
    "tuner_utils": ("convert_to_metrics_dict", "get_best_step"),
}


class RunsTrials:
    """A tuner that says when it begins with a trial, whatever a subclass's ``on_trial_begin`` does.

    In a release without this method it is not called: then ``on_trial_begin`` says so, unless a subclass keeps it from
    doing that.
    """

    _tracking: Any = None  # the search

    def _try_run_and_update_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
        if self._tracking is not None:
            self._tracking.begin_trial(trial)
        super()._try_run_and_update_trial(trial, *args, **kwargs)  # type: ignore[misc]  # KerasTuner's


class TrainsModels:
    """A tuner that records each training of a trial, also where a subclass trains in its own way.

    In a release without this method :func:`trains_once` says so, and the callback that records a training is handed to
    ``search``, whose callbacks KerasTuner copies for each training.
    """

    _tracking: Any = None  # the search

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A subclass may train without calling this class's method, as AutoKeras does."""
        super().__init_subclass__(**kwargs)
        train = cls._build_and_fit_model
        if not hasattr(train, "multitrack"):
            cls._build_and_fit_model = _tracked(train)  # type: ignore[method-assign]

    def _build_and_fit_model(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._build_and_fit_model(trial, *args, **kwargs)  # type: ignore[misc]  # KerasTuner's


def _tracked(train: Callable[..., Any]) -> Callable[..., Any]:
    """One training of a trial; by now KerasTuner has copied the callbacks, so that the one added is never copied."""

    @functools.wraps(train)
    def call(self: TrainsModels, trial: Any, *args: Any, **kwargs: Any) -> Any:
        tracking = self._tracking
        if tracking is None or tracking.in_execution:
            return train(self, trial, *args, **kwargs)
        try:
            callbacks = tracking.begin_execution(kwargs.get("callbacks") or ())
            if callbacks is not None:
                kwargs["callbacks"] = callbacks
            results = train(self, trial, *args, **kwargs)
        except BaseException as error:
            tracking.end_execution(None, error=error)
            raise
        tracking.end_execution(results)
        return results

    vars(call)["multitrack"] = True
    return call


def trains_once(tuner: type) -> bool:
    """Whether a release of KerasTuner has the method for one training of a trial."""
    return hasattr(tuner, "_build_and_fit_model")


def checkpoint_path(tuner: Any, trial_id: str) -> Path | None:
    """The file in which KerasTuner keeps the weights of a trial's best epoch; None where that is not known."""
    name_of = getattr(tuner, "_get_checkpoint_fname", None)
    return None if name_of is None else Path(name_of(trial_id))


def directions(objective: Any) -> dict[str, str]:
    """The direction of each of several objectives, by name; empty of a single one."""
    found = getattr(objective, "name_to_direction", None)
    if found is None:
        found = {each.name: each.direction for each in getattr(objective, "objectives", ())}
    return dict(found)


def metrics_of(results: Any, objective: Any) -> Mapping[str, Any]:
    """What KerasTuner makes of a trial's results: a number a metric; of a list, the means.

    Raises:
        Exception: KerasTuner cannot read them.
    """
    convert = getattr(_tuner_utils(), "convert_to_metrics_dict", None)
    found: Mapping[str, Any] | None = (convert or _metrics_of)(results, objective)
    if found is None:
        raise TypeError(f"no number, dict or History: {results!r}")
    return found


def best_index(history: Any, objective: Any) -> int:
    """The best epoch of a ``History``, counted from 0 in it.

    Raises:
        Exception: The objective is not among what it holds.
    """
    best = getattr(_tuner_utils(), "get_best_step", None)
    return int((best or _best_index)(history, objective))


def _tuner_utils() -> Any:
    """KerasTuner's own reading of results; None where it has moved."""
    try:
        return importlib.import_module(f"{PRIVATE_PACKAGE}.engine.tuner_utils")
    except ImportError:
        return None


def _metrics_of(results: Any, objective: Any) -> Mapping[str, Any] | None:
    """The same by public names only."""
    if isinstance(results, list):
        each = [_metrics_of(one, objective) or {} for one in results]
        names = dict.fromkeys(name for one in each for name in one)
        return {name: np.mean([one[name] for one in each if name in one]) for name in names}
    if isinstance(results, (int, float, np.floating)):
        return {objective.name: float(results)}
    if isinstance(results, dict):
        return results
    if isinstance(results, keras.callbacks.History):
        epoch = _epochs(results)[_best_index(results, objective)]
        return {**epoch, objective.name: objective.get_value(epoch)}
    return None


def _best_index(history: Any, objective: Any) -> int:
    """The same by public names only."""
    values = [objective.get_value(epoch) for epoch in _epochs(history)]
    best = 0
    for index, value in enumerate(values):
        if objective.better_than(value, values[best]):
            best = index
    return best


def _epochs(history: Any) -> Sequence[dict[str, Any]]:
    count = max(map(len, history.history.values()), default=0)
    return [{name: values[i] for name, values in history.history.items() if i < len(values)} for i in range(count)]
