"""Fits of one compiled model, by turns without a callback and with one: what a callback adds, and what it spends itself."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench import Figures

Make = Callable[[], Any]
"""Makes a callback."""
Took = tuple[float, float]
"""Seconds by the clock, and of CPU."""

EPOCHS = 2
#: Batches of an epoch; about 0.3 seconds of a 2-core machine, the large model of a GPU.
BATCHES = {"small": 60, "middling": 12, "large": 200}
#: Filters of the convolutions; none: a dense model.
FILTERS = {"small": (), "middling": (16, 32), "large": (64, 128, 256)}


def model_and_data(kind: str) -> tuple[Any, Any, Any]:
    """Keras' own examples for handwritten digits: the dense one, and ones with filters; the data are random."""
    import keras
    import numpy as np
    from keras import layers

    keras.utils.set_random_seed(0)
    chance = np.random.default_rng(0)
    shape = (28, 28, 1) if FILTERS[kind] else (784,)
    hidden: list[Any] = []
    for filters in FILTERS[kind]:
        hidden += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D()]
    if hidden:
        hidden += [layers.Flatten(), layers.Dropout(0.5)]
    else:
        hidden = [layers.Dense(512, "relu"), layers.Dropout(0.2), layers.Dense(512, "relu"), layers.Dropout(0.2)]
    model = keras.Sequential([keras.Input(shape), *hidden, layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rows = BATCHES[kind] * 128
    return model, chance.random((rows, *shape), dtype="float32"), chance.integers(0, 10, rows)


class Fits:
    """A compiled model that has been trained for an epoch, so that nothing is traced or compiled any more.

    Args:
        kind: ``small``, ``middling`` or ``large``.
        scale: Of the batches.
    """

    def __init__(self, kind: str, scale: float) -> None:
        self._model, x, y = model_and_data(kind)
        self.batches = max(4, int(BATCHES[kind] * scale))
        self._x, self._y = x[: self.batches * 128], y[: self.batches * 128]
        self.seconds()

    def seconds(self, watched: Watched | None = None, epochs: int = EPOCHS) -> Took:
        """One fit, from where its first epoch has begun to the end of its last: by the clock, and of this process's CPU."""
        clock = make_clock(watched)
        callbacks = [clock] if watched is None else [watched.callback, clock]
        self._model.fit(self._x, self._y, batch_size=128, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
        return clock.ended[0] - clock.began[0], clock.ended[1] - clock.began[1]

    def turns(
        self, makes: Mapping[str, Make], turns: int, epochs: int = EPOCHS, settle: Callable[[], object] = lambda: None
    ) -> Figures:
        """By turns without, with the one, without, with the other; each against those before and after it.

        Args:
            makes: The callbacks, by what their figures are called.
            turns: How often each.
            epochs: Of a fit.
            settle: Lets everything beside the training come to rest; called before each fit without a callback.
        """
        first: Figures = {}
        for name, make in makes.items():  # what a callback does once in a run or process
            watched = Watched(make())
            self.seconds(watched, epochs)
            first[f"{name} begin"] = watched.before

        def without() -> Took:
            settle()
            return self.seconds(None, epochs)

        bare = [without()]
        ratios: dict[str, list[Took]] = {name: [] for name in makes}
        inside, beside, clock = (dict.fromkeys(makes, 0.0) for _ in range(3))
        for _ in range(turns):
            for name, make in makes.items():
                watched = Watched(make())
                took = self.seconds(watched, epochs)
                bare.append(without())
                ratios[name].append(against(took, bare[-2:]))
                # Summed up: a process that loses the processor loses it in hooks as often as elsewhere.
                inside[name] += watched.inside
                beside[name] += watched.beside
                clock[name] += took[0]
        figures = {"bare": statistics.median(took[0] for took in bare) / (self.batches * epochs), **first}
        for name in makes:
            figures[name] = statistics.median(ratio[0] for ratio in ratios[name])
            figures[f"{name} CPU"] = statistics.median(ratio[1] for ratio in ratios[name])
            figures[f"{name} hooks"] = inside[name] / clock[name]
            figures[f"{name} beside"] = beside[name] / clock[name]
        apart = [abs(against(bare[i], [bare[i - 1], bare[i + 1]])[0] - 1) for i in range(1, len(bare) - 1)]
        figures["noise"] = statistics.median(apart) if apart else 0.0
        return figures


def against(took: Took, others: Sequence[Took]) -> Took:
    """Ratio to the mean of the others."""
    return took[0] / statistics.mean(clock for clock, _ in others), took[1] / statistics.mean(cpu for _, cpu in others)


def make_clock(watched: Watched | None) -> Any:
    """The last callback of a fit: knows when the first epoch has begun and the last has ended; no batch hooks."""
    import keras

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        began = ended = (0.0, 0.0)

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if not self.began[0]:
                if watched is not None:
                    watched.before = watched.spent
                self.began = time.perf_counter(), time.process_time()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.ended = time.perf_counter(), time.process_time()
            if watched is not None:
                watched.inside = watched.spent - watched.before

    return Clock()


class Watched:
    """A callback whose hooks are timed; one that calls another counts once.

    Made on the thread that trains. Where Keras dispatches batches asynchronously, it calls their hooks on others.

    Attributes:
        callback: The callback.
        spent: Seconds in its hooks on the thread that trains.
        before: Of these, until the first epoch had begun.
        inside: From there to the end of the last.
        beside: Seconds of CPU in its hooks on other threads. By the clock they also wait there for the one that trains.
    """

    def __init__(self, callback: Any) -> None:
        self.callback = callback
        self.spent = self.before = self.inside = self.beside = 0.0
        self._trains = threading.get_ident()
        self._on_this_thread = threading.local()
        self._adding = threading.Lock()
        for name in dir(type(callback)):
            # Keras dispatches batches asynchronously where their hooks are its own: those stay so.
            if name.startswith("on_") and not hasattr(getattr(callback, name), "_is_default"):
                setattr(callback, name, self._timed(getattr(callback, name)))

    def _timed(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> None:
            here = self._on_this_thread
            if getattr(here, "in_hook", False):
                hook(*args, **kwargs)
                return
            here.in_hook = True
            trains = threading.get_ident() == self._trains
            clock = time.perf_counter if trains else time.thread_time
            before = clock()
            try:
                hook(*args, **kwargs)
            finally:
                took = clock() - before
                here.in_hook = False
                if trains:
                    self.spent += took
                else:
                    with self._adding:
                        self.beside += took

        return timed
