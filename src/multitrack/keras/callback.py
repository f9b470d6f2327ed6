"""The Keras callback: map each hook call to its fit, model and run."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final, Literal, Self

import keras

from multitrack.inputs.prepare import to_step
from multitrack.keras import internals
from multitrack.keras.batches import Batches
from multitrack.keras.checkpoints import Checkpoints, checkpoint_sources
from multitrack.keras.figures import Figures, checked_figures, log_figures
from multitrack.keras.fit import Fit
from multitrack.keras.fits import UNSET, Fits, run_for_fit
from multitrack.keras.guard import guarded
from multitrack.keras.numbers import log_numbers
from multitrack.keras.resume import Mark
from multitrack.keras.training import batches_before
from multitrack.recording.active import active_run
from multitrack.recording.run import Run

# Attributes that copies share, as KerasTuner copies callbacks for each execution; that copies and pickles leave out.
_SHARED: Final = frozenset({"_given", "_run", "_told_model", "figures"})
_OWN: Final = frozenset({"_fits", "was_called"})
#: Hooks that must not be overridden for Keras to dispatch batches asynchronously.
_BATCH_HOOKS: Final = ("on_batch_end", "on_train_batch_end", "on_test_batch_end", "on_predict_batch_end")


class TrackingCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Records a ``fit`` into a run.

    - **Each epoch**, one record at step = epoch (so from ``initial_epoch`` on): every metric under its Keras name,
      ``val_*`` included; a metric of several numbers as ``f1_score/0``, ``f1_score/1``, …; ``learning_rate`` at the
      epoch's end (``learning_rate/0``, … with several optimizers); ``epoch_seconds``, with validation;
      ``steps_per_second``, without validation. A ``learning_rate`` in Keras' logs takes precedence.
    - **When the first epoch begins**, params under ``fit/``, ``optimizer/`` and ``model/``, and the model's summary as
      log lines. A later ``fit`` into the same run writes the differences to ``fit/2/`` and so on. It continues the
      same series: after the last epoch of the same model, or at ``initial_epoch``.
    - **Every N batches**, with ``log_freq=N``, the metrics so far in the epoch and the learning rate, under ``batch/``.
      The step is the number of batches trained, over all epochs and fits. With ``steps_per_execution`` a point is
      recorded whenever a multiple of N is reached or passed.
    - **After an interruption**, a training repeated from a backup records no epoch or batch that the run already
      holds. This applies to a run continued with ``run_id=`` and to ``BackupAndRestore``. The number of skipped points
      is logged, and counted in the delivery report.
    - **When fit ends**, even if it raises, references to the files that ``checkpoint`` wrote.
    - **evaluate()** outside of ``fit``: its metrics as simple metrics ``test_*``. ``predict()``: nothing.
    - Logs that are not numbers are set aside; the numbers beside them are kept.
    - **A custom training loop** may call any of the hooks. Values that need a hook it does not call are left out, such
      as ``epoch_seconds`` without ``on_epoch_begin``.

    Args:
        run: The run to record into; default: :func:`multitrack.active_run` when ``fit`` or ``evaluate`` begins.
        log_freq: ``"epoch"``, or N to record also every N batches.
        log_summary: True to record the model's summary as log lines.
        checkpoint: The ``ModelCheckpoint`` of the same ``fit``, or the path or pattern of files written elsewhere, or
            a list of these. Recorded as references ``checkpoint-best`` (``save_best_only``, or the best of the files
            with ``{epoch}``) and ``checkpoint-last``, of kind ``model``, with digests once ``fit`` has ended.
        figures: Callables by name. Each is called with the model when ``fit`` ends, draws a file and returns its path,
            such as :func:`confusion_matrix`. Recorded as references of kind ``figure``.
        samples: Number of samples per epoch, which Keras does not report. Recorded as the param ``fit/samples``, and
            as ``samples_per_second`` each epoch.
        async_batches: With ``log_freq=N`` on JAX and torch, let Keras dispatch batches asynchronously, and record from
            its threads. Requires Keras' own ``train_step``, one step per execution, and a learning rate that no
            callback changes within an epoch.

    Raises:
        TypeError: ``run`` is not a run, or an argument has the wrong type.
        ValueError: ``log_freq`` is neither ``"epoch"`` nor a positive number, ``samples`` is not positive, or a
            checkpoint's file is not local.
    """

    def __init__(
        self, run: Run | None = None, log_freq: Literal["epoch"] | int = "epoch", *, log_summary: bool = True,
        checkpoint: Checkpoints | None = None, figures: Figures | None = None, samples: int | None = None,
        async_batches: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if run is not None and not isinstance(run, Run):
            raise TypeError(f"run must be a multitrack.Run, got {type(run).__name__} (batches: log_freq=N)")
        if log_freq != "epoch" and (isinstance(log_freq, bool) or not isinstance(log_freq, int) or log_freq < 1):
            raise ValueError(f'log_freq must be "epoch" or a positive number of batches, got {log_freq!r}')
        if samples is not None and (isinstance(samples, bool) or not isinstance(samples, int) or samples < 1):
            raise ValueError(f"samples must be a positive number, got {samples!r}")
        self.log_freq = log_freq
        self.log_summary = log_summary
        self.checkpoints = checkpoint_sources(checkpoint)
        self.figures = checked_figures(figures)
        self.samples = samples
        self.async_batches = async_batches
        self._given = run
        self._run: Run | None = run
        self._told_model: Any = None  # kept raw: Callback.model costs a synchronisation on JAX
        self._fits = Fits()
        self.was_called = False  # True once a model was set or a hook was called

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the fits: a copy, in this process or another, has none."""
        return {name: value for name, value in vars(self).items() if name not in _OWN}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _fits=Fits(), was_called=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy that records into the same run."""
        clone = memo[id(self)] = copy.copy(self)
        for name, value in self.__getstate__().items():
            shared = name in _SHARED or (value is not None and value is self._told_model)  # Keras' own model attribute
            setattr(clone, name, value if shared else copy.deepcopy(value, memo))
        return clone

    @property
    def run(self) -> Run:
        """The run it records into. Outside of ``fit`` and ``evaluate``, the last one, or else the active run."""
        return self._run or active_run()

    def will_record_into(self, run: Run) -> bool:
        """Return True if a ``fit`` that begins while ``run`` is active is recorded into it."""
        return self._given is None or self._given is run

    @property
    def guarding_run(self) -> Run:
        """The run that errors are set aside in."""
        return self.run if self._fits.here.fit is None else self._fits.here.fit.run

    def set_model(self, model: Any) -> None:
        """Take the model; called by Keras whenever it adds the callback to a list."""
        super().set_model(model)
        self._told_model = self._fits.here.model = model
        self.was_called = True

    def set_params(self, params: Any) -> None:
        """Take the params; called by Keras when it adds the callback to a new list, of a ``fit`` or an ``evaluate``."""
        super().set_params(params)
        self._fits.here.fresh, self._fits.here.mark = True, Mark.of(self._fits.here.model)

    @guarded
    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Start a ``fit``."""
        here = self._fits.here
        self._fits.end(here.fit, raised=True)
        model = self._told_model if here.model is None or here.model is UNSET else here.model
        mark = here.mark if here.mark is not None and here.fresh else Mark.of(model)
        here.fresh = False
        self._fits.begin(self._make_fit(model, mark))

    @guarded
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Start an epoch. At the first one, the params of the training are known."""
        self._fits.here.fresh = False
        fit = self._current()
        fit.begin_epoch(to_step(epoch), self.model_of(fit))
        if self.log_freq != "epoch":
            self._begin_epoch_of_batches(fit)

    @property
    def async_safe(self) -> bool:
        """True if Keras may call the batch hooks on its own threads. Read by Keras before ``set_model``."""
        ours = all(getattr(type(self), hook) is getattr(TrackingCallback, hook) for hook in _BATCH_HOOKS)
        return self.async_batches or (self.log_freq == "epoch" and ours)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Start a batch, always on the training thread."""
        if self.log_freq != "epoch" and internals.MAY_DISPATCH:
            self._begin_batch(batch)
        super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """End the batches up to ``batch``, counted from 0 in this epoch."""
        if self.log_freq != "epoch":
            self._end_batch(batch, logs)
        super().on_train_batch_end(batch, logs)

    @guarded
    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Start an ``evaluate``. Inside ``fit`` this is the validation, so the epoch's training has ended."""
        fit = self._fits.here.fit
        if fit is not None and not self._fits.here.fresh:
            fit.training_ended(self.model_of(fit))

    @guarded
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """End an epoch, after its validation."""
        fit = self._current()
        if not fit.run.disabled:
            model = self.model_of(fit)
            fit.end_epoch(to_step(epoch), logs, model, self._batches_trained(fit, model))

    @guarded
    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """End a ``fit`` that did not raise; Keras calls this only then."""
        fit = self._fits.here.fit or self._fits.begun_elsewhere()
        if fit is None:
            return
        model = self.model_of(fit)
        self._fits.end(fit, raised=False)
        self._fits.here.model = None
        if not fit.run.disabled and model is not None:
            log_figures(fit.run, self.figures, model)

    @guarded
    def on_predict_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Start a ``predict``. The callback list was its own, so a validation that follows is the fit's again."""
        self._leave_own_list()

    @guarded
    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """End an ``evaluate``. Validation inside ``fit`` is recorded by ``on_epoch_end`` instead."""
        fit = self._fits.here.fit
        in_fit = fit is not None and (fit.begun or fit.in_epoch)
        if in_fit and not self._fits.here.fresh:
            return
        self._leave_own_list()
        run = fit.run if fit is not None and in_fit and fit.run.status == "running" else self._find_run()
        named = {f"test_{name}": value for name, value in logs.items()} if isinstance(logs, Mapping) else logs
        log_numbers(run, named, step=None)

    def _current(self) -> Fit:
        self.was_called = True
        return self._fits.current(self._given or active_run(), self._told_model, self._make_fit)

    def _leave_own_list(self) -> None:
        """Leave a separate ``evaluate`` or ``predict``, perhaps of another model than the enclosing fit's."""
        here = self._fits.here
        if here.fresh and here.fit is not None and here.fit.begun:
            self.set_model(here.fit.model)
        here.fresh = False

    @guarded  # on its own: an error here must not cost the epoch
    def _begin_epoch_of_batches(self, fit: Fit) -> None:
        if not fit.run.disabled:
            self._batches_of(fit).begin_epoch(self.model_of(fit))

    @guarded
    def _begin_batch(self, batch: int) -> None:
        fit = self._fits.here.fit
        if fit is not None and fit.batches is not None:
            fit.batches.begin(batch)

    @guarded
    def _end_batch(self, batch: int, logs: Mapping[str, Any] | None) -> None:
        fit = self._fits.here.fit
        if fit is not None and fit.batches is not None and fit.batches.end_held(batch, logs):
            return
        if fit is None or not fit.begun:
            fit = self._current()
        if not fit.run.disabled:
            self._batches_of(fit).end(batch, logs, elsewhere=fit is not self._fits.here.fit)

    def _batches_of(self, fit: Fit) -> Any:
        fit.batches = fit.batches or Batches(fit, int(self.log_freq), self)
        return fit.batches

    @guarded  # on its own: an optimizer that cannot be read must not cost the epoch's metrics
    def _batches_trained(self, fit: Fit, model: Any) -> int | None:
        if fit.batches is not None:
            return int(fit.batches.end_epoch(model))
        return None if model is None else batches_before(model)

    def _make_fit(self, model: Any, mark: Mark | None = None) -> Fit:
        params = self.params if isinstance(self.params, Mapping) else {}
        # Copied, because an evaluate() inside the fit sets its own params.
        return Fit(
            self._find_run(), model, dict(params), self.checkpoints, mark=mark, log_summary=self.log_summary,
            samples=self.samples, batches=self.log_freq != "epoch",
        )  # fmt: skip

    def has_model_of(self, fit: Fit) -> bool:
        """Return True if no other model has been set since, so that the model is unambiguous."""
        return fit.model is self._told_model

    def model_of(self, fit: Fit) -> Any:
        """Return the model of a fit, synchronised, or ``None`` if another has been set since."""
        try:
            return self.model if self.has_model_of(fit) else None
        except Exception:  # noqa: BLE001 - Keras reads from the object that was set, which may not be a Keras model
            return None

    def _find_run(self) -> Run:
        run = self._run = run_for_fit(self._given)
        return run


class _LogsBatches(type(keras.callbacks.Callback)):  # type: ignore[misc]  # Keras ships no types
    """Make every callback that records batches an instance of :class:`BatchTrackingCallback`."""

    def __instancecheck__(cls, instance: Any) -> bool:
        logs_batches = isinstance(instance, TrackingCallback) and instance.log_freq != "epoch"
        return super().__instancecheck__(instance) or (cls is BatchTrackingCallback and logs_batches)


class BatchTrackingCallback(TrackingCallback, metaclass=_LogsBatches):
    """A :class:`TrackingCallback` that records batches, by default every one. Takes the same arguments."""

    def __init__(self, run: Run | None = None, log_freq: Literal["epoch"] | int = 1, **options: Any) -> None:
        if log_freq == "epoch":
            raise ValueError('BatchTrackingCallback: log_freq must be a number of batches, got "epoch"')
        super().__init__(run, log_freq, **options)
