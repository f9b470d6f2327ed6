"""The points of metrics in a journal, as MLflow has them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final

from multitrack.journal.cursor import Cursor
from multitrack.journal.encoding import decode_or_none
from multitrack.journal.segments import FORKED_LIMIT, host_name, segment_path
from multitrack.records import ListMetric, Metric, Record, Segment, number_of
from multitrack_mlflow.values import double

#: A point as MLflow orders them: step, time, value.
Point = tuple[int, int, float]

#: Seconds between looks for the end of a fork.
_PAUSE: Final = 0.001


class Points:
    """Converts records to points; a simple metric's have the step 0, a list metric's their index in the list.

    The records are those on disk: with the derived fields of other readers, equal points have different times.
    """

    def __init__(self) -> None:
        self._lengths: dict[str, int] = {}

    def of(self, record: Record) -> Iterator[tuple[str, Point]]:
        """The points of one record, with the names of their metrics."""
        if isinstance(record, Metric):
            for name, value in record.values.items():
                yield name, (record.step or 0, record.time, double(number_of(value)))
        elif isinstance(record, ListMetric):
            start = self._lengths.get(record.name, 0)
            self._lengths[record.name] = start + len(record.values)
            for i, value in enumerate(record.values, start):
                yield record.name, (i, record.time, double(number_of(value)))


def read_on(cursor: Cursor) -> Iterator[Record]:
    """Read all records that are there, those that this process has just written included.

    A program that this process starts also has its locks, for the moment until it is executed. To a cursor, a segment
    that this process has closed seems open in that moment, so that it does not go on to the next one.
    """
    deadline = time.monotonic() + FORKED_LIMIT
    while True:
        while stretch := cursor.read():
            yield from stretch
        if not _goes_on_here(cursor) or time.monotonic() > deadline:
            return
        time.sleep(_PAUSE)


def _goes_on_here(cursor: Cursor) -> bool:
    """Return True if this process has written the next segment."""
    try:
        with segment_path(cursor.directory, cursor.segment + 1).open("rb") as file:
            first = decode_or_none(file.readline())
    except OSError:
        return False
    return isinstance(first, Segment) and first.pid == os.getpid() and first.host == host_name()
