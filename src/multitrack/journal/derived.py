"""What follows from the records before: ordinals, indexes, repeats.

None of this stands in the journal, because forked processes write segments of their own without knowing
each other's counts. It is decided from the journal alone, in its one order, so every reader and every
redelivery decides the same.
"""

from __future__ import annotations

import sys
from typing import Final

from msgspec.structs import force_setattr

from multitrack.records import Lines, ListMetric, Metric, Record

#: Points remembered to tell repeats, at least half of it; a repeat has the same millisecond, so it is never far behind.
WINDOW: Final = 1 << 14

LARGEST: Final = sys.float_info.max

_Point = tuple[str, int, float | None]


class Resolver:
    """Fills in the fields that do not stand on disk, and tells true repeats of a point apart.

    MLflow keeps a point under (key, step, ms, value) and merges equal ones. Where all four repeat as the doubles that
    it keeps, the later record's time moves on by a millisecond, here, so that every tracker sees the same times.
    """

    def __init__(self) -> None:
        self._lengths: dict[str, int] = {}
        self._series: set[str] = set()
        self._lines = 0
        self._written: dict[str, int] = {}
        # The time of each point: those met last, and those before them. Dropping the older half at once costs nothing,
        # and every lane holds them, so there are not many.
        self._newer: dict[_Point, int] = {}
        self._older: dict[_Point, int] = {}

    def resolve(self, record: Record, ordinal: int) -> None:
        """Fill in a record's derived fields; it must not have been resolved before."""
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
            for key, value in record.numbers.items():  # those before the one that moved
                newer[key, step, as_double(value)] = time
            force_setattr(record, "time", time)
        if len(newer) > WINDOW // 2:
            self._older, self._newer = newer, {}


def as_double(value: float) -> float | None:
    """The finite double that a tracker without infinities and exact integers makes of a number; ``None`` of a NaN."""
    if value != value:
        return None
    try:
        return min(max(float(value), -LARGEST), LARGEST)
    except OverflowError:
        return LARGEST if value > 0 else -LARGEST
