"""The batches of one fit: how many were trained, and a point of every N of them.

On JAX and torch, Keras can hand a batch's logs to a pool of threads instead of waiting for the device
(``TrackingCallback(async_batches=True)``). The threads start in the batches' order and race from there, while the model
goes on being trained. So a point from there is recorded in its turn, and nothing of the model is read for it: the
learning rate is foreseen as the epoch begins.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import keras

from multitrack.inputs.prepare import to_step
from multitrack.keras import internals
from multitrack.keras import model as models
from multitrack.keras.fit import Fit
from multitrack.keras.guard import guarded
from multitrack.keras.learning_rate import Rates, foreseen, foretold
from multitrack.keras.numbers import log_numbers
from multitrack.keras.training import batches_before, remember_count

#: Seconds without a point, after which no more are waited for.
_PATIENCE: Final = 5.0


class Models(Protocol):
    """Knows the model of a fit: the callback."""

    def model_of(self, fit: Fit) -> Any:
        """The model as it is now; ``None`` where it is not sure which. On JAX this costs a synchronisation."""

    def has_model_of(self, fit: Fit) -> bool:
        """Whether no other model has been set since."""


class Batches:
    """Counts and records the batches of one fit.

    Args:
        fit: The fit.
        every: A point is recorded at the multiples of this.
        callback: Knows the fit's model.

    Attributes:
        thread: The training thread; ``None`` where no epoch has begun on one.
    """

    guarding_name = "TrackingCallback"

    def __init__(self, fit: Fit, every: int, callback: Models) -> None:
        self.thread: int | None = None
        self.guarding_run = fit.run
        self._fit = fit
        self._every = every
        self._callback = callback
        self._started = False
        self._start = self._before = self._count = 0  # before this fit, before this epoch, so far
        self._counted = 0  # by the optimizer as this epoch began
        self._at_once = 1  # that Keras reports at once
        self._execution = 0  # the first batch, in this epoch, of the last execution of several
        self._rates = Rates()
        # Of batches that are reported on other threads:
        self._in_order: InOrder | None = None
        self._foreseen: Callable[[int], dict[str, float]] | None = None
        self._handed_over = 0  # in this epoch, or one more

    def begin_epoch(self, model: Any) -> None:
        """An epoch begins on this thread; at the first the optimizer's count is right, after a restore as well."""
        self.thread = threading.get_ident()
        self._in_order, self._handed_over = None, 0
        self._rates = Rates()
        self._at_once, self._execution = models.steps_at_once(model), 0
        self._before = self._count
        self._count_before(model)

    @guarded  # by itself: an optimizer that cannot be asked costs the right numbers of batches, and no more
    def _count_before(self, model: Any) -> None:
        if not self._started:
            self._started, training = True, self._fit.training
            self._start = self._before = self._count = batches_before(model) if training is None else training.batches
        self._counted = models.batches_trained(model)

    def begin(self, batch: int) -> None:
        """A batch begins, always on the training thread; an epoch's first after all that others do as that begins."""
        self._handed_over = batch
        if batch != 0 or keras.config.backend() == "tensorflow":
            return
        model = self._callback.model_of(self._fit)
        if foretold(model):
            self._foreseen = foreseen(model)
            self._in_order = InOrder(self._record, self._before, self._every)
            self._fit.run.at_end.add(self.arrive)

    def end(self, batch: int, logs: Mapping[str, Any] | None, *, elsewhere: bool) -> None:
        """Batches up to ``batch``, counted from 0 in this epoch, were trained.

        Args:
            batch: As Keras says.
            logs: As Keras says.
            elsewhere: Whether this is another thread than the training's.

        Raises:
            RuntimeError: It is, and the number of the batch cannot be known there.
        """
        done = batch + 1 if type(batch) is int else to_step(batch) + 1
        if elsewhere or self.thread not in (None, threading.get_ident()):
            self._end_elsewhere(done, logs)
            return
        fit, every = self._fit, self._every
        if fit.begun and not internals.REPORTS_LAST_BATCH:
            done += self._at_once - 1
        steps = fit.params.get("steps")
        self._execution = done - self._at_once
        if steps is not None and done > steps:
            done = steps  # steps_per_execution reports a whole execution even where the data ended within it
        number = self._before + done if fit.begun else self._step_of(done)
        earlier, self._count = self._count, number
        if number // every == (earlier if number > earlier else number - 1) // every:
            return
        if self._at_once > 1:
            self._correct(self._callback.model_of(fit))
            number = self._count
            if number // every == earlier // every:
                return
        self._record(number, {**self._rates_now(), **(logs or {})})

    def _end_elsewhere(self, done: int, logs: Any) -> None:
        """A batch on another thread; the model may be further by now, and is not looked at."""
        number = self._before + done
        logged = number % self._every == 0
        if self._in_order is not None and self._foreseen is not None:
            self._in_order.put(number, {**self._foreseen(done), **(logs or {})} if logged else None)
        elif self._at_once == 1:
            self._count = max(self._count, number)
            if logged:
                self._record(number, logs or {})
        elif logged:
            raise RuntimeError(
                f"batch {number} came on another thread and is not recorded: with steps_per_execution above 1 "
                "pass fit(callbacks=[...]) a list, and leave async_batches out"
            )

    def _step_of(self, done: int) -> int:
        """The step of the batch that is the ``done``-th as a loop of the user's own counts, in each epoch or over all.

        Of an epoch's first batch it is told by whether counting has gone on.
        """
        if self._count == self._before > self._start and done > self._before - self._start:
            self._before = self._start
        return self._before + done

    def arrive(self) -> None:
        """Wait for the points that are on their way."""
        if self._in_order is not None and self._count == self._before:  # none has come on the training thread
            self._in_order.wait(self._before + self._handed_over)

    def end_epoch(self, model: Any) -> int:
        """An epoch has ended, and Keras has waited for all its hooks; gives how many batches there were in all."""
        if self._in_order is not None and self._count == self._before:
            self._in_order.give_up()
            self._count = self._in_order.last
        self._in_order = None
        self._correct(model)
        self._before = self._count
        # In a loop that Keras has not begun, and that does not train the model, later ones begin at 0 again.
        if self._fit.begun or models.batches_trained(model):
            remember_count(model, self._count)
        return self._count

    def end_fit(self) -> None:
        """The fit has ended; it may have been interrupted with batches on their way."""
        self.arrive()
        self._fit.run.at_end.discard(self.arrive)

    def _correct(self, model: Any) -> None:
        """Several batches at once may be fewer than reported, where the data ended among them; the optimizer knows."""
        if self._at_once > 1 and models.counts_each_batch(model):
            trained = models.batches_trained(model) - self._counted
            if self._execution < trained:
                self._count = min(self._count, self._before + trained)

    @guarded
    def _record(self, step: int, seen: Mapping[str, Any]) -> None:
        fit = self._fit
        if fit.training is None or not fit.training.holds_batch(step):
            log_numbers(fit.run, {f"batch/{name}": value for name, value in seen.items()}, step)

    def _rates_now(self) -> dict[str, float]:
        rates = self._rates.read(self._fit.model) if self._callback.has_model_of(self._fit) else None
        if rates is None:
            model = self._callback.model_of(self._fit)
            rates = self._fit.learning_rates(model)
            self._rates.remember(model, rates)
        return rates


class InOrder:
    """Takes an epoch's batches from any threads and hands their points on in the order of their steps.

    Args:
        record: Called with each step and point, never by two threads at once; must not raise.
        before: Batches before this epoch.
        every: Points stand at the multiples of this.

    Attributes:
        last: The highest batch so far.
    """

    def __init__(self, record: Callable[[int, Any], object], before: int, every: int) -> None:
        self.last = before
        self._record = record
        self._every = every
        self._due = (before // every + 1) * every
        self._waiting: dict[int, Any] = {}
        self._changed = threading.Condition()

    def put(self, batch: int, point: Any = None) -> None:
        """A batch was trained; its ``point``, if it has one, is recorded once all before it are."""
        with self._changed:
            self.last = max(self.last, batch)
            if point is None:
                return
            if batch < self._due:  # given up already, and here after all
                self._record(batch, point)
                return
            self._waiting[batch] = point
            while self._due in self._waiting:
                self._record(self._due, self._waiting.pop(self._due))
                self._due += self._every
            self._changed.notify_all()

    def wait(self, until: int) -> None:
        """Wait for the points up to batch ``until``, as long as they keep coming."""
        with self._changed:
            while self._due <= until and self._changed.wait(_PATIENCE):
                pass
        self.give_up()

    def give_up(self) -> None:
        """Hand on what waits for a point that does not come: its hook has failed, which must not cost the others."""
        with self._changed:
            for batch in sorted(self._waiting):
                self._record(batch, self._waiting.pop(batch))
                self._due = batch + self._every
