"""Merge the histories of many metrics into one, in the order of their times."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from multitrack.records import Metric


class Point(NamedTuple):
    """A point of a series.

    Attributes:
        time: Milliseconds since the epoch.
        step: Its step.
        name: The metric.
        value: Its value.
    """

    time: int
    step: int
    name: str
    value: int | float


def merge_points(histories: Iterable[Iterable[Point]]) -> Iterator[Metric]:
    """Merge histories, each of one metric and in the order of its times; points of one call become one record.

    Holds one point of each history in memory.
    """
    values: dict[str, int | float | str] = {}
    time = step = 0
    for point in heapq.merge(*histories, key=lambda point: point[:2]):
        if values and (point.time != time or point.step != step or point.name in values):
            yield Metric(time=time, values=values, step=step)
            values = {}
        time, step = point.time, point.step
        values[point.name] = point.value
    if values:
        yield Metric(time=time, values=values, step=step)
