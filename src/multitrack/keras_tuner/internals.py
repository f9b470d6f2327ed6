"""Access to undocumented KerasTuner names, each with a public fallback.

No other module of this folder uses such a name. ``tests/keras_tuner/test_internals.py`` checks which of them the
installed release has.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import keras
import keras_tuner
import numpy as np

log = logging.getLogger("multitrack")

#: Package that defines KerasTuner's classes. It is not mirrored: every name would appear twice.
PRIVATE_PACKAGE: Final = "keras_tuner.src"

#: Undocumented names by class or module.
NAMES: Final = {
    "Tuner": ("_build_and_fit_model", "_get_checkpoint_fname", "_try_run_and_update_trial"),
    "MultiObjective": ("name_to_direction",),
    "tuner_utils": ("convert_to_metrics_dict", "get_best_step"),
    "Oracle": ("ongoing_trials", "tuner_ids", "_check_consecutive_failures"),
    "oracle_chief": ("time",),
}


class RunsTrials:
    """Mixin of a tuner that reports the start of each trial, even if a subclass overrides ``on_trial_begin``.

    A KerasTuner release without this method never calls it. Then only ``on_trial_begin`` reports the start, unless a
    subclass overrides it.
    """

    _tracking: Any = None  # the search

    def _try_run_and_update_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
        if self._tracking is not None:
            self._tracking.begin_trial(trial)
        super()._try_run_and_update_trial(trial, *args, **kwargs)  # type: ignore[misc]  # KerasTuner's


class TrainsModels:
    """Mixin of a tuner that records each training of a trial, even if a subclass trains in its own way.

    In a KerasTuner release without this method :func:`trains_once` returns False. Then the tracking callback is passed
    to ``search``, whose callbacks KerasTuner copies for each training.
    """

    _tracking: Any = None  # the search

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Wrap the training of a subclass, which may not call this class's method, as in AutoKeras."""
        super().__init_subclass__(**kwargs)
        train = cls._build_and_fit_model
        if not hasattr(train, "multitrack"):
            cls._build_and_fit_model = _tracked(train)  # type: ignore[method-assign]

    def _build_and_fit_model(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._build_and_fit_model(trial, *args, **kwargs)  # type: ignore[misc]  # KerasTuner's


def _tracked(train: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap one training of a trial. KerasTuner has copied the callbacks by now, so the added one is never copied."""

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
    """Return True if the KerasTuner release has the method for one training of a trial."""
    return hasattr(tuner, "_build_and_fit_model")


def checkpoint_path(tuner: Any, trial_id: str) -> Path | None:
    """Return the file with the weights of a trial's best epoch; None if KerasTuner does not tell."""
    name_of = getattr(tuner, "_get_checkpoint_fname", None)
    return None if name_of is None else Path(name_of(trial_id))


@contextlib.contextmanager
def between_polls(check: Callable[[], None]) -> Iterator[None]:
    """Call ``check`` about once a second while KerasTuner's chief serves, on the thread that serves.

    The chief sleeps between looks at whether all workers are done: 1 second, or 20 at the end, of which no more than 1
    is slept here. An error of ``check`` ends the serving.
    """
    try:
        chief: Any = importlib.import_module(f"{PRIVATE_PACKAGE}.distribute.oracle_chief")
        clock = chief.time
    except (ImportError, AttributeError):
        log.warning("multitrack: this release of KerasTuner has no known way to look after workers that are gone")
        yield
        return

    def sleep(seconds: float) -> None:
        clock.sleep(min(seconds, 1.0))
        check()

    chief.time = types.SimpleNamespace(sleep=sleep)
    try:
        yield
    finally:
        chief.time = clock


def workers(oracle: Any) -> set[str]:
    """Return the tuner ids of the workers that the chief waits for."""
    return set(getattr(oracle, "tuner_ids", ())) | set(getattr(oracle, "ongoing_trials", ()))


def give_up(oracle: Any, worker: str, message: str, *, retry: bool) -> tuple[Any, Exception | None]:
    """End the trial of a worker that is gone, and let the chief no longer wait for the worker.

    Args:
        oracle: The chief's oracle.
        worker: The worker's tuner id.
        message: The error message of the trial.
        retry: Let KerasTuner repeat the trial as one that raised, up to ``max_retries_per_trial``; otherwise it fails.

    Returns:
        The trial, or None if the worker had none; and KerasTuner's error if too many trials in a row have failed. It
        is not raised here: KerasTuner would keep the oracle locked.
    """

    def end(oracle: Any) -> tuple[Any, Exception | None]:
        trial, failure = oracle.ongoing_trials.get(worker), None
        if trial is not None:
            trial.status, trial.message = "INVALID" if retry else "FAILED", message
            try:
                oracle.end_trial(trial)
            except RuntimeError as error:
                failure = error
            oracle.ongoing_trials.pop(worker, None)
        oracle.tuner_ids.discard(worker)
        return trial, failure

    ended: tuple[Any, Exception | None] = keras_tuner.synchronized(end)(oracle)
    return ended


def too_many_failures(oracle: Any) -> Exception | None:
    """Return KerasTuner's error if too many trials in a row have failed.

    KerasTuner raises it in the worker only: its chief goes on to serve, with the oracle locked.
    """
    try:
        getattr(oracle, "_check_consecutive_failures", lambda: None)()
    except RuntimeError as error:
        return error
    return None


def waiting_for_retry(oracle: Any) -> list[str]:
    """Return the ids of the trials that KerasTuner is to repeat."""
    return list(oracle.get_state()["retry_queue"])


def is_complete(oracle: Any) -> bool:
    """Return True if no trial is left to run; False also if the oracle does not know their number."""
    return oracle.remaining_trials() == 0 and not oracle.ongoing_trials and not waiting_for_retry(oracle)


def directions(objective: Any) -> dict[str, str]:
    """Return the direction of each of several objectives, by name; empty for a single one."""
    found = getattr(objective, "name_to_direction", None)
    if found is None:
        found = {each.name: each.direction for each in getattr(objective, "objectives", ())}
    return dict(found)


def metrics_of(results: Any, objective: Any) -> Mapping[str, Any]:
    """Return KerasTuner's metrics of a trial's results: one number per metric, and the means for a list.

    Raises:
        Exception: KerasTuner cannot read them.
    """
    convert = getattr(_tuner_utils(), "convert_to_metrics_dict", None)
    found: Mapping[str, Any] | None = (convert or _metrics_of)(results, objective)
    if found is None:
        raise TypeError(f"no number, dict or History: {results!r}")
    return found


def best_index(history: Any, objective: Any) -> int:
    """Return the 0-based index of the best epoch in a ``History``.

    Raises:
        Exception: The history does not hold the objective.
    """
    best = getattr(_tuner_utils(), "get_best_step", None)
    return int((best or _best_index)(history, objective))


def _tuner_utils() -> Any:
    """Return KerasTuner's module that reads results; None if it has moved."""
    try:
        return importlib.import_module(f"{PRIVATE_PACKAGE}.engine.tuner_utils")
    except ImportError:
        return None


def _metrics_of(results: Any, objective: Any) -> Mapping[str, Any] | None:
    """Implement :func:`metrics_of` with public names only; None if the results cannot be read."""
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
    """Implement :func:`best_index` with public names only."""
    values = [objective.get_value(epoch) for epoch in _epochs(history)]
    best = 0
    for index, value in enumerate(values):
        if objective.better_than(value, values[best]):
            best = index
    return best


def _epochs(history: Any) -> Sequence[dict[str, Any]]:
    count = max(map(len, history.history.values()), default=0)
    return [{name: values[i] for name, values in history.history.items() if i < len(values)} for i in range(count)]
