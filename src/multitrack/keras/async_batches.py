"""Batch hooks on other threads: when they may be, and their points back in order.

On JAX and torch, Keras can hand a batch's logs to a pool of threads instead of waiting for the device. The threads
start in the batches' order and race from there, while the model goes on being trained.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, Final

import keras

from multitrack.keras import learning_rate

#: Seconds without a point, after which no more are waited for.
_PATIENCE: Final = 5.0


def may_be_elsewhere(callback: Any) -> bool:
    """Whether batches may be handed to ``callback`` on other threads; for ``async_safe``, called from there.

    Keras asks a callback before it tells it the model, and never tells it of the callbacks beside it. So they are
    looked up in the constructor that asks. Where that is not found, the answer is no, which is always right.
    """
    frame = sys._getframe(2)
    for _ in range(3):
        asking = frame.f_locals.get("self")
        if isinstance(asking, keras.callbacks.CallbackList) and "model" in frame.f_locals:
            others = (other for other in asking.callbacks if type(other) is not type(callback))
            return not any(_begins_batches(other) for other in others) and foretold(frame.f_locals["model"])
        if frame.f_back is None:
            break
        frame = frame.f_back
    return False


def foretold(model: Any) -> bool:
    """Whether a batch's number and learning rate follow from its place in the epoch.

    Not so with several steps per execution, the last of which may be cut short by the end of the data, nor with a
    ``train_step`` of the user's own, which may do anything.
    """
    return (
        isinstance(model, keras.Model)
        and model.steps_per_execution == 1
        and all(
            getattr(getattr(model, name, None), "__func__", None) is getattr(keras.Model, name)
            for name in ("train_step", "make_train_function")
        )
        and learning_rate.foreseen(model) is not None
    )


def _begins_batches(callback: Any) -> bool:
    """Whether it has a hook at a batch's begin, which Keras calls at once, and which may set the learning rate."""
    hooks = (callback.on_batch_begin, callback.on_train_batch_begin)
    return not all(hasattr(hook, "_is_default") for hook in hooks)


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
