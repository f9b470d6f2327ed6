"""Collect the curves and log lines that the page of a run shows, in one pass and with constant memory."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from multitrack.records import Lines, ListMetric, Metric
from multitrack.summaries.downsample import Thinner
from multitrack.summaries.statistics import STRETCH, RunningStatistics

#: Maximum number of characters of a log line in a page; ``multitrack logs`` prints all.
LINE: Final = 2000
_FIRST_LINES: Final = 200
#: Terminal escape sequences for colours, cursor moves, titles and links.
_CONTROLS: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


class DrawnCurve:
    """One series or list: its statistics, and its thinned points."""

    def __init__(self, points: int) -> None:
        self.statistics = RunningStatistics()
        self.thinner = Thinner(points)
        self.steps: list[int] = []
        self.times: list[int] = []
        self.values: list[int | float] = []

    def add(self, step: int, time: int, value: float) -> None:
        """Add a point of a series."""
        self.steps.append(step)
        self.times.append(time)
        self.values.append(value)
        if len(self.values) >= STRETCH:
            self.settle()

    def extend(self, time: int, values: Sequence[int | float]) -> None:
        """Add the next numbers of a list."""
        start = self.thinner.count + len(self.values)
        self.steps += range(start, start + len(values))
        self.times += [time] * len(values)
        self.values += values
        if len(self.values) >= STRETCH:
            self.settle()

    def settle(self) -> None:
        """Count and thin the points gathered so far."""
        self.statistics.waiting = self.values[:]
        self.statistics.count()
        self.thinner.extend(self.steps, self.times, self.values)
        self.steps, self.times, self.values = [], [], []


class Drawn:
    """A collector of the curves and log lines that the page shows.

    Args:
        points: Maximum number of points per curve.
        lines: Maximum number of log lines.
    """

    def __init__(self, points: int, lines: int) -> None:
        self._points = points
        self.series: dict[str, DrawnCurve] = {}
        self.lists: dict[str, DrawnCurve] = {}
        self._head_most = min(_FIRST_LINES, lines // 2)
        self.head: list[tuple[int, str, str]] = []
        self.tail: deque[tuple[int, str, str]] = deque(maxlen=max(0, lines - self._head_most))

    def add_points(self, records: Sequence[Metric]) -> None:
        """Add the points of series."""
        series = self.series
        for record in records:
            step: Any = record.step
            for name, value in record.numbers.items():
                curve = series.get(name)
                if curve is None:
                    curve = series[name] = DrawnCurve(self._points)
                curve.add(step, record.time, value)

    def add_list(self, record: ListMetric) -> None:
        """Add the numbers of a list."""
        if record.name not in self.lists:
            self.lists[record.name] = DrawnCurve(self._points)
        self.lists[record.name].extend(record.time, record.numbers)

    def add_lines(self, record: Lines) -> None:
        """Add log lines; those between the first and the last are dropped."""
        for text in record.lines:
            text = _as_seen(text)
            cut = text if len(text) <= LINE else f"{text[:LINE]}… ({len(text)} characters)"
            line = (record.time, record.stream, cut)
            if len(self.head) < self._head_most:
                self.head.append(line)
            else:
                self.tail.append(line)

    def settle(self) -> None:
        """Count and thin the points gathered so far."""
        for curve in (*self.series.values(), *self.lists.values()):
            curve.settle()


def _as_seen(text: str) -> str:
    """Return a line as a terminal shows it: without escape sequences, and with the last state of a progress bar."""
    if "\x1b" in text:
        text = _CONTROLS.sub("", text)
    return next((part for part in reversed(text.split("\r")) if part), "") if "\r" in text else text
