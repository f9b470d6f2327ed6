"""How fast an epoch trains: its batches by the seconds they took, validation left out.

Keras tells callbacks neither the number of batches an epoch really had nor the data. Where it knows the length of an
epoch beforehand that counts, unless the optimizer has seen clearly less; where it does not, the optimizer's count.
"""

from __future__ import annotations

import time
from typing import Any

import keras

from multitrack.keras import model as models


class Throughput:
    """Measures the epochs of one fit.

    Args:
        model: The model as the first epoch begins.
        steps: Batches an epoch, where Keras knows them.
        samples: How many an epoch trains on, where the user says.
    """

    def __init__(self, model: Any, steps: int | None, samples: int | None) -> None:
        self._steps = steps
        self._samples = samples
        self._accumulated = getattr(models.optimizer_of(model), "gradient_accumulation_steps", None) or 1
        # On TensorFlow the end of the data is a batch to the optimizer, where it is found by reading beyond it.
        self._too_many = int(
            steps is None and models.steps_at_once(model) == 1 and keras.backend.backend() == "tensorflow"
        )
        self._trained = models.batches_trained(model)
        self._began = time.perf_counter()
        self._speeds: dict[str, float] | None = None

    def begin_epoch(self) -> None:
        """An epoch begins."""
        self._began = time.perf_counter()
        self._speeds = None

    def training_ended(self, model: Any) -> dict[str, float]:
        """The epoch's batches are trained: its validation begins, or the epoch ends; only the first call measures.

        Reading the optimizer's count also waits for batches that JAX has only been told to compute.

        Returns:
            ``steps_per_second``, and ``samples_per_second`` where the samples are known.
        """
        if self._speeds is None:
            before, self._trained = self._trained, models.batches_trained(model)
            seconds = time.perf_counter() - self._began
            batches = self._batches(self._trained - before) if seconds > 0 else 0
            self._speeds = {"steps_per_second": batches / seconds} if batches else {}
            if self._samples is not None and batches and self._steps in (None, batches):
                self._speeds["samples_per_second"] = self._samples / seconds
        return self._speeds

    def _batches(self, counted: int) -> int:
        if self._steps is None:
            return max(counted - self._too_many, 0)
        # The optimizer's count moves by whole accumulations, or not at all where the model has an update of its own.
        cut_short = 0 < counted <= self._steps - self._accumulated
        return counted if cut_short else self._steps
