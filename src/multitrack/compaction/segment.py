"""Rewrite one closed segment: old simple metrics, and log lines if asked, become figures of windows of 5 minutes.

Everything else stays as it is, damaged lines included, at the same position of the run: a ``Compacted`` record has the
number of records that it stands for.
"""

from __future__ import annotations

import io
import os
import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from multitrack.errors import JournalError
from multitrack.journal import encoding
from multitrack.journal.fsync import put_on_medium
from multitrack.journal.prepared import prepared
from multitrack.records import Compacted, Digest, Lines, Metric, Record, Segment
from multitrack.summaries.digests import WINDOW, digest_of, mapping

if TYPE_CHECKING:
    from ddsketch.mapping import LogarithmicMapping

#: Bytes of a segment decoded at a time.
_STRETCH: Final = 1 << 18


class Rewritten(msgspec.Struct, frozen=True):
    """The outcome for one segment.

    Attributes:
        records: Number of records that were replaced.
        before: Bytes of the segment before.
        after: Bytes of it now; as many as before if it would not have become smaller.
    """

    records: int
    before: int
    after: int


def positions(path: Path) -> int:
    """Count the positions of a segment: its lines, and the records that an earlier compaction replaced."""
    if compacted_kinds(path):
        return _contents(path)[0]
    with path.open("rb") as file:  # each line is one; decoding them would take ten times as long
        return sum(line != b"\n" for line in file)


def _contents(path: Path) -> tuple[int, int]:
    """Count the positions and the damaged lines of a segment."""
    found = damaged = 0
    with path.open("rb") as file:
        for stretch in _stretches(file):
            for _, record in _records(stretch):
                found += record.records if type(record) is Compacted else 1
                damaged += record is None
    return found, damaged


def compacted_kinds(path: Path) -> list[str]:
    """Return the kinds of records that compaction has replaced in a segment."""
    with path.open("rb") as file:
        first = encoding.decode_or_none(file.readline())
    return first.compacted if isinstance(first, Segment) else []


def last_time(path: Path) -> int:
    """Return the time of a segment's last record in milliseconds; 0 if there is none. It reads only the file's end."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16)))
        lines = file.read().split(b"\n")
    return next((found.time for line in reversed(lines) if line and (found := encoding.decode_or_none(line))), 0)


def rewrite(
    path: Path, kinds: Collection[str], pause: Callable[[float], None] = lambda _: None, *, dry_run: bool = False
) -> Rewritten:
    """Compact a closed segment: a new file replaces it once it is on the disk and has as many positions.

    Args:
        path: The segment's file. No process may write it, and no other one compact the run.
        kinds: ``metrics``, ``lines`` or both.
        pause: Called after each stretch of lines with the seconds that it took.
        dry_run: True to leave the segment as it is.

    Raises:
        OSError: If the file cannot be read, or the new one not written.
        JournalError: If the new file does not have all records.
        ConfigError: If ddsketch is not installed.
    """
    before = path.stat().st_size
    draft = path.with_name(".compacting")
    draft.unlink(missing_ok=True)  # of a process that was killed; a live one would have the lock
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file, path.open("rb") as source:
            writer = _Writer(file, frozenset(kinds))
            writer.copy(source, pause)
            file.flush()
            os.fsync(fd)
        after = draft.stat().st_size
        if after >= before:
            return Rewritten(0, before, before)
        if (found := _contents(draft)) != (writer.positions, writer.damaged):
            raise JournalError(
                f"{path} was not compacted: of {writer.positions} records, {writer.damaged} of them damaged, the new "
                f"file would have {found[0]}, {found[1]} of them damaged"
            )
        if not dry_run:
            draft.replace(path)
            put_on_medium(path.parent)
    finally:
        draft.unlink(missing_ok=True)
    return Rewritten(writer.replaced, before, after)


class _Writer:
    """Copies a segment; collects the values of one window at a time."""

    def __init__(self, file: BinaryIO, kinds: frozenset[str]) -> None:
        self.positions = self.damaged = self.replaced = 0
        self._write = file.write
        self._kinds = kinds
        self._bins: LogarithmicMapping = mapping()
        self._records = self._time = 0  # not written yet
        self._since: int | None = None  # of the window; None if it is empty
        self._values: dict[str, list[int | float | str]] = {}
        self._digests: dict[str, Digest] = {}
        self._many = 0

    def copy(self, source: BinaryIO, pause: Callable[[float], None]) -> None:
        for stretch in _stretches(source):
            began = time.monotonic()
            metrics = _plain_metrics(stretch) if "metrics" in self._kinds else None
            if metrics is not None:
                self._add_all(metrics)
            else:
                for line, record in _records(stretch):
                    self._add(line, record)
            pause(time.monotonic() - began)
        self._end_window()

    def _add_all(self, records: list[_Plain]) -> None:
        """Add simple metrics, a window at a time: a sixth of the time of one at a time."""
        self.positions += len(records)
        times = [record.time for record in records]
        place = 0
        while place < len(records):
            self._begin(times[place])
            after = max(place + 1, bisect_left(times, (times[place] // WINDOW + 1) * WINDOW, place))
            some = records[place:after]
            for name in dict.fromkeys(name for record in some for name in record.values):
                self._values.setdefault(name, []).extend([r.values[name] for r in some if name in r.values])
            self._records += len(some) - 1
            self._time = max(self._time, times[after - 1])
            place = after

    def _add(self, line: bytes, record: Record | None) -> None:
        self.damaged += record is None
        self.positions += record.records if type(record) is Compacted else 1
        if type(record) is Metric and record.step is None and "metrics" in self._kinds:
            self._begin(record.time)
            for name, value in record.values.items():
                self._values.setdefault(name, []).append(value)
        elif type(record) is Lines and "lines" in self._kinds:
            self._begin(record.time)
            self._many += len(record.lines)
        elif type(record) is Compacted:  # by an earlier compaction of other kinds
            self._begin(record.since or record.time)
            self._records += record.records - 1
            self.replaced -= record.records
            self._many += record.lines
            self._digests.update(record.metrics)
            self._time = max(self._time, record.time)
        elif type(record) is Segment:
            kinds = sorted(self._kinds.union(record.compacted))
            self._keep(encoding.encode(msgspec.structs.replace(record, compacted=kinds)), record)
        else:
            self._keep(line, record)

    def _begin(self, time: int) -> None:
        """Count a record that is replaced, in the window of its time."""
        self._come_to(time)
        if self._since is None:
            self._since = time
        self._records += 1

    def _keep(self, line: bytes, record: Record | None) -> None:
        """Write a line after the number of the replaced records before it."""
        if record is not None:
            self._come_to(record.time)
        elif not line.endswith(b"\n"):  # torn, so nothing can be written behind it
            self._end_window()
        if self._records:
            self._put(Compacted(time=self._time, records=self._records))
        self._write(line)

    def _come_to(self, time: int) -> None:
        if self._since is not None and time // WINDOW != self._since // WINDOW:
            self._end_window()
        self._time = max(self._time, time)

    def _end_window(self) -> None:
        """Write the figures of the window."""
        if self._since is None:
            return
        digests = self._digests | {name: digest_of(values, self._bins) for name, values in self._values.items()}
        self._put(
            Compacted(time=self._time, records=self._records, since=self._since, metrics=digests, lines=self._many)
        )
        self._values, self._digests, self._many, self._since = {}, {}, 0, None

    def _put(self, record: Compacted) -> None:
        self._write(encoding.encode(record))
        self.replaced += self._records
        self._records = 0


def _stretches(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a segment, many at a time."""
    while stretch := file.read(_STRETCH):
        yield stretch + file.readline()


def _records(stretch: bytes) -> Iterator[tuple[bytes, Record | None]]:
    """Yield each line that counts as a position, with its record: None if it is damaged, or torn at the end."""
    for line in io.BytesIO(stretch):
        if line != b"\n":
            yield line, encoding.decode_or_none(line) if line.endswith(b"\n") else None


class _Plain(msgspec.Struct, tag_field="record", tag="metric", gc=False):
    """A simple metric whose values are plain numbers; any other record is none."""

    time: int
    values: dict[str, int | float]
    step: None = None


_decoder: Final = msgspec.json.Decoder(prepared(_Plain))


def _plain_metrics(stretch: bytes) -> list[_Plain] | None:
    """Return the records of lines that are all simple metrics, in order and plain numbers; None if others are there."""
    try:
        found = _decoder.decode_lines(stretch)
    except (ValueError, RecursionError):
        return None
    times = [record.time for record in found]
    return found if len(found) == stretch.count(b"\n") and times == sorted(times) else None
