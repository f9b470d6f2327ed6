"""The Keras callback: a training's epochs, batches, params and model summary go into a run.

    with multitrack.start_run(project="digits"):
        model.fit(x, y, epochs=10, callbacks=[TrackingCallback()])

Works with TensorFlow, JAX and torch, and imports none of them. Whatever goes wrong in here is set aside in
the run, counted and warned of once; training never sees it.
"""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Self

from multitrack import process, ranks
from multitrack._guard import guarded, put_aside
from multitrack.run import Run, active_run, disabled_run

try:
    import keras
except ImportError as error:
    if error.name != "keras":  # Keras is there, and says itself which of its own needs is not
        raise
    raise ImportError('multitrack.keras needs Keras: pip install "multitrack[keras]"', name="keras") from error

from multitrack import _model
from multitrack._checkpoints import Checkpoints, checkpoint_sources
from multitrack._dispatch import InOrder, foretold, may_be_elsewhere
from multitrack._figures import Figures, checked_figures, confusion_matrix, log_figures
from multitrack._fit import Fit, log_numbers
from multitrack._rates import Rates, foreseen
from multitrack._replay import Reached, batches_before, remember_count

__all__ = ["BatchTrackingCallback", "TrackingCallback", "confusion_matrix"]

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

    def __new__(cls, run: Run | None = None, log_freq: Literal["epoch"] | int = "epoch", **kwargs: Any) -> Self:  # noqa: ARG004, D102 - __init__'s
        wants_batches = cls is TrackingCallback and log_freq != "epoch"
        return super().__new__(BatchTrackingCallback if wants_batches else cls)  # type: ignore[no-any-return]

    def __init__(
        self, run: Run | None = None, log_freq: Literal["epoch"] | int = "epoch", *, log_summary: bool = True,
        checkpoint: Checkpoints | None = None, figures: Figures | None = None, samples: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if run is not None and not isinstance(run, Run):
            raise TypeError(f"run must be a multitrack.Run, got {type(run).__name__} (batches: log_freq=N)")
        if log_freq != "epoch" or isinstance(self, BatchTrackingCallback):
            if isinstance(log_freq, bool) or not isinstance(log_freq, int) or log_freq < 1:
                raise ValueError(f'log_freq must be "epoch" or a positive number of batches, got {log_freq!r}')
            if not isinstance(self, BatchTrackingCallback):
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


class BatchTrackingCallback(TrackingCallback):
    """What ``TrackingCallback(log_freq=N)`` makes: records every N batches as well.

    Under ``batch/``: the metrics so far in the epoch, as Keras gives them, and ``batch/learning_rate``. The step is
    the number of batches trained, over all epochs and fits, as the optimizer counts them. With
    ``steps_per_execution`` Keras reports several batches at once: a point is recorded whenever a multiple of N is
    reached or passed, at the true number. Between two points neither the model nor the run is touched.

    On JAX and torch Keras goes on dispatching batches asynchronously. This class's batch hook then runs on
    Keras' threads; the points keep their order, and the end of the run waits for those on their way. Keras is asked to
    call it on the training thread, which is how TensorFlow has it, where a number could not be told from
    the batch's place in its epoch alone:

    - with ``steps_per_execution`` above 1, whose last execution may be cut short by the end of the data;
    - beside a callback that overrides ``on_train_batch_begin``, where the learning rate may be set;
    - with a ``train_step`` or optimizer of your own, or a schedule under loss scaling;
    - in a subclass, unless it sets ``async_safe`` itself.

    Args:
        run: As for :class:`TrackingCallback`.
        log_freq: N.
        **options: As for :class:`TrackingCallback`.
    """

    def __init__(self, run: Run | None = None, log_freq: Literal["epoch"] | int = 1, **options: Any) -> None:
        super().__init__(run, log_freq, **options)
        self._every = 1 if log_freq == "epoch" else log_freq
        self._before = 0  # batches before this epoch
        self._batches = 0
        self._counted = 0  # what the optimizer had counted as this epoch began
        self._at_once = 1  # batches that Keras reports at once
        self._execution = 0  # the first batch, in this epoch, of the last execution of several
        self._rates = Rates()
        self._thread = 0  # the training thread
        # For batches on other threads, by the epoch:
        self._in_order: InOrder | None = None
        self._foreseen: Callable[[int], dict[str, float]] | None = None
        self._handed_over = 0  # so many batches, or one more

    @property
    def async_safe(self) -> bool:
        """Whether Keras may call the batch hook on other threads; asked as ``fit`` begins."""
        try:
            return type(self) is BatchTrackingCallback and may_be_elsewhere(self)
        except Exception:  # noqa: BLE001 - a model that is made otherwise than expected
            return False

    @guarded
    def on_train_begin(self, logs: Any = None) -> None:
        """A ``fit`` begins; the one before may have been interrupted with batches on their way."""
        self._arrive()
        super().on_train_begin(logs)

    @guarded
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """An epoch begins; the first is where the optimizer's count is right, also after ``BackupAndRestore``."""
        if not self._begun:
            self._batches = batches_before(self.model)
        self._before, self._counted = self._batches, _model.batches_trained(self.model)
        self._at_once, self._execution = getattr(self._model, "steps_per_execution", None) or 1, 0
        self._rates = Rates()
        self._thread = threading.get_ident()
        self._in_order, self._handed_over = None, 0
        super().on_epoch_begin(epoch, logs)

    @guarded
    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Always on the training thread. The first of an epoch comes after all that others do as it begins."""
        self._handed_over = batch
        if batch == 0 and keras.config.backend() != "tensorflow" and not self.run.disabled and foretold(self.model):
            self._foreseen = foreseen(self.model)
            self._in_order = InOrder(self._record, self._before, self._every)
            self.run.at_end.add(self._arrive)

    @guarded
    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Batches up to ``batch``, counted from 0 in this epoch, were trained."""
        if threading.get_ident() != self._thread:
            self._batch_elsewhere(batch, logs or {})
            return
        done, steps = batch + 1, self._fit_params.get("steps")
        self._execution = done - self._at_once
        if steps is not None and done > steps:
            done = steps  # steps_per_execution reports a whole execution even where the data ended within it
        earlier, self._batches = self._batches, self._before + done
        if self._batches // self._every == earlier // self._every or self.run.disabled:
            return
        self._correct()
        if self._batches // self._every != earlier // self._every:
            self._record(self._batches, {**self._rates_now(), **(logs or {})})

    @guarded
    def on_train_end(self, logs: Any = None) -> None:
        """The ``fit`` has ended as it should; all its batches have arrived."""
        self.run.at_end.discard(self._arrive)
        super().on_train_end(logs)

    def _batch_elsewhere(self, batch: int, logs: Mapping[str, Any]) -> None:
        """A batch on another thread; the model may be further by now, and is not looked at."""
        number = self._before + batch + 1
        logged = number % self._every == 0
        if self.run.disabled:
            return
        if self._in_order is not None and self._foreseen is not None:
            self._in_order.put(number, {**self._foreseen(batch + 1), **logs} if logged else None)
        elif logged:  # Keras asks nobody about a callback that is passed without a list
            raise RuntimeError(f"batch {number} came on another thread and is not recorded; fit(callbacks=[...])")

    def _arrive(self) -> None:
        """Wait for the points that are on their way."""
        if self._in_order is not None and self._batches == self._before:  # none has come on this thread
            self._in_order.wait(self._before + self._handed_over)

    @guarded
    def _record(self, step: int, seen: Mapping[str, Any]) -> None:
        reached = Reached.by(self.run)
        reached.count = step
        if step > self._held_batch:
            self._log({f"batch/{name}": value for name, value in seen.items()}, step)
            reached.batch = step

    def _rates_now(self) -> dict[str, float]:
        rates = self._rates.read(self._model)
        if rates is None:
            rates = self._learning_rates()
            self._rates.remember(self._model, rates)
        return rates

    def _batches_so_far(self) -> int:
        if self._in_order is not None and self._batches == self._before:
            self._batches = self._in_order.last
        self._correct()
        remember_count(self.model, self._batches)
        return self._batches

    def _correct(self) -> None:
        """Several batches at once may be fewer than reported, where the data ended among them; the optimizer knows."""
        if self._at_once > 1 and _model.counts_each_batch(self.model):
            trained = _model.batches_trained(self.model) - self._counted
            if self._execution < trained:
                self._batches = min(self._batches, self._before + trained)
