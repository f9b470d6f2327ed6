"""The callback that records every N batches beside the epochs."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras

from multitrack.inputs.prepare import to_step
from multitrack.keras import model as models
from multitrack.keras.async_batches import InOrder, foretold, may_be_elsewhere
from multitrack.keras.callback import TrackingCallback
from multitrack.keras.fit import Fit
from multitrack.keras.guard import guarded
from multitrack.keras.learning_rate import Rates, foreseen
from multitrack.keras.numbers import log_numbers
from multitrack.keras.training import batches_before, remember_count
from multitrack.recording.run import Run


class Batches:
    """The batches of one fit.

    Attributes:
        start: Batches before this fit.
        before: Batches before this epoch.
        count: Batches so far.
        counted: What the optimizer had counted as this epoch began.
        at_once: Batches that Keras reports at once.
        execution: The first batch, in this epoch, of the last execution of several.
        rates: Reads the learning rates.
        thread: The training thread; ``None`` where no epoch has begun on one.
        in_order: For batches on other threads, by the epoch: puts their points in order.
        foreseen: For those: their learning rates.
        handed_over: For those: so many of this epoch, or one more.
    """

    def __init__(self) -> None:
        self.start = self.before = self.count = self.counted = self.execution = self.handed_over = 0
        self.at_once = 1
        self.rates = Rates()
        self.thread: int | None = None
        self.in_order: InOrder | None = None
        self.foreseen: Callable[[int], dict[str, float]] | None = None

    def begin_epoch(self, model: Any) -> None:
        """An epoch begins on this thread."""
        self.thread = threading.get_ident()
        self.in_order, self.handed_over = None, 0
        self.rates = Rates()
        self.at_once, self.execution = models.steps_at_once(model), 0
        self.before = self.count

    def step_of(self, done: int) -> int:
        """The step of the batch that is the ``done``-th as a loop of the user's own counts, in each epoch or over all.

        Of an epoch's first batch it is told by whether counting has gone on.
        """
        if self.count == self.before > self.start and done > self.before - self.start:
            self.before = self.start
        return self.before + done

    def passes(self, number: int, every: int) -> bool:
        """Count up to ``number``; whether a multiple of ``every`` was reached or passed."""
        earlier, self.count = self.count, number
        return number // every != (earlier if number > earlier else number - 1) // every

    def arrive(self) -> None:
        """Wait for the points that are on their way."""
        if self.in_order is not None and self.count == self.before:  # none has come on the training thread
            self.in_order.wait(self.before + self.handed_over)

    def end_epoch(self, model: Any, *, begun: bool) -> int:
        """An epoch has ended, and Keras has waited for all its hooks; gives how many batches there were in all.

        Args:
            model: The model.
            begun: Whether Keras has begun the fit.
        """
        if self.in_order is not None and self.count == self.before:
            self.in_order.give_up()
            self.count = self.in_order.last
        self.in_order = None
        self.correct(model)
        self.before = self.count
        if begun or models.batches_trained(model):  # else a loop that does not train it: later ones begin at 0 again
            remember_count(model, self.count)
        return self.count

    def correct(self, model: Any) -> None:
        """Several batches at once may be fewer than reported, where the data ended among them; the optimizer knows."""
        if self.at_once > 1 and models.counts_each_batch(model):
            trained = models.batches_trained(model) - self.counted
            if self.execution < trained:
                self.count = min(self.count, self.before + trained)


class BatchTrackingCallback(TrackingCallback):
    """What ``TrackingCallback(log_freq=N)`` makes: records every N batches as well.

    Under ``batch/``: the metrics so far in the epoch, as Keras gives them, and ``batch/learning_rate``. The step is
    the number of batches trained, over all epochs and fits, as the optimizer counts them; it goes on where the model is
    compiled anew. With ``steps_per_execution`` Keras reports several batches at once: a point is recorded whenever a
    multiple of N is reached or passed, at the true number. Between two points neither the model nor the run is touched.

    On JAX and torch Keras goes on dispatching batches asynchronously. This class's batch hook then runs on
    Keras' threads; the points keep their order, and the end of the run waits for those on their way. Keras is asked to
    call it on the training thread, which is how TensorFlow has it, where a number could not be told from
    the batch's place in its epoch alone:

    - with ``steps_per_execution`` above 1, whose last execution may be cut short by the end of the data;
    - beside a callback that overrides ``on_train_batch_begin``, where the learning rate may be set;
    - with a ``train_step`` or optimizer of your own, or a schedule under loss scaling;
    - in a subclass, unless it sets ``async_safe`` itself.

    In a training loop of your own, a batch's step is the number that it is given plus one; where the numbers begin
    anew in each epoch, counted on from the end of the epoch before.

    Args:
        run: As for :class:`TrackingCallback`.
        log_freq: N.
        **options: As for :class:`TrackingCallback`.
    """

    def __init__(self, run: Run | None = None, log_freq: Literal["epoch"] | int = 1, **options: Any) -> None:
        super().__init__(run, log_freq, **options)
        self._every = 1 if log_freq == "epoch" else log_freq

    @property
    def async_safe(self) -> bool:
        """Whether Keras may call the batch hook on other threads; asked as ``fit`` begins."""
        try:
            return type(self) is BatchTrackingCallback and may_be_elsewhere(self)
        except Exception:  # noqa: BLE001 - a model that is made otherwise than expected
            return False

    @guarded
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """An epoch begins; the first is where the optimizer's count is right, also after ``BackupAndRestore``."""
        super().on_epoch_begin(epoch, logs)
        fit = self._current()
        if not fit.run.disabled:
            model = self._model_of(fit)
            first = fit.batches is None
            fit.batches = Batches() if first else fit.batches
            fit.batches.begin_epoch(model)
            self._count_before(fit, model, first=first)

    @guarded
    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Always on the training thread. The first of an epoch comes after all that others do as it begins."""
        fit = self._here.fit
        if fit is None or fit.batches is None:
            return
        batches: Batches = fit.batches
        batches.handed_over = batch
        if batch == 0 and keras.config.backend() != "tensorflow" and foretold(model := self._model_of(fit)):
            batches.foreseen = foreseen(model)
            batches.in_order = InOrder(functools.partial(self._record, fit), batches.before, self._every)
            fit.run.at_end.add(batches.arrive)

    @guarded
    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Batches up to ``batch``, counted from 0 in this epoch, were trained."""
        fit = self._here.fit
        if fit is None or not fit.begun:
            fit = self._current()
        batches: Batches | None = fit.batches
        if batches is None:
            if fit.run.disabled:
                return
            batches = fit.batches = Batches()
        done = batch + 1 if type(batch) is int else to_step(batch) + 1
        if fit is not self._here.fit or batches.thread not in (None, threading.get_ident()):
            self._batch_elsewhere(fit, batches, done, logs)
            return
        steps = fit.params.get("steps")
        batches.execution = done - batches.at_once
        if steps is not None and done > steps:
            done = steps  # steps_per_execution reports a whole execution even where the data ended within it
        number = batches.before + done if fit.begun else batches.step_of(done)
        earlier = batches.count
        if not batches.passes(number, self._every):
            return
        if batches.at_once > 1:
            batches.correct(self._model_of(fit))
            number = batches.count
            if number // self._every == earlier // self._every:
                return
        self._record(fit, number, self._with_rates(batches, fit, logs))

    def _batch_elsewhere(self, fit: Fit, batches: Batches, done: int, logs: Any) -> None:
        """A batch on another thread; the model may be further by now, and is not looked at."""
        number = batches.before + done
        logged = number % self._every == 0
        if batches.in_order is not None and batches.foreseen is not None:
            batches.in_order.put(number, {**batches.foreseen(done), **(logs or {})} if logged else None)
        elif batches.at_once == 1:
            batches.count = max(batches.count, number)
            if logged:
                self._record(fit, number, logs or {})
        elif logged:  # Keras asks nobody about a callback that is passed without a list
            raise RuntimeError(f"batch {number} came on another thread and is not recorded; fit(callbacks=[...])")

    @guarded  # by itself: an optimizer that cannot be asked costs the right numbers of batches, and no more
    def _count_before(self, fit: Fit, model: Any, *, first: bool) -> None:
        batches: Batches = fit.batches
        if first:
            before = batches_before(model) if fit.training is None else fit.training.batches
            batches.start = batches.before = batches.count = before
        batches.counted = models.batches_trained(model)

    def _end_fit(self, fit: Fit | None, *, raised: bool) -> None:
        if fit is not None and fit.batches is not None:  # it may have been interrupted with batches on their way
            fit.batches.arrive()
            fit.run.at_end.discard(fit.batches.arrive)
        super()._end_fit(fit, raised=raised)

    @guarded
    def _record(self, fit: Fit, step: int, seen: Mapping[str, Any]) -> None:
        if fit.training is None or not fit.training.holds_batch(step):
            log_numbers(fit.run, {f"batch/{name}": value for name, value in seen.items()}, step)

    def _with_rates(self, batches: Batches, fit: Fit, logs: Mapping[str, Any] | None) -> dict[str, Any]:
        rates = None if fit.model is not self._model else batches.rates.read(self._model)
        if rates is None:
            model = self._model_of(fit)
            rates = fit.learning_rates(model)
            batches.rates.remember(model, rates)
        return {**rates, **(logs or {})}


TrackingCallback._for_batches = BatchTrackingCallback
