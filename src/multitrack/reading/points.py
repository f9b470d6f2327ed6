"""Select the points, list metrics and log lines of a run from its records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from multitrack.records import Lines, ListMetric, Metric, Mistake, Record


class Point(msgspec.Struct, frozen=True):
    """One point of a series: its step, its value, and its time (ms since the epoch)."""

    step: int
    value: float
    time: int


class Line(msgspec.Struct, frozen=True):
    """One line of text, its stream (``stdout``, ``stderr`` or ``log``), and its time (ms since the epoch)."""

    time: int
    stream: str
    text: str


def points_in(records: Iterable[Record], name: str | None = None) -> dict[str, list[Point]]:
    """The points of each series by name, or of only the named one, in the order of the records."""
    series: dict[str, list[Point]] = {}
    for record in records:
        if isinstance(record, Metric) and record.step is not None:
            for key, value in record.numbers.items():
                if name is None or key == name:
                    series.setdefault(key, []).append(Point(record.step, value, record.time))
    return series


def lists_in(records: Iterable[Record], name: str | None = None) -> dict[str, list[float]]:
    """The numbers of each list metric by name, or of only the named one."""
    lists: dict[str, list[float]] = {}
    for record in records:
        if isinstance(record, ListMetric) and name in (None, record.name):
            lists.setdefault(record.name, []).extend(record.numbers)
    return lists


def lines_in(records: Iterable[Lines], from_time: int | None, to_time: int | None, limit: int | None) -> Iterator[Line]:
    """Yield the lines between two times (ms, both included), at most ``limit`` of them."""
    left = limit
    for record in records:
        if (from_time is not None and record.time < from_time) or (to_time is not None and record.time > to_time):
            continue
        for text in record.lines:
            if left == 0:
                return
            yield Line(record.time, record.stream, text)
            left = None if left is None else left - 1


def mistakes_in(records: Iterable[Record]) -> Counter[tuple[str, str]]:
    """The number of invalid calls that were set aside, by call and reason."""
    found = (record for record in records if isinstance(record, Mistake) and not record.is_gap)
    return Counter((record.call, record.reason) for record in found)


def gaps_in(records: Iterable[Record]) -> list[str]:
    """What an import could not bring exactly, in sentences."""
    return [record.reason for record in records if isinstance(record, Mistake) and record.is_gap]
