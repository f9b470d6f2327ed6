"""Derive ordinals, indexes and repeats from the earlier records.

These fields are not in the journal, because forked processes write segments of their own without knowing
each other's counts. They depend only on the journal and its one order, so every reader and every
redelivery derives the same values.
"""

from __future__ import annotations

import sys
from typing import Final

from msgspec.structs import force_setattr

from multitrack.records import Compacted, Lines, ListMetric, Metric, Record

#: Maximum number of points remembered to detect repeats. A repeat has the same millisecond, so it comes soon after.
WINDOW: Final = 1 << 14

LARGEST: Final = sys.float_info.max

_Point = tuple[str, int, float | None]


class Resolver:
    """Fills in the fields that are not on disk, and makes repeated points distinct.

    MLflow identifies a point by (key, step, ms, value) and merges equal ones, with values as doubles. If all four
    repeat, the later record's time is moved on by a millisecond. That is done here, so that every tracker gets the
    same times.
    """

    def __init__(self) -> None:
        self._lengths: dict[str, int] = {}
        self._series: set[str] = set()
        self._lines = 0
        self._written: dict[str, int] = {}
        # The time of each point, in two generations. Dropping the older one at once costs nothing. The number is
        # limited, because every lane holds its own.
        self._newer: dict[_Point, int] = {}
        self._older: dict[_Point, int] = {}

    def resolve(self, record: Record, ordinal: int) -> None:
        """Fill in the derived fields of a record that has not been resolved yet."""
        force_setattr(record, "ordinal", ordinal)
        if type(record) is Metric:
            if record.step is None:
                self._count(record)
            else:
                self._series.update(record.values)
                self._part_repeats(record, record.step)
        elif type(record) is Lines:
            force_setattr(record, "index", self._lines)
            self._lines += len(record.lines)
        elif type(record) is ListMetric:
            self._series.add(record.name)
            index = self._lengths.get(record.name, 0)
            force_setattr(record, "index", index)
            self._lengths[record.name] = index + len(record.values)
        elif type(record) is Compacted:
            self._lines += record.lines
            for key, digest in record.metrics.items():
                self._written[key] = self._written.get(key, 0) + digest.count

    def _count(self, record: Metric) -> None:
        written = self._written
        earlier = {}
        for key in record.values:
            earlier[key] = count = written.get(key, 0)
            written[key] = count + 1
        force_setattr(record, "earlier", earlier)
        if beside := self._series.intersection(record.values):
            force_setattr(record, "beside", frozenset(beside))

    def _part_repeats(self, record: Metric, step: int) -> None:
        newer, older = self._newer, self._older
        time = record.time
        for key, value in record.numbers.items():
            point = key, step, value if type(value) is float and -LARGEST <= value <= LARGEST else as_double(value)
            last = newer.get(point)
            if last is None:
                last = older.get(point)
            if last is not None and last >= time:
                time = last + 1
            newer[point] = time
        if time != record.time:
            for key, value in record.numbers.items():  # also the points before the one that moved the time
                newer[key, step, as_double(value)] = time
            force_setattr(record, "time", time)
        if len(newer) > WINDOW // 2:
            self._older, self._newer = newer, {}


def as_double(value: float) -> float | None:
    """Convert a number as a tracker without infinities and big integers does: to a finite double, or None for NaN."""
    if value != value:
        return None
    try:
        return min(max(float(value), -LARGEST), LARGEST)
    except OverflowError:
        return LARGEST if value > 0 else -LARGEST
