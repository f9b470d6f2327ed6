"""The callback that records every N batches beside the epochs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras

from multitrack import _model
from multitrack._callback import TrackingCallback
from multitrack._dispatch import InOrder, foretold, may_be_elsewhere
from multitrack._guard import guarded
from multitrack._rates import Rates, foreseen
from multitrack._replay import Reached, batches_before, remember_count
from multitrack.run import Run


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
        self._thread = threading.get_ident()
        self._in_order, self._handed_over = None, 0
        self._rates = Rates()
        self._at_once, self._execution = getattr(self._model, "steps_per_execution", None) or 1, 0
        self._before = self._batches
        self._begin_count()
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

    @guarded  # by itself: an optimizer that cannot be asked costs the right numbers of batches, and no more
    def _begin_count(self) -> None:
        if not self._begun:
            self._before = self._batches = batches_before(self.model)
        self._counted = _model.batches_trained(self.model)

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
            self._in_order.give_up()  # Keras has waited for all hooks of the epoch
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


TrackingCallback._for_batches = BatchTrackingCallback
