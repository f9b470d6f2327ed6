"""Reading one run's journal, as far as it goes and on from there: what is damaged is passed over, and counted."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path
from typing import BinaryIO

from multitrack.journal import encoding
from multitrack.journal.derived import Resolver
from multitrack.journal.segments import is_held, segment_path
from multitrack.records import End, ListMetric, Record, Segment

log = logging.getLogger("multitrack")


class Cursor:
    """Reads one run's journal from its start, as far as it goes, and on from there as it grows.

    What is read comes resolved: ordinals, list indexes and repeats follow from the records before, so a
    cursor always starts at the beginning, and whoever resumes at a position passes over what lies before.

    Args:
        directory: The run's directory.
        resolved: Without it, what is read comes as it stands on disk, for whoever needs nothing that follows from the
            records before; that costs half.

    Attributes:
        position: How many lines of the run were read.
        damaged: Ordinal and reason of each line that is no record.
        ended: How the run ended, as far as was read.
        segment: The segment being read, from 1.
        last_time: The latest time of any record read (ms).
    """

    def __init__(self, directory: Path, *, resolved: bool = True) -> None:
        self.directory = directory
        self.position = 0
        self.damaged: list[tuple[int, str]] = []
        self.ended: End | None = None
        self.last_time = 0
        self._resolver = Resolver() if resolved else None
        self.segment = 1
        self._offset = 0
        self._promised = 0  # further parts of a list that are known to be complete

    def read(self, max_records: int = 2000, max_bytes: int = 1 << 20) -> list[Record]:
        """The next records, at most about that many and that many bytes; empty at the end for now.

        Damaged lines are left out and noted in ``damaged``; they keep their ordinal.
        """
        found: list[Record] = []
        while not found:
            path = segment_path(self.directory, self.segment)
            try:
                with path.open("rb") as file:
                    closed = not is_held(path)  # asked before reading, so that nothing is missed after it
                    file.seek(self._offset)
                    advanced = self._read_from(file, closed, found, max_records, max_bytes)
            except FileNotFoundError:
                return found
            if not advanced and not self._next_segment(closed):
                return found
        return found

    def at_end(self) -> bool:
        """Whether the journal is closed and everything in it was read."""
        path = segment_path(self.directory, self.segment)
        if is_held(path) or segment_path(self.directory, self.segment + 1).exists():
            return False
        # A torn tail of a closed segment was never acknowledged; it is read as damage before we come here.
        return self._offset >= path.stat().st_size

    def at_rest(self) -> bool:
        """A cheap look whether there is nothing to do for now: all was read, and its writer lives."""
        path = segment_path(self.directory, self.segment)
        return path.stat().st_size <= self._offset and is_held(path)

    def _next_segment(self, closed: bool) -> bool:
        if not closed or not segment_path(self.directory, self.segment + 1).exists():
            return False
        self.segment += 1
        self._offset = 0
        self._promised = 0
        return True

    def _read_from(self, file: BinaryIO, closed: bool, found: list[Record], max_records: int, max_bytes: int) -> bool:
        """Read whole lines into ``found``; whether the cursor moved."""
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
                    complete = self._is_complete(record, closed)
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
                self.position += 1
            if len(found) >= max_records or self._offset - start >= max_bytes:
                break
        return self._offset > start

    def _damage(self, reason: str) -> None:
        self.damaged.append((self.position, reason))
        self.position += 1

    def _is_complete(self, record: ListMetric, closed: bool) -> bool | None:
        """Whether all parts of this part's list stand there, as contiguous lines; ``None``: not yet."""
        if record.part > 1:
            self._promised -= 1
            return self._promised >= 0
        self._promised = 0
        with segment_path(self.directory, self.segment).open("rb") as file:
            file.seek(self._offset)
            lines = [line for line in itertools.islice(file, record.parts - 1, record.parts) if line.endswith(b"\n")]
        if not lines:
            return False if closed else None
        last = encoding.decode_or_none(lines[0])
        if not isinstance(last, ListMetric) or (last.name, last.part) != (record.name, record.parts):
            return False
        self._promised = record.parts - 1
        return True
