"""Tracked subclasses of KerasTuner's tuners, under the same names in ``multitrack.keras_tuner``.

They form the same class tree: a tracked ``RandomSearch`` is a tracked ``Tuner`` and a tracked ``BaseTuner``, and each
derives from KerasTuner's class of the same name. So a subclass of any of them is tracked as well.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import keras
import keras_tuner
from keras_tuner.engine import base_tuner

from multitrack._hints import to_install
from multitrack.keras import TrackingCallback
from multitrack.keras_tuner import internals
from multitrack.keras_tuner.search import Search
from multitrack.recording.run import Run

__all__ = [
    "BaseTuner", "BayesianOptimization", "GridSearch", "Hyperband", "RandomSearch", "SklearnTuner", "Tuner", "tracked",
]  # fmt: skip

_Tuner = TypeVar("_Tuner")


class BaseTuner(internals.RunsTrials, base_tuner.BaseTuner):  # type: ignore[misc]  # KerasTuner ships no types
    """KerasTuner's ``BaseTuner``, tracked. Every method calls the tuner's own.

    ``run_trial`` is not overridden: ``Tuner.__init__`` checks which class defines it, and users change its signature.
    """

    _tracking: Search | None = None

    def __getstate__(self) -> Any:
        """Leave out the runs: KerasTuner copies the callbacks of a search, and with them a tuner that they hold."""
        state = super().__getstate__()
        return {key: value for key, value in state.items() if key != "_tracking"} if isinstance(state, dict) else state

    @property
    def parent_run(self) -> Run | None:
        """The search's run; ``None`` before the first ``search``."""
        return None if self._tracking is None else self._tracking.parent

    @property
    def runs(self) -> dict[str, Run]:
        """The run of each trial's last attempt in this process, by trial id."""
        return {} if self._tracking is None else dict(self._tracking.runs)

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> Any:
        """Search as KerasTuner does, with tracking.

        Raises:
            ImportError: ``tensorboard`` is missing, so that KerasTuner would fail every trial.
            ConfigError: As :func:`multitrack.start_run`, before any trial.
            RuntimeError: In the chief of a distributed search: all workers are gone, and trials remain.
        """
        _check_tensorboard(self)
        tracking = self._tracking = self._tracking or Search(self)
        tracking.begin()
        if _trains_with_keras_tuner(self) and not internals.trains_once(keras_tuner.Tuner):
            fit_kwargs["callbacks"] = _with_tracking(fit_kwargs.get("callbacks") or ())
        result = None
        try:
            with tracking.serving():
                result = super().search(*fit_args, **fit_kwargs)
        except BaseException as error:
            tracking.end(error)
            raise
        tracking.end()
        return result

    def on_trial_begin(self, trial: Any) -> None:
        """Start the trial's run, unless it has begun, and make it the active run."""
        if self._tracking is not None:
            self._tracking.begin_trial(trial)
        super().on_trial_begin(trial)

    def on_trial_end(self, trial: Any) -> None:
        """End the trial's run after KerasTuner has ended the trial, since the score is known only then."""
        raised = trial.status != "COMPLETED"
        if self._tracking is not None:
            self._tracking.keep_notes()
        try:
            super().on_trial_end(trial)  # raises if too many trials in a row have failed
        finally:
            if self._tracking is not None:
                self._tracking.end_trial(trial, raised=raised)


class Tuner(internals.TrainsModels, BaseTuner, keras_tuner.Tuner):  # type: ignore[misc]  # KerasTuner ships no types
    """:class:`keras_tuner.Tuner`, tracked; the same arguments."""

    def on_epoch_end(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
        """Record an epoch. Called by KerasTuner within ``fit``, and by a custom training loop in ``run_trial``."""
        if self._tracking is not None:
            self._tracking.log_epoch(model, epoch, logs)
        super().on_epoch_end(trial, model, epoch, logs=logs)


class RandomSearch(Tuner, keras_tuner.RandomSearch):  # type: ignore[misc]  # KerasTuner ships no types
    """:class:`keras_tuner.RandomSearch`, tracked; the same arguments."""


class BayesianOptimization(Tuner, keras_tuner.BayesianOptimization):  # type: ignore[misc]  # as above
    """:class:`keras_tuner.BayesianOptimization`, tracked; the same arguments."""


class Hyperband(Tuner, keras_tuner.Hyperband):  # type: ignore[misc]  # as above
    """:class:`keras_tuner.Hyperband`, tracked; the same arguments."""


class GridSearch(Tuner, keras_tuner.GridSearch):  # type: ignore[misc]  # as above
    """:class:`keras_tuner.GridSearch`, tracked; the same arguments."""


class SklearnTuner(BaseTuner, keras_tuner.SklearnTuner):  # type: ignore[misc]  # as above
    """:class:`keras_tuner.SklearnTuner`, tracked; the same arguments."""

    @functools.wraps(keras_tuner.SklearnTuner.search)
    def search(self, *args: Any, **kwargs: Any) -> Any:
        """Search as KerasTuner does, with the same signature."""
        return super().search(*args, **kwargs)


#: Tracked classes by KerasTuner's class.
_OURS: Final[dict[type, type]] = {
    base_tuner.BaseTuner: BaseTuner, keras_tuner.Tuner: Tuner, keras_tuner.RandomSearch: RandomSearch,
    keras_tuner.BayesianOptimization: BayesianOptimization, keras_tuner.Hyperband: Hyperband,
    keras_tuner.GridSearch: GridSearch, keras_tuner.SklearnTuner: SklearnTuner,
}  # fmt: skip

for _theirs, _class in _OURS.items():  # help() and notebooks show the arguments
    _class.__doc__ = f"{_class.__doc__}\n\n{inspect.getdoc(_theirs)}"


def tracked(tuner: type[_Tuner]) -> type[_Tuner]:
    """Return a subclass of any KerasTuner tuner that records its searches, with ``runs`` and ``parent_run``.

    The subclass keeps the tuner's name, so it can be used as a decorator. For KerasTuner's own classes, the tracked
    class of this package is returned. A class that is already tracked is returned unchanged.

    Args:
        tuner: The tuner class; its constructor and behaviour do not change.

    Raises:
        TypeError: The class is not derived from KerasTuner's ``BaseTuner``, or defines ``runs`` or ``parent_run``.
    """
    if not (isinstance(tuner, type) and issubclass(tuner, base_tuner.BaseTuner)):
        raise TypeError(f"tracked() takes a tuner class of KerasTuner, got {tuner!r}")
    if issubclass(tuner, BaseTuner):
        return tuner
    cls: Any = tuner
    if cls in _OURS:
        return _OURS[cls]
    taken = [name for name in ("parent_run", "runs") if hasattr(cls, name)]
    if taken:
        raise TypeError(f"tracked() adds the property {taken[0]!r}, which {cls.__qualname__} already has")
    base = Tuner if issubclass(cls, keras_tuner.Tuner) else BaseTuner

    @functools.wraps(cls.search)
    def search(self: Any, *fit_args: Any, **fit_kwargs: Any) -> Any:
        return base.search(self, *fit_args, **fit_kwargs)

    same = {name: getattr(cls, name) for name in ("__doc__", "__module__", "__qualname__")}
    return type(cls.__name__, (base, cls), {**same, "search": search})


def _check_tensorboard(tuner: Any) -> None:
    """Raise ImportError if tensorboard is missing: KerasTuner imports it in every trial on TensorFlow, undeclared."""
    if not (_trains_with_keras_tuner(tuner) and keras.config.backend() == "tensorflow"):
        return
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError(
            "KerasTuner on TensorFlow needs tensorboard, without which every trial fails: "
            + to_install("keras-tuner"), name="tensorboard",
        )  # fmt: skip


def _trains_with_keras_tuner(tuner: Any) -> bool:
    """Return True if KerasTuner's own ``run_trial`` trains the models, not a custom one."""
    own = getattr(type(tuner).run_trial, "__module__", "").startswith("keras_tuner.")
    return isinstance(tuner, keras_tuner.Tuner) and own


def _with_tracking(callbacks: Iterable[Any]) -> list[Any]:
    """Return the callbacks of a search with a tracking one added, unless there is one."""
    given = list(callbacks)
    return given if any(isinstance(each, TrackingCallback) for each in given) else [*given, TrackingCallback()]
