"""The callback that records a training's epochs; :mod:`multitrack._batches` records its batches as well."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, Self

import keras

from multitrack import _model, process, ranks
from multitrack._checkpoints import Checkpoints, checkpoint_sources
from multitrack._figures import Figures, checked_figures, log_figures
from multitrack._fit import Fit, log_numbers
from multitrack._guard import guarded, put_aside
from multitrack._replay import Reached, batches_before
from multitrack.run import Run, active_run, disabled_run

log = logging.getLogger("multitrack")

#: Shared, not copied, when KerasTuner copies a callback for each of its executions.
_SHARED: Final = frozenset({"_given", "_run", "_model", "_rates", "_in_order", "_foreseen", "_fit", "figures"})


class TrackingCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Records a ``fit`` into a run.

    - **Each epoch**, one record at step = epoch (so from ``initial_epoch`` on): every metric under the name Keras
      gives it, ``val_*`` included; ``learning_rate`` at the epoch's end (``learning_rate/0``, … of several
      optimizers); ``epoch_seconds``, validation included, and ``steps_per_second``, without. Where Keras' logs hold
      ``learning_rate``, theirs counts.
    - **As the first epoch begins**, params under ``fit/``, ``optimizer/`` and ``model/``, and the model's summary as
      log lines. A later ``fit`` into the same run writes what differs to ``fit/2/`` and so on, and
      goes on in the same series.
    - **After an interruption**, a ``fit`` that goes on from a backup (``BackupAndRestore``, or your own with
      ``initial_epoch``) records no epoch and no batch a second time that the run holds.
    - **As fit ends**, also where it raises, references to the files that ``checkpoint`` wrote.
    - **evaluate()** outside of ``fit``: its metrics as simple metrics ``test_*``. ``predict()``: nothing.
    - Logs that are no numbers are set aside; the numbers beside them are kept.

    ``TrackingCallback(log_freq=N)`` gives a :class:`BatchTrackingCallback`. This class itself overrides no batch
    hook, so that Keras keeps dispatching batches asynchronously on JAX and torch.

    Args:
        run: Where to; default: :func:`multitrack.active_run` when ``fit`` or ``evaluate`` begins.
        log_freq: ``"epoch"``, or N: also every N batches.
        log_summary: Whether the model's summary becomes log lines.
        checkpoint: The ``ModelCheckpoint`` of the same ``fit``, or the path or pattern of files that something
            else writes, or several: references ``checkpoint-best`` (``save_best_only``, or the best of a file
            for each ``{epoch}``) and ``checkpoint-last``, of kind ``model``, with digests once ``fit`` has ended.
        figures: By name, what draws a file from the model as ``fit`` ends and gives back its path, such as
            :func:`confusion_matrix`: references of kind ``figure``.
        samples: How many an epoch trains on, which Keras does not tell: param ``fit/samples``, and
            ``samples_per_second`` each epoch.

    Raises:
        TypeError: ``run`` is no run, a subclass that is no :class:`BatchTrackingCallback` is given a number, or an
            argument is of a wrong type.
        ValueError: ``log_freq`` is neither ``"epoch"`` nor a positive number, or a checkpoint's file is not local.
    """

    #: What ``log_freq=N`` makes; it derives from this class, and says so itself.
    _for_batches: ClassVar[type[TrackingCallback]]

    def __new__(cls, run: Run | None = None, log_freq: Literal["epoch"] | int = "epoch", **kwargs: Any) -> Self:  # noqa: ARG004 - __init__'s
        wants_batches = cls is TrackingCallback and log_freq != "epoch"
        return super().__new__(cls._for_batches if wants_batches else cls)  # type: ignore[no-any-return]

    def __init__(
        self, run: Run | None = None, log_freq: Literal["epoch"] | int = "epoch", *, log_summary: bool = True,
        checkpoint: Checkpoints | None = None, figures: Figures | None = None, samples: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if run is not None and not isinstance(run, Run):
            raise TypeError(f"run must be a multitrack.Run, got {type(run).__name__} (batches: log_freq=N)")
        if log_freq != "epoch" or isinstance(self, self._for_batches):
            if isinstance(log_freq, bool) or not isinstance(log_freq, int) or log_freq < 1:
                raise ValueError(f'log_freq must be "epoch" or a positive number of batches, got {log_freq!r}')
            if not isinstance(self, self._for_batches):
                raise TypeError(
                    f"{type(self).__name__} must derive from BatchTrackingCallback to take log_freq={log_freq}"
                )
        self.log_freq = log_freq
        if samples is not None and (isinstance(samples, bool) or not isinstance(samples, int) or samples < 1):
            raise ValueError(f"samples must be a positive number, got {samples!r}")
        self.log_summary = log_summary
        self.checkpoints = checkpoint_sources(checkpoint)
        self.figures = checked_figures(figures)
        self.samples = samples
        self._given = run
        self._run: Run | None = run
        self._fit_params: Mapping[str, Any] = {}
        self._in_fit = False
        self._begun = False  # whether this fit has come to its first epoch
        self._fresh = False  # whether Keras has put the callback into a list of its own since fit began
        self._fit: Fit | None = None  # of this fit
        self._epoch_began = 0.0
        self._held_epoch = self._held_batch = -1  # up to where this fit trains again what the run holds

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy that records into the same run."""
        clone = copy.copy(self)
        memo[id(self)] = clone
        for name, value in vars(self).items():
            setattr(clone, name, value if name in _SHARED else copy.deepcopy(value, memo))
        return clone

    @property
    def run(self) -> Run:
        """The run it records into; outside of ``fit`` and ``evaluate``, the one it did last or would."""
        return self._run or active_run()

    def will_record_into(self, run: Run) -> bool:
        """Whether a ``fit`` that begins while ``run`` is the active one goes there."""
        return self._given is None or self._given is run

    @property
    def guarding_run(self) -> Run:
        """Where a trouble is set aside."""
        return self.run

    # -- what Keras calls -------------------------------------------------------------------------------------

    def set_params(self, params: Any) -> None:
        """Keras has put the callback into a new list: for ``fit``, or for an ``evaluate`` of its own."""
        super().set_params(params)
        self._fresh = True

    @guarded
    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """A ``fit`` begins."""
        self._find_run()
        # Kept, because an evaluate() inside the fit would bring params of its own.
        self._fit_params = dict(self.params or {})
        self._in_fit, self._fresh = True, False
        self._begun = False
        self._end_fit()  # of a fit that raised
        if not self.run.disabled:
            self._fit = Fit(
                self.run, self._fit_params, self.checkpoints, log_summary=self.log_summary, samples=self.samples
            )

    @guarded
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """An epoch begins; with the first, what the training is made of is known."""
        self._epoch_began = time.perf_counter()
        if self._fit is not None:
            if not self._begun:
                self._find_replay(epoch)
            self._fit.begin_epoch(epoch, self.model)
        self._begun = True

    @guarded
    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """An ``evaluate`` begins; inside ``fit`` it is the validation, with which the epoch's training has ended."""
        if self._in_fit and not self._fresh and self._fit is not None:
            self._fit.training_ended(self.model)

    @guarded
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """An epoch has ended, its validation included."""
        if self.run.disabled:
            return
        seconds = time.perf_counter() - self._epoch_began
        self._count()
        speeds = None if self._fit is None else self._fit.training_ended(self.model)
        if epoch > self._held_epoch:
            added = {**self._learning_rates(), "epoch_seconds": seconds, **(speeds or {})}
            self._log({**added, **(logs or {})}, step=epoch)
            Reached.by(self.run).epoch = epoch
        if self._fit is not None:
            self._fit.epoch_ended(logs, self.model)

    @guarded
    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """The ``fit`` has ended as it should; Keras does not call this when it raised."""
        self._in_fit = False
        self._end_fit()
        if not self.run.disabled:
            log_figures(self.run, self.figures, self.model)

    @guarded
    def on_predict_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """A ``predict`` begins: the list was its own, and a validation that comes next is the fit's again."""
        self._fresh = False

    @guarded
    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """An ``evaluate`` has ended; validation inside ``fit`` comes again with ``on_epoch_end``."""
        if self._in_fit and not self._fresh:
            return
        self._fresh = False
        if not self._in_fit:
            self._find_run()
        self._log({f"test_{name}": value for name, value in (logs or {}).items()}, step=None)

    # -- inside -----------------------------------------------------------------------------------------------

    def _end_fit(self) -> None:
        fit, self._fit = self._fit, None
        if fit is not None:
            fit.end()

    def _find_run(self) -> None:
        run = self._given or active_run()
        place = ranks.this_process()
        if place.passed_over(run.settings.ranks) and not run.disabled:
            log.warning(
                "multitrack: TrackingCallback: %s: records nothing, though run %s is open: it was started "
                "before this process joined the others; call multitrack.start_run() after", place, run.id
            )  # fmt: skip
            run = disabled_run()
        self._run = run
        if self._run.disabled and self._given is None and process.last_open() is None:
            log.warning(
                "multitrack: TrackingCallback: no run is open, nothing is recorded; "
                "call multitrack.start_run() before, or pass run="
            )

    @guarded  # by itself, as is _count: an optimizer that cannot be asked must not cost the epoch's metrics
    def _find_replay(self, epoch: int) -> None:
        reached = Reached.by(self.run)
        again = reached.is_trained_again(self.model, epoch, batches_before(self.model))
        self._held_epoch, self._held_batch = (reached.epoch, reached.batch) if again else (-1, -1)

    @guarded
    def _count(self) -> None:
        Reached.by(self.run).count = self._batches_so_far()

    def _batches_so_far(self) -> int:
        return batches_before(self.model)

    def _log(self, logs: Mapping[str, Any], step: int | None) -> None:
        log_numbers(self.run, logs, step)

    def _learning_rates(self) -> dict[str, float]:
        try:
            return _model.learning_rates(self.model)
        except Exception as error:  # noqa: BLE001 - an optimizer of the user's own must not cost the epoch's metrics
            put_aside(self.run, "TrackingCallback: learning_rate", error)
            return {}
