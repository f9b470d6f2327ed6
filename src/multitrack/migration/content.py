"""The content of a run in a form that can be compared, whether it comes from a journal or from a tracker."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Record, Tags, typed_params
from multitrack.sources.source import Gap

#: Beyond this, a double does not hold every integer.
_EXACT: Final = 2**53


class Series:
    """The points of a series or list metric: 24 bytes each, and integers that no double holds beside."""

    def __init__(self) -> None:
        self.times = array("q")
        self.steps = array("q")
        self.values = array("d")
        self.exact: dict[int, int] = {}  # by the index of the point

    def add(self, time: int, step: int, value: float) -> None:
        """Add a point."""
        if isinstance(value, int) and abs(value) > _EXACT:
            self.exact[len(self.values)] = value
        self.times.append(time)
        self.steps.append(step)
        self.values.append(_double(value))

    def points(self) -> list[tuple[int, int, float]]:
        """The points as time, step and value, sorted: trackers give other orders than that of the calls."""
        points: Iterable[tuple[int, int, float]] = zip(self.times, self.steps, self.values, strict=True)
        if self.exact:
            points = [(time, step, self.exact.get(index, value)) for index, (time, step, value) in enumerate(points)]
        return sorted(points, key=lambda point: (point[0], point[1], point[2] != point[2], point[2]))

    def last(self) -> int | float:
        """The value that was written last."""
        index = len(self.values) - 1
        return self.exact.get(index, self.values[index])


class Content:
    """All that a run holds.

    Attributes:
        params: Params as Python values.
        tags: The last value of each tag.
        simple: The last value of each simple metric.
        writes: The number of values that each simple metric had.
        series: The points of each series, and of each list metric with the index as the step.
        lines: Text and time of each line.
        artifacts: The last reference of each name: URI, kind, role, digest, version and size.
        gaps: What the tracker's reader could not read.
    """

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.tags: dict[str, str] = {}
        self.simple: dict[str, int | float] = {}
        self.writes: Counter[str] = Counter()
        self.series: dict[str, Series] = {}
        self.lines: list[tuple[str, int]] = []
        self.artifacts: dict[str, tuple[Any, ...]] = {}
        self.gaps: list[str] = []
        self._list_ends: dict[str, int] = {}

    def add(self, record: Record | Gap) -> None:
        """Add a record; those that are not delivered change nothing."""
        if isinstance(record, Metric):
            self._add_metric(record)
        elif isinstance(record, ListMetric):
            begin = max(record.index, self._list_ends.get(record.name, 0))  # a source may know it, and lack numbers
            series = self.series.setdefault(record.name, Series())
            for step, value in enumerate(record.numbers, begin):
                series.add(record.time, step, value)
            self._list_ends[record.name] = begin + len(record.values)
        elif isinstance(record, Params):
            self.params |= typed_params(record)
        elif isinstance(record, Tags):
            self.tags |= record.values
        elif isinstance(record, Lines):
            self.lines += [(line, record.time) for line in record.lines]
        elif isinstance(record, ArtifactRef):
            facts = record.uri, record.kind, record.role, record.digest, record.version, record.size
            self.artifacts[record.name] = facts
        elif isinstance(record, Gap):
            self.gaps.append(record.reason)

    def _add_metric(self, record: Metric) -> None:
        for name, value in record.numbers.items():
            if record.step is None:
                self.simple[name] = value
                self.writes[name] += 1
            else:
                series = self.series.get(name)
                if series is None:
                    series = self.series[name] = Series()
                series.add(record.time, record.step, value)


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
