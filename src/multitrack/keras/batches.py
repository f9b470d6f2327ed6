"""Count the batches of one fit, and record a point every N batches.

On JAX and torch, Keras can hand a batch's logs to a thread pool instead of waiting for the device
(``TrackingCallback(async_batches=True)``). The threads start in batch order and then race, while training goes on.
So their points are put back in order before they are recorded, and the model is not read for them: the learning rate
is predicted when the epoch begins.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any, Final, Protocol

from multitrack.inputs.prepare import to_step
from multitrack.keras import internals
from multitrack.keras import model as models
from multitrack.keras.fit import Fit
from multitrack.keras.guard import guarded
from multitrack.keras.learning_rate import Rates, foreseen, foretold, is_steady
from multitrack.keras.numbers import log_numbers
from multitrack.keras.training import batches_before, remember_count

#: Timeout in seconds for the next point.
_PATIENCE: Final = 5.0
#: Number of points after which a learning rate that nothing is known to change is read again.
_READ_EVERY: Final = 64


class Models(Protocol):
    """Gives the model of a fit; implemented by the callback."""

    def model_of(self, fit: Fit) -> Any:
        """Return the current model, or ``None`` if it is ambiguous. On JAX this costs a synchronisation."""

    def has_model_of(self, fit: Fit) -> bool:
        """Return True if no other model has been set since."""


class Batches:
    """Counts and records the batches of one fit.

    Args:
        fit: The fit.
        every: Interval in batches; points are recorded at its multiples.
        callback: Source of the fit's model.

    Attributes:
        thread: The id of the training thread; ``None`` before the first epoch.
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
        self._counted = 0  # the optimizer's count at the start of this epoch
        self._at_once = 1  # batches per report by Keras
        self._execution = 0  # offset in this epoch of the last execution of several batches
        self._rates = Rates()
        self._steady = False  # True while only Keras' own code runs, so that nothing else changes the rates
        self._trusted = True  # False once they have changed nevertheless
        self._held: dict[str, float] = {}  # the rates as last read in this epoch, by their names in the run
        self._held_for = 0  # number of points until they are read again
        self._names: dict[str, str] = {}  # the metrics that need no check, by their names in Keras
        self._append = fit.run.integration.append_floats
        # For batches that are reported on other threads:
        self._in_order: InOrder | None = None
        self._foreseen: Callable[[int], dict[str, float]] | None = None
        self._handed_over = 0  # batches handed to other threads in this epoch, at most one too many

    def begin_epoch(self, model: Any) -> None:
        """Start an epoch on this thread. By the first epoch the optimizer's count is right, even after a restore."""
        self.thread = threading.get_ident()
        self._in_order, self._handed_over = None, 0
        self._rates, self._held, self._held_for = Rates(), {}, 0
        self._steady = self._trusted and is_steady(model, internals.callbacks_beside(self._callback))
        self._at_once, self._execution = models.steps_at_once(model), 0
        self._before = self._count
        self._count_before(model)

    @guarded  # on its own: an optimizer that cannot be read costs only the batch counts
    def _count_before(self, model: Any) -> None:
        if not self._started:
            self._started, training = True, self._fit.training
            self._start = self._before = self._count = batches_before(model) if training is None else training.batches
        self._counted = models.batches_trained(model)

    def begin(self, batch: int) -> None:
        """Start a batch, always on the training thread. All callbacks' epoch-begin hooks have run before the first."""
        self._handed_over = batch
        if batch != 0 or not internals.MAY_DISPATCH:
            return
        model = self._callback.model_of(self._fit)
        if foretold(model):
            self._foreseen = foreseen(model)
            self._in_order = InOrder(self._record, self._before, self._every)
            self._fit.run.at_end.add(self.arrive)

    def end(self, batch: int, logs: Mapping[str, Any] | None, *, elsewhere: bool) -> None:
        """Count the batches up to ``batch`` as trained, and record a point if one is due.

        Args:
            batch: The 0-based batch index in this epoch, from Keras.
            logs: The logs from Keras.
            elsewhere: True if called on a thread other than the training thread.

        Raises:
            RuntimeError: Called on another thread with steps_per_execution above 1, where the batch number is unknown.
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
            done = steps  # Keras reports a whole execution even if the data ended within it
        number = self._before + done if fit.begun else self._step_of(done)
        earlier, self._count = self._count, number
        if number // every == (earlier if number > earlier else number - 1) // every:
            return
        if self._at_once > 1:
            self._correct(self._callback.model_of(fit))
            number = self._count
            if number // every == earlier // every:
                return
        rates = self._rates_now()
        self._record(number, {**rates, **(logs or {})})
        if self._steady and self._at_once == 1:
            self._hold(rates, logs or ())

    def end_held(self, batch: int, logs: Any) -> bool:
        """End a batch as :meth:`end` does, the short way, on the training thread.

        After a batch of training this code is no longer in the processor's caches, so that each function costs a
        microsecond or two, and reading a variable on TensorFlow 30. So rates are not read again as long as only Keras'
        own code runs; another thread may change them nevertheless, hence the limit.

        Returns:
            False if it takes more than that, and nothing was done.
        """
        if self._held_for <= 0 or type(logs) is not dict:
            return False
        number = self._before + batch + 1
        if number % self._every == 0:
            training, names = self._fit.training, self._names
            if training is not None and number <= training.held_batch:
                return False
            point = self._held.copy()
            for name, value in logs.items():
                if type(value) is not float or not isfinite(value) or name not in names:
                    return False
                point[names[name]] = value
            if not self._append(point, number):
                return False
            self._held_for -= 1
        self._count = number
        return True

    def _end_elsewhere(self, done: int, logs: Any) -> None:
        """End a batch on another thread. The model is not read, since training may be further by now."""
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
        """Return the step of the ``done``-th batch of a custom loop, which may count per epoch or over all epochs.

        The first batch of an epoch tells: a loop that counts over all epochs is beyond the earlier count by then.
        """
        if self._count == self._before > self._start and done > self._before - self._start:
            self._before = self._start
        return self._before + done

    def arrive(self) -> None:
        """Wait for the pending points."""
        if self._in_order is not None and self._count == self._before:  # none has come on the training thread
            self._in_order.wait(self._before + self._handed_over)

    def end_epoch(self, model: Any) -> int:
        """End an epoch, after Keras has waited for all its hooks, and return the total number of batches."""
        if self._in_order is not None and self._count == self._before:
            self._in_order.give_up()
            self._count = self._in_order.last
        self._in_order = None
        self._correct(model)
        self._before = self._count
        # A custom loop that does not train the model counts from 0 again the next time, so nothing is remembered.
        if self._fit.begun or models.batches_trained(model):
            remember_count(model, self._count)
        return self._count

    def end_fit(self) -> None:
        """End the fit, which may have been interrupted with batches pending."""
        self.arrive()
        self._fit.run.at_end.discard(self.arrive)

    def _correct(self, model: Any) -> None:
        """Correct the count from the optimizer's: Keras reports too many batches if the data ended in an execution."""
        if self._at_once > 1 and models.counts_each_batch(model):
            trained = models.batches_trained(model) - self._counted
            if self._execution < trained:
                self._count = min(self._count, self._before + trained)

    @guarded
    def _record(self, step: int, seen: Mapping[str, Any]) -> None:
        fit = self._fit
        if fit.training is None or not fit.training.holds_batch(step):
            log_numbers(fit.run, {f"batch/{name}": value for name, value in seen.items()}, step)

    @guarded
    def _hold(self, rates: dict[str, float], names: Iterable[str]) -> None:
        """Let the next batches end the short way, with these rates, if their points need no checks then."""
        held = {f"batch/{name}": rate for name, rate in rates.items()}
        self._steady = self._trusted = held == (self._held or held)
        self._held, self._names = held, {name: f"batch/{name}" for name in names}
        known = self._fit.run.integration.are_series([*held, *self._names.values()])
        if self._steady and known and all(map(isfinite, held.values())):
            self._held_for = _READ_EVERY

    def _rates_now(self) -> dict[str, float]:
        rates = self._rates.read(self._fit.model) if self._callback.has_model_of(self._fit) else None
        if rates is None:
            model = self._callback.model_of(self._fit)
            rates = self._fit.learning_rates(model)
            self._rates.remember(model, rates)
        return rates


class InOrder:
    """Takes an epoch's batches from any thread and records their points in step order.

    Args:
        record: Called with each step and point, by one thread at a time; must not raise.
        before: Number of batches before this epoch.
        every: Interval in batches; points are at its multiples.

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
        """Take a trained batch. Its ``point``, if any, is recorded after all earlier ones."""
        with self._changed:
            self.last = max(self.last, batch)
            if point is None:
                return
            if batch < self._due:  # arrived after it was given up
                self._record(batch, point)
                return
            self._waiting[batch] = point
            while self._due in self._waiting:
                self._record(self._due, self._waiting.pop(self._due))
                self._due += self._every
            self._changed.notify_all()

    def wait(self, until: int) -> None:
        """Wait for the points up to batch ``until``; give up after the timeout without a new point."""
        with self._changed:
            while self._due <= until and self._changed.wait(_PATIENCE):
                pass
        self.give_up()

    def give_up(self) -> None:
        """Record the points that wait for a missing one. Its hook has failed, which must not cost the others."""
        with self._changed:
            for batch in sorted(self._waiting):
                self._record(batch, self._waiting.pop(batch))
                self._due = batch + self._every
