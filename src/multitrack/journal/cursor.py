"""Read one run's journal, and continue as it grows; damaged lines are skipped and counted."""

from __future__ import annotations

import itertools
import logging
import os
from pathlib import Path
from typing import BinaryIO

from multitrack.journal import encoding
from multitrack.journal.derived import Resolver
from multitrack.journal.seals import read_seal, size_of, until
from multitrack.journal.segments import is_held, segment_path
from multitrack.records import Compacted, End, ListMetric, Record, Segment

log = logging.getLogger("multitrack")


class Cursor:
    """A reader of one run's journal, from its start to its current end, and on from there as it grows.

    Records are returned with their derived fields. Ordinals, list indexes and repeats depend on the earlier records,
    so a cursor always starts at the beginning. A caller that resumes at a position skips the records before it.

    Args:
        directory: The run's directory.
        resolved: False to return records as they are on disk, without derived fields; takes half the time.
        only: The 1-based number of the one segment to read; default: all, one after the other.
        first: The 1-based number of the segment to begin with; records are then as they are on disk.
        offset: The byte of that segment to begin with, at the start of a line.

    Attributes:
        position: Number of lines of the run read so far.
        damaged: Ordinal and reason of each line that is not a valid record.
        ended: The run's end, as far as it was read; ``None`` if the run has not ended or was resumed.
        segment: The 1-based number of the segment being read.
        last_time: The latest time of any record read (ms).
    """

    def __init__(
        self, directory: Path, *, resolved: bool = True, only: int | None = None, first: int = 1, offset: int = 0
    ) -> None:
        self.directory = directory
        self.position = 0
        self.damaged: list[tuple[int, str]] = []
        self.ended: End | None = None
        self.last_time = 0
        self._resolver = Resolver() if resolved else None
        self.segment = only or first
        self._only = only is not None
        self._offset = offset
        self._promised = 0  # remaining parts of a list that is known to be complete
        self._fd: int | None = None  # of a closed segment that is read in part: compaction may replace the file

    def __del__(self) -> None:
        # A number instead of a file object: of two objects that only a cycle held, Python may finalize the file first,
        # and warn that nobody has closed it.
        if getattr(self, "_fd", None) is not None:
            self._close()

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def read(self, max_records: int = 2000, max_bytes: int = 1 << 20) -> list[Record]:
        """Read the next records, up to about the given number and bytes; empty at the current end.

        Damaged lines are left out and noted in ``damaged``; they keep their ordinal.
        """
        found: list[Record] = []
        while not found:
            path = segment_path(self.directory, self.segment)
            try:
                if self._fd is None:
                    self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                closed = not is_held(path)  # checked before reading, so that no later line is missed
            except FileNotFoundError:
                self._close()
                return found
            size = None
            try:
                size = size_of(path, self._fd) if closed else None
                with open(self._fd, "rb", closefd=False) as whole:
                    file = whole if size is None or size == os.fstat(self._fd).st_size else until(whole, size)
                    file.seek(self._offset)
                    advanced = self._read_from(file, closed, found, max_records, max_bytes)
            finally:
                if size is None or self._offset >= size:
                    self._close()
            if not advanced and not self._next_segment(closed):
                return found
        return found

    def at_end(self) -> bool:
        """Return True if the journal is closed and was read completely."""
        path = segment_path(self.directory, self.segment)
        if is_held(path) or self._has_next():
            return False
        # The torn last line of a closed segment was never acknowledged; it has been read as damage by now.
        seal = read_seal(path)
        return self._offset >= (path.stat().st_size if seal is None else seal.size)

    def at_rest(self) -> bool:
        """Return True if there is nothing to read for now: all was read, and the writer lives. A cheap check."""
        path = segment_path(self.directory, self.segment)
        return path.stat().st_size <= self._offset and is_held(path)

    def _next_segment(self, closed: bool) -> bool:
        if not closed or not self._has_next():
            return False
        self.segment += 1
        self._offset = 0
        self._promised = 0
        return True

    def _has_next(self) -> bool:
        return not self._only and segment_path(self.directory, self.segment + 1).exists()

    def _read_from(self, file: BinaryIO, closed: bool, found: list[Record], max_records: int, max_bytes: int) -> bool:
        """Read whole lines into ``found``; return True if the cursor moved."""
        start = self._offset
        for line in file:
            record: Record | None = None
            if not line.endswith(b"\n"):
                if not closed:
                    break
                self._damage("torn: its writer died or the disk was full during the write")
            elif line != b"\n":
                try:
                    record = encoding.decode(line)
                except (ValueError, RecursionError) as error:
                    self._damage(f"damaged: {error}")
                if type(record) is ListMetric and record.parts > 1:
                    complete = self._is_complete(file, record, closed)
                    if complete is None:
                        break
                    if not complete:
                        self._damage("part of a list without its last part")
                        record = None
            self._offset += len(line)
            if record is not None:
                if type(record) is End:
                    self.ended = record
                elif type(record) is Segment and not record.fork:
                    self.ended = None
                if record.time > self.last_time:
                    self.last_time = record.time
                if self._resolver is not None:
                    self._resolver.resolve(record, self.position)
                found.append(record)
                self.position += record.records if type(record) is Compacted else 1
            if len(found) >= max_records or self._offset - start >= max_bytes:
                break
        return self._offset > start

    def _damage(self, reason: str) -> None:
        self.damaged.append((self.position, reason))
        self.position += 1

    def _is_complete(self, file: BinaryIO, record: ListMetric, closed: bool) -> bool | None:
        """Check that all parts of this list are contiguous lines of the segment; None if more may be written."""
        if record.part > 1:
            self._promised -= 1
            return self._promised >= 0
        self._promised = 0
        here = file.tell()
        file.seek(self._offset)
        lines = [line for line in itertools.islice(file, record.parts - 1, record.parts) if line.endswith(b"\n")]
        file.seek(here)
        if not lines:
            return False if closed else None
        last = encoding.decode_or_none(lines[0])
        if not isinstance(last, ListMetric) or (last.name, last.part) != (record.name, record.parts):
            return False
        self._promised = record.parts - 1
        return True
