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

#: Points remembered to tell repeats; a repeat has the same millisecond, so it is never far behind.
WINDOW: Final = 1 << 16

LARGEST: Final = sys.float_info.max


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
        self._seen: dict[tuple[str, int, object], int] = {}

    def resolve(self, record: Record, ordinal: int) -> Record:
        """The record with its derived fields; it must not have been resolved before."""
        force_setattr(record, "ordinal", ordinal)
        if type(record) is Metric:
            if record.step is None:
                force_setattr(record, "earlier", {key: self._count(key) for key in record.values})
                force_setattr(record, "beside", frozenset(key for key in record.values if key in self._series))
            else:
                self._series.update(record.values)
                self._part_repeats(record, record.step)
        elif type(record) is ListMetric:
            self._series.add(record.name)
            index = self._lengths.get(record.name, 0)
            force_setattr(record, "index", index)
            self._lengths[record.name] = index + len(record.values)
        elif type(record) is Lines:
            force_setattr(record, "index", self._lines)
            self._lines += len(record.lines)
        return record

    def _count(self, key: str) -> int:
        earlier = self._written.get(key, 0)
        self._written[key] = earlier + 1
        return earlier

    def _part_repeats(self, record: Metric, step: int) -> None:
        seen = self._seen
        time = record.time
        points = [(key, step, as_double(value)) for key, value in record.numbers.items()]
        for point in points:
            last = seen.get(point)
            if last is not None and last >= time:
                time = last + 1
        for point in points:
            seen[point] = time
        if time != record.time:
            force_setattr(record, "time", time)
        if len(seen) > WINDOW:
            newest = sorted(seen.items(), key=lambda item: item[1])[WINDOW // 2 :]
            self._seen = dict(newest)


def as_double(value: float) -> float | None:
    """The finite double that a tracker without infinities and exact integers makes of a number; ``None`` of a NaN."""
    if value != value:
        return None
    try:
        return min(max(float(value), -LARGEST), LARGEST)
    except OverflowError:
        return LARGEST if value > 0 else -LARGEST
