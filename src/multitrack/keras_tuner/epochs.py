"""Collect the epochs of one execution of a trial, and find the best one and its metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras

from multitrack.inputs.values import Number, to_number
from multitrack.keras.numbers import numbers_in
from multitrack.keras_tuner import internals


class _Epoch(NamedTuple):
    epoch: int
    step: int
    value: Number | None


class Epochs:
    """Collects the epochs that are recorded into the run of one execution.

    KerasTuner takes the score from the result of ``HyperModel.fit``, which may be anything. For a ``History`` the best
    epoch is the one that KerasTuner takes. Otherwise it is the epoch with the best value of the objective, even if the
    score is a number that no epoch had.

    Args:
        objective: The objective of the search.

    Attributes:
        fits: The epochs of each fit, by the fit's number.
    """

    def __init__(self, objective: Any) -> None:
        self.fits: dict[int, list[_Epoch]] = {}
        self._objective = objective
        self._best: Number | None = None
        self._numbers: dict[str, Number] = {}

    def __call__(self, fit: int, epoch: int, step: int, logs: Mapping[str, Any]) -> None:
        """Add an ended epoch."""
        value = self._value(logs)
        self.fits.setdefault(fit, []).append(_Epoch(epoch, step, value))
        if value is not None and (self._best is None or self._objective.better_than(value, self._best)):
            self._best, self._numbers = value, numbers_in(logs)[0]

    def best(self, result: Any = None) -> list[int]:
        """Return the step of the best epoch over all fits, or of each fit if the result is a list of the same length.

        Args:
            result: The result of ``HyperModel.fit``.

        Returns:
            An empty list if the objective was not in the logs.
        """
        if isinstance(result, keras.callbacks.History):
            return self._of_history(result)
        if isinstance(result, list) and all(isinstance(each, keras.callbacks.History) for each in result):
            return [step for each in result for step in self._of_history(each)]
        fits = [fit for fit in self.fits.values() if any(epoch.value is not None for epoch in fit)]
        several = isinstance(result, list) and len(result) == len(fits)
        groups = fits if several else [[epoch for fit in fits for epoch in fit]]
        found = [self._best_of(group) for group in groups]
        return [step for step in found if step is not None]

    def at_best(self, result: Any) -> dict[str, Any]:
        """Return the metrics of the best epoch, updated with those KerasTuner reads from the result, and the ``score``.

        Raises:
            Exception: KerasTuner cannot read the result.
        """
        objective = self._objective
        scored = internals.metrics_of([result], objective)  # averaged, as KerasTuner does later
        if isinstance(result, keras.callbacks.History):
            found = dict(internals.metrics_of(result, objective))
        else:
            found = {**self._numbers, **scored}
        return {**found, "score": scored[objective.name]} if objective.name in scored else found

    def _of_history(self, history: Any) -> list[int]:
        try:
            index = internals.best_index(history, self._objective)
            epochs = [int(epoch) for epoch in history.epoch]
            told = [
                self._value({name: found[i] for name, found in history.history.items()}) for i in range(len(epochs))
            ]
        except Exception:  # noqa: BLE001 - such as no val_loss: KerasTuner reads it next, and raises
            return []
        if index >= len(epochs):
            return []
        # The run's steps go on over several fits, so the fit of this history is looked up: the last one that matches.
        alike = [fit for fit in self.fits.values() if [epoch.epoch for epoch in fit] == epochs]
        equal = [fit for fit in alike if [epoch.value for epoch in fit] == told]
        found = equal or alike
        return [found[-1][index].step if found else epochs[index]]

    def _best_of(self, epochs: list[_Epoch]) -> int | None:
        best: _Epoch | None = None
        for epoch in epochs:
            if epoch.value is not None and (best is None or self._objective.better_than(epoch.value, best.value)):
                best = epoch
        return None if best is None else best.step

    def _value(self, logs: Mapping[str, Any]) -> Number | None:
        """Return the objective's value, or ``None`` if it is missing or not comparable."""
        try:
            if not self._objective.has_value(logs):
                return None
            value = to_number(self._objective.get_value(logs), "objective")
        except Exception:  # noqa: BLE001 - an array, or a custom objective: KerasTuner raises itself
            return None
        return None if math.isnan(value) else value
