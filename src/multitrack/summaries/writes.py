"""Read every value of a metric with its time: each write of a simple metric, each point, each number of a list.

A summary keeps the last write of a simple metric, as trackers do. The journal has them all.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, cast

from multitrack.journal import encoding
from multitrack.journal.segments import segment_path
from multitrack.records import Compacted, Digest, ListMetric, Metric, Tags, number_from_text
from multitrack.summaries.doubles import Number, as_double
from multitrack.summaries.series import decode_lines, with_part

#: Bytes of the journal decoded at a time.
_STRETCH: Final = 1 << 18
#: About the year 9000, in ms: later times, which only a damaged journal has, are left out.
_LATEST: Final = 221_845_000_000_000


class DigestWindow(NamedTuple):
    """Figures of values, between two times (ms since the epoch, both included)."""

    since: int
    until: int
    digest: Digest


class Writes:
    """The values of one metric of a run, in the order of their times; as arrays, 16 bytes a value.

    Attributes:
        times: The time of each value (ms since the epoch).
        values: The values as doubles; NaN and ±inf are kept.
        windows: Figures of values that were compacted.
    """

    def __init__(self) -> None:
        self.times = array("q")
        self.values = array("d")
        self.windows: list[DigestWindow] = []
        self._in_order = True

    def __bool__(self) -> bool:
        return bool(self.times or self.windows)

    def extend(self, times: list[int], values: Sequence[Number]) -> None:
        """Add values, usually later ones."""
        ordered = sorted(times)
        if ordered[0] < 0 or ordered[-1] > _LATEST:
            kept = [(time, value) for time, value in zip(times, values, strict=True) if 0 <= time <= _LATEST]
            if not kept:
                return
            times, values = [time for time, _ in kept], [value for _, value in kept]
            ordered = sorted(times)
        if times != ordered or (self.times and times[0] < self.times[-1]):
            self._in_order = False
        self.times.extend(times)
        try:
            self.values.extend(array("d", values))
        except OverflowError:  # an integer beyond the range of doubles
            self.values.extend(map(as_double, values))

    def put_in_order(self) -> None:
        """Sort by time, which only the segments of forked processes need: they overlap."""
        if not self._in_order:
            places = sorted(range(len(self.times)), key=self.times.__getitem__)
            self.times = array("q", map(self.times.__getitem__, places))
            self.values = array("d", map(self.values.__getitem__, places))
            self._in_order = True
        self.windows.sort(key=lambda window: window.since)


class WriteReader:
    """Reads the values of a run's metrics, and continues as the run grows.

    All segments are read, also while their writers live: the workers of a service each write one.

    Args:
        directory: The run's directory.
        name: The metric to keep; default: all.
        since: The time (ms) before which values are not needed; a few of them may be returned.

    Attributes:
        tags: The run's tags.
    """

    def __init__(self, directory: Path, name: str | None = None, since: int | None = None) -> None:
        self.tags: dict[str, str] = {}
        self._directory = directory
        self._name = name
        self._since = since
        self._offsets: list[int] = []  # of each segment, the bytes that were read
        self._files: list[int] = []  # their inodes: compaction replaces the file of a segment
        self._parts: dict[int, list[ListMetric]] = {}  # of a call that was too long for a line, by segment
        self._simple: dict[str, Writes] = {}
        self._series: dict[str, Writes] = {}
        self._lists: dict[str, Writes] = {}

    def read_on(self) -> bool:
        """Read the new lines; return True if there were any."""
        new = False
        for number in range(1, 1 << 31):
            path = segment_path(self._directory, number)
            try:
                file = path.open("rb")
            except FileNotFoundError:
                break
            if number > len(self._offsets):
                self._offsets.append(0)
                self._files.append(os.fstat(file.fileno()).st_ino)
            with file:
                if self._files[number - 1] != os.fstat(file.fileno()).st_ino:
                    self._begin_anew()
                    return self.read_on()
                file.seek(self._offsets[number - 1])
                while lines := file.read(_STRETCH):
                    lines += file.readline()
                    whole = lines.rfind(b"\n") + 1
                    if whole:
                        self._offsets[number - 1] += whole
                        if not self._is_earlier(lines[:whole]):
                            self._add(lines[:whole], number)
                        new = True
                    if whole < len(lines):
                        break  # the last line is being written
        for found in (self._simple, self._series, self._lists):
            for writes in found.values():
                writes.put_in_order()
        return new

    def _begin_anew(self) -> None:
        self._offsets, self._files, self._parts = [], [], {}
        self._simple, self._series, self._lists = {}, {}, {}

    def names(self) -> list[str]:
        """The metrics that have values."""
        return list({**self._series, **self._lists, **self._simple})

    def writes(self, name: str) -> Writes:
        """The values of a metric. A simple metric beside a series is its summary, and no value of it."""
        return self._series.get(name) or self._lists.get(name) or self._simple.get(name) or Writes()

    def _is_earlier(self, lines: bytes) -> bool:
        """Return True if lines have no value that is needed, and no tags: times never decrease within a segment.

        Of a service that has run for months, the last hour is then read as fast as the disk allows.
        """
        if self._since is None or b'"tags"' in lines:
            return False
        last = encoding.decode_or_none(lines[lines.rfind(b"\n", 0, -1) + 1 :])
        return last is not None and last.time < self._since

    def _add(self, lines: bytes, segment: int) -> None:
        records = decode_lines(encoding.decoder(), lines)
        metrics = [record for record in records if type(record) is Metric]
        for held, some in (
            (self._simple, [record for record in metrics if record.step is None]),
            (self._series, [record for record in metrics if record.step is not None]),
        ):
            if some:
                self._add_metrics(held, some)
        if len(metrics) < len(records):
            for record in records:
                if type(record) is ListMetric:
                    self._add_list(record, segment)
                elif type(record) is Compacted:
                    self._add_windows(record)
                elif type(record) is Tags:
                    self.tags.update(record.values)

    def _add_metrics(self, held: dict[str, Writes], records: list[Metric]) -> None:
        found: dict[str, tuple[list[int], list[float | str]]] = {}
        if (name := self._name) is not None:  # without a loop in Python: half the time for millions of values
            records = [record for record in records if name in record.values]
            found[name] = [record.time for record in records], [record.values[name] for record in records]
        else:
            for record in records:
                for name, value in record.values.items():
                    pair = found.get(name)
                    if pair is None:
                        pair = found[name] = ([], [])
                    pair[0].append(record.time)
                    pair[1].append(value)
        for name, (times, values) in found.items():
            _extend(held, name, times, values)

    def _add_windows(self, record: Compacted) -> None:
        for name, digest in record.metrics.items():
            if self._name in (None, name):
                window = DigestWindow(record.since, record.time, digest)
                self._simple.setdefault(name, Writes()).windows.append(window)

    def _add_list(self, record: ListMetric, segment: int) -> None:
        parts = self._parts[segment] = with_part(self._parts.get(segment, []), record)
        if not parts or record.part < record.parts:
            return
        del self._parts[segment]
        for part in parts if self._name in (None, record.name) else ():
            _extend(self._lists, record.name, [part.time] * len(part.values), part.values)


def _extend(held: dict[str, Writes], name: str, times: list[int], values: list[float | str]) -> None:
    """Add values as they are in a journal, in which NaN and the like are texts."""
    numbers: list[Number | None] = [*map(_number, values)] if str in set(map(type, values)) else values  # type: ignore[assignment]
    if None in numbers:  # in a damaged journal
        times = [time for time, number in zip(times, numbers, strict=True) if number is not None]
        numbers = [number for number in numbers if number is not None]
    if times:
        held.setdefault(name, Writes()).extend(times, cast("list[Number]", numbers))


def _number(value: float | str) -> Number | None:
    """A journal's value as a number; None for a text that is none, in a damaged journal."""
    try:
        return number_from_text(value) if isinstance(value, str) else value
    except ValueError:
        return None
