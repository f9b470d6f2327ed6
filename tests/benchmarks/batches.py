"""What recording every batch takes in its hook: the median of a fit's batches, each after a training step.

The model and the data are those of the group ``training``, whose share of a fit says the same less exactly.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import bench
from bench import Case, Figures, Group, Results

NAMES = {"tensorflow": "TensorFlow", "jax": "JAX"}
BY_HAND = "by hand: `json.dumps` and `write` of the logs"
ROWS = ("every batch", "beside a callback that has a batch hook", "the learning rate is a schedule")


def measured(row: str) -> Callable[[float], Figures]:
    """A case: the hook of batches in the second epoch, when nothing is new any more."""

    def run(scale: float) -> Figures:
        from fits import model_and_data

        keras: Any = importlib.import_module("keras")
        model, x, y = model_and_data("small")
        if row == ROWS[2]:
            schedule = keras.optimizers.schedules.CosineDecay(1e-3, 1000)
            model.compile(keras.optimizers.Adam(schedule), model.loss, metrics=["accuracy"])
        took: list[int] = []
        epochs = max(2, int(5 * scale))

        def timed(hook: Callable[..., object]) -> Callable[..., None]:
            def call(*args: Any, **kwargs: Any) -> None:
                begun = time.perf_counter_ns()
                hook(*args, **kwargs)
                took.append(time.perf_counter_ns() - begun)

            return call

        class Other(keras.callbacks.Callback):  # type: ignore[misc]
            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                pass

        if row == BY_HAND:
            callback = Other()
            file = os.open("lines", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            callback.on_train_batch_end = timed(
                lambda batch, logs: os.write(file, json.dumps({"step": batch, **logs}).encode() + b"\n")
            )
            model.fit(x, y, batch_size=128, epochs=epochs, verbose=0, callbacks=[callback])
        else:
            import multitrack
            from multitrack.keras import TrackingCallback

            with multitrack.start_run("bench", config=bench.quiet_courier(), backends=[]) as tracked:
                callback = TrackingCallback(tracked, 1)
                callback.on_train_batch_end = timed(callback.on_train_batch_end)
                callbacks = [callback, *([Other()] if row == ROWS[1] else [])]
                model.fit(x, y, batch_size=128, epochs=epochs, verbose=0, callbacks=callbacks)
        assert len(took) == len(x) // 128 * epochs
        return {"hook": statistics.median(took[len(took) // epochs :]) / 1e9}

    return run


def case(backend: str, row: str) -> Case:
    return Case(
        f"{row}, {NAMES[backend]}",
        measured(row),
        environment={"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )


CASES = [case(backend, row) for backend in NAMES for row in (*ROWS, BY_HAND)]


def page(results: Results) -> str:
    lines = ["| what each batch records | TensorFlow, µs | JAX, µs |", "|---|---|---|"]
    for row in (*ROWS, BY_HAND):
        names = [case(backend, row).name for backend in NAMES]
        cells = [results.spread(name, "hook", 1e6, ".0f") if name in results else "" for name in names]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


GROUP = Group("batches", CASES, page, rounds=5)
