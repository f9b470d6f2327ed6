"""KerasTuner's tuners with tracking: a search is a parent run, each trial a child run, in every backend.

    from multitrack.keras_tuner import RandomSearch

    tuner = RandomSearch(build, objective="val_accuracy", max_trials=20)
    tuner.search(x, y, validation_data=(xv, yv))
    tuner.runs["07"].urls

The classes are KerasTuner's own, with the same arguments; :func:`tracked` does the same for any other tuner.

**The search's run** is the active run, or one that ``search`` starts under the tuner's ``project_name`` and ends. It
holds, as params under ``search/``: tuner, objective, direction, ``max_trials`` and so on, and the search space, each
hyperparameter's definition as JSON text in ``search/space/<name>``; and, kept up to date, the tags ``best_trial``
and ``best_run`` and the simple metric ``best_score``. A search that is resumed (``overwrite=False``) goes on in the
same run, unless another run is active; where the resumed tuner differs (``max_trials``), that stands under
``search/2/``.

**A trial's run** is ``trial-<id>``, a second attempt ``trial-<id>-a2``. It holds the hyperparameters as params, what
a :class:`~multitrack.keras.TrackingCallback` records, and at the end, as simple metrics, ``score``, ``best_epoch``
and every metric's value at the best epoch. With several executions each has a run below, ``trial-<id>-e1``,
that holds its training, and the trial ``best_epoch_mean``. Hyperband's ``tuner/…`` values are tags.

Inside a trial :func:`multitrack.active_run` is the trial's (or execution's) run. For other options than the default,
pass a ``TrackingCallback(log_freq=…)`` to ``search``. Tuners with a ``run_trial`` of their own (``SklearnTuner``) have
all of this but the epochs, unless they hand a ``TrackingCallback`` to their ``fit``.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
from typing import Any, TypeVar

from multitrack.errors import to_install

try:
    import keras_tuner
    from keras_tuner.engine.base_tuner import BaseTuner
except ImportError as error:
    if error.name not in {"keras", "keras_tuner", "six"}:  # six: what keras-tuner needs on JAX and does not declare
        raise
    raise ImportError(
        f"multitrack.keras_tuner needs {error.name}: {to_install('keras-tuner')}", name=error.name
    ) from error

# It has no public name.
from keras_tuner.src import backend as keras_tuner_backend

from multitrack._search import Search
from multitrack.run import Run

__all__ = ["BayesianOptimization", "GridSearch", "Hyperband", "RandomSearch", "TrackingMixin", "tracked"]

_Tuner = TypeVar("_Tuner")


class TrackingMixin(BaseTuner):  # type: ignore[misc]  # KerasTuner ships no types
    """What :func:`tracked` puts in front of a tuner; every method calls the tuner's own.

    ``run_trial`` is left alone: ``Tuner.__init__`` looks at who defines it, and users give it signatures of their own.
    """

    _tracking: Search | None = None

    def __getstate__(self) -> Any:
        """Copies have no runs: KerasTuner copies the callbacks of a search, and with them a tuner that they hold."""
        state = super().__getstate__()
        return {key: value for key, value in state.items() if key != "_tracking"} if isinstance(state, dict) else state

    @property
    def parent_run(self) -> Run | None:
        """The search's run; ``None`` before the first ``search``."""
        return None if self._tracking is None else self._tracking.parent

    @property
    def runs(self) -> dict[str, Run]:
        """The run of each trial of this process, by trial id; of several attempts, the last."""
        return {} if self._tracking is None else dict(self._tracking.runs)

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> Any:
        """Search as KerasTuner does, with tracking.

        Raises:
            ImportError: ``tensorboard`` is missing, without which KerasTuner would fail every trial.
            ConfigError: As :func:`multitrack.start_run`; nothing has been searched then.
        """
        _check_tensorboard(self)
        tracking = self._tracking = self._tracking or Search(self)
        tracking.begin()
        try:
            result = super().search(*fit_args, **fit_kwargs)
        except BaseException as error:
            tracking.end(error)
            raise
        tracking.end()
        return result

    def on_trial_begin(self, trial: Any) -> None:
        """The trial's run begins, and is the active one from here on."""
        if self._tracking is not None:
            self._tracking.begin_trial(trial)
        super().on_trial_begin(trial)

    def _try_run_and_update_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
        """A subclass of ours may have an ``on_trial_begin`` that calls no other, for KerasTuner's own does nothing."""
        if self._tracking is not None:
            self._tracking.begin_trial(trial)
        super()._try_run_and_update_trial(trial, *args, **kwargs)

    def _build_and_fit_model(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        """One execution; here KerasTuner has copied the callbacks already, so that ours is never copied."""
        tracking = self._tracking
        if tracking is None:
            return super()._build_and_fit_model(trial, *args, **kwargs)
        try:
            callbacks = tracking.begin_execution(kwargs.get("callbacks") or ())
            if callbacks is not None:
                kwargs["callbacks"] = callbacks
            results = super()._build_and_fit_model(trial, *args, **kwargs)
        except BaseException as error:
            tracking.end_execution(None, error=error)
            raise
        tracking.end_execution(results)
        return results

    def on_trial_end(self, trial: Any) -> None:
        """The trial's run ends; its score is known only once KerasTuner has ended the trial."""
        raised = trial.status != "COMPLETED"
        if self._tracking is not None:
            self._tracking.keep_notes()
        try:
            super().on_trial_end(trial)  # raises where too many trials in a row have failed
        finally:
            if self._tracking is not None:
                self._tracking.end_trial(trial, raised=raised)


def tracked(tuner: type[_Tuner]) -> type[_Tuner]:
    """A subclass of any KerasTuner tuner that records its searches, with ``runs`` and ``parent_run``.

    It has the name of the tuner, so that it can take its place, also as a decorator.

    Args:
        tuner: The class; constructor and behaviour stay as they are.

    Raises:
        TypeError: It is no class derived from KerasTuner's ``BaseTuner``, or has ``runs`` or ``parent_run`` itself.
    """
    if not (isinstance(tuner, type) and issubclass(tuner, BaseTuner)):
        raise TypeError(f"tracked() takes a tuner class of KerasTuner, got {tuner!r}")
    if issubclass(tuner, TrackingMixin):
        return tuner
    cls: Any = tuner
    taken = [name for name in ("parent_run", "runs") if hasattr(cls, name)]
    if taken:
        raise TypeError(f"tracked() gives a tuner the property {taken[0]!r}, which {cls.__qualname__} has already")

    @functools.wraps(cls.search)
    def search(self: Any, *fit_args: Any, **fit_kwargs: Any) -> Any:
        return TrackingMixin.search(self, *fit_args, **fit_kwargs)

    same = {name: getattr(cls, name) for name in ("__doc__", "__module__", "__qualname__")}
    return type(cls.__name__, (TrackingMixin, cls), {**same, "search": search})


class RandomSearch(TrackingMixin, keras_tuner.RandomSearch):  # type: ignore[misc]  # KerasTuner ships no types
    """:class:`keras_tuner.RandomSearch`, tracked; the same arguments."""


class BayesianOptimization(TrackingMixin, keras_tuner.BayesianOptimization):  # type: ignore[misc]  # as above
    """:class:`keras_tuner.BayesianOptimization`, tracked; the same arguments."""


class Hyperband(TrackingMixin, keras_tuner.Hyperband):  # type: ignore[misc]  # as above
    """:class:`keras_tuner.Hyperband`, tracked; the same arguments."""


class GridSearch(TrackingMixin, keras_tuner.GridSearch):  # type: ignore[misc]  # as above
    """:class:`keras_tuner.GridSearch`, tracked; the same arguments."""


for _class in (RandomSearch, BayesianOptimization, Hyperband, GridSearch):  # help() and notebooks show the arguments
    _class.__doc__ = f"{_class.__doc__}\n\n{inspect.getdoc(_class.__mro__[2])}"


def _check_tensorboard(tuner: Any) -> None:
    """KerasTuner imports it in every trial on TensorFlow, without declaring it; the trials then just fail."""
    keras_trains = getattr(type(tuner).run_trial, "__module__", "").startswith("keras_tuner.")
    if not (isinstance(tuner, keras_tuner.Tuner) and keras_trains and _keras_backend() == "tensorflow"):
        return
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError(
            "KerasTuner on TensorFlow needs tensorboard, without which every trial fails: "
            + to_install("keras-tuner"), name="tensorboard",
        )  # fmt: skip


def _keras_backend() -> str:
    """As KerasTuner sees it where it decides on importing tensorboard."""
    return str(keras_tuner_backend.config.backend())
