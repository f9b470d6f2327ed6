"""``run.summary``: simple metrics, beside the last values of the history."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from multitrack.compat.numbers import number_of
from multitrack.compat.omissions import Omissions
from multitrack.compat.wandb.named_values import NamedValues
from multitrack.recording.run import Run

#: What ``define_metric(summary=…)`` may ask for.
OPERATIONS: Final = ("min", "max", "mean", "first", "last", "best", "copy", "none")


class Summary(NamedValues):
    """The summary of a run, by attributes and items.

    Args:
        run: The run to record into.
        omissions: Counts what cannot be recorded.
        values: The summary of a run that is continued.
    """

    _kind = "summary"
    _rules: dict[str, tuple[list[str], str]]
    _figures: dict[str, tuple[float, float, float, float, int]]

    def __init__(self, run: Run, omissions: Omissions, values: Mapping[str, Any]) -> None:
        super().__init__(run, omissions, values, _rules={}, _figures={})

    def update(self, d: Mapping[str, Any] | None = None, **values: Any) -> None:
        """Set several values: numbers become simple metrics, texts tags ``summary/<name>``."""
        given = {**(d or {}), **values}
        self._values.update(given)
        with self._omissions.attempt("summary"):
            numbers, texts = {}, {}
            for key, value in flat(given):
                number = number_of(value)
                if number is not None:
                    numbers[key] = number
                elif isinstance(value, str):
                    texts[f"summary/{key}"] = value
                else:
                    self._omissions.leave_out("summary", f"it has numbers and texts, not {type(value).__qualname__}")
            if numbers:
                self._run.log_metrics(numbers)
            if texts:
                self._run.set_tags(texts)

    def define(self, name: str, operations: list[str], goal: str) -> None:
        """Note what the summary has of a metric, or of those that match a pattern."""
        self._rules[name] = operations, goal

    def observe(self, numbers: Mapping[str, float]) -> None:
        """Note a row of the history."""
        for name, value in numbers.items():
            operations, goal = self._rule(name)
            if not operations or "copy" in operations:
                self._values[name] = value
            if operations:
                low, high, total, first, count = self._figures.get(name, (math.inf, -math.inf, 0.0, value, 0))
                self._figures[name] = min(low, value), max(high, value), total + value, first, count + 1
                kept = {each: self._figure(name, each, goal, value) for each in operations if each in OPERATIONS[:6]}
                if kept:
                    self._values[name] = kept

    def close(self) -> None:
        """Record the figures that ``define_metric`` asked for, as simple metrics such as ``loss.min``."""
        figures = {
            f"{name}.{operation}": value
            for name in self._figures
            if isinstance(kept := self._values.get(name), dict)
            for operation, value in kept.items()
        }
        if figures:
            with self._omissions.attempt("define_metric"):
                self._run.log_metrics(figures)
        self._figures.clear()

    def _rule(self, name: str) -> tuple[list[str], str]:
        exact = self._rules.get(name)
        if exact is not None or not self._rules:
            return exact or ([], "")
        return next((rule for pattern, rule in self._rules.items() if fnmatch.fnmatchcase(name, pattern)), ([], ""))

    def _figure(self, name: str, operation: str, goal: str, value: float) -> float:
        low, high, total, first, count = self._figures[name]
        best = high if goal == "maximize" else low
        return {"min": low, "max": high, "mean": total / count, "first": first, "last": value, "best": best}[operation]


def flat(row: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a row by key, nested ones as ``a.b``, as W&B names them."""
    for key, value in row.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
