"""Append to the journal of one run: numbered segments of JSON Lines, each with one writer and any number of readers.

When :meth:`Writer.append` returns, the record was handed to the kernel with one ``write(2)``, so it survives
``kill -9`` of every process. A segment's file is held under an exclusive ``flock`` for as long as its
writer lives. That is how a reader tells a paused writer from a dead one. A reader continues with the next segment only
when the previous one is closed, so the records of a run have one order, and a position in it is one number:
the number of lines read.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Raw, structs

from multitrack.errors import JournalError, RunInUseError
from multitrack.journal import encoding
from multitrack.journal.cursor import Cursor
from multitrack.journal.encoding import to_json
from multitrack.journal.manifest import read_manifest
from multitrack.journal.seals import read_seal, tail_of
from multitrack.journal.segment_file import SegmentFile
from multitrack.journal.segments import cannot_write, host_name, opening, segment_path
from multitrack.records import End, ListMetric, Lost, Metric, Record, Segment

log = logging.getLogger("multitrack")

#: A list metric longer than this many bytes of JSON is written in parts.
PART_BYTES: Final = 1 << 20


class Writer:
    """Appends to one segment, from one process; the caller holds a lock around each call.

    If writing fails (a full disk), nothing is raised: a warning is logged once, and lost records are counted. When
    writing works again, that is logged, and a :class:`~multitrack.records.Lost` record is written.

    Args:
        directory: The run's directory.
        not_before: Lower bound for the records' times (ms), so that a resumed run's times never go back.
        fork: True if the segment continues the run: of a forked child, for a new day, or for an earlier time.
        manifest: A copy of the manifest for the first record, used if the manifest's file is damaged.
        time: Time of the first record (ms), for records with times of their own; default: now.
        after: Number of the segment that this one continues, which is not looked for then.
        begin: Lines that follow the first one.
        on_loss: Called on another thread if another machine takes this process for dead, for :meth:`succeed`.

    Attributes:
        directory: The run's directory.
        number: The segment's number.
        lost: Number of records that could not be written.
        last_time: Time of the last record (ms).

    Raises:
        JournalError: If the directory cannot be written.
    """

    def __init__(
        self,
        directory: Path,
        *,
        not_before: int = 0,
        fork: bool = False,
        manifest: dict[str, Any] | None = None,
        time: int | None = None,
        after: int | None = None,
        begin: bytes = b"",
        on_loss: Callable[[], None] | None = None,
    ) -> None:
        self.last_time = not_before
        self.directory = directory
        self._torn = False  # the last write was short: its line has no newline
        self._losing = 0  # records lost since the last one written
        self._losing_since = 0
        self._durable = 0  # bytes that are on the medium
        self.lost = 0
        self.on_loss = on_loss
        self._succeeded = False  # its records go on in another segment
        self._file = SegmentFile(directory, after, self._given_up)
        self.number, self._fd = self._file.number, self._file.fd
        first = Segment(
            time=self.now() if time is None else time, segment=self.number, pid=os.getpid(), host=host_name(),
            fork=fork, manifest=manifest,
        )  # fmt: skip
        lines = encoding.encode(first) + begin
        try:
            if os.write(self._fd, lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            segment_path(directory, self.number).unlink()
            self.close()
            raise cannot_write(directory, error) from error

    @property
    def losing(self) -> bool:
        """True while records cannot be written."""
        return self._losing > 0

    def now(self) -> int:
        """The time for the next record, in milliseconds since the epoch; never before the last record's."""
        now = time.time_ns() // 1_000_000
        if now > self.last_time:
            self.last_time = now
        return self.last_time

    def append(self, record: Record) -> int:
        """Write one record; return the number of records written: 1, or 0 if writing failed."""
        return self._write(to_json(record) + b"\n")

    def append_metric(self, values: dict[str, int | float | str], step: int | None) -> int:
        """Append a :class:`Metric` with the current time; duplicates :meth:`_write` to save a function call."""
        now = time.time_ns() // 1_000_000
        if now > self.last_time:
            self.last_time = now
        line = to_json(Metric(time=self.last_time, values=values, step=step)) + b"\n"
        if self._losing:
            return self._write_again(line)
        try:
            written = os.write(self._fd, line)
        except OSError as error:
            return self._lose(error, 0)
        return 1 if written == len(line) else self._lose(None, written)

    def append_list(self, record: ListMetric) -> int:
        """Write a list metric, in parts if longer than :data:`PART_BYTES`; return the number of records written."""
        numbers = to_json(record.values)  # encoded once: a long list is cut as JSON text
        if len(numbers) <= PART_BYTES:
            return self.append(structs.replace(record, values=Raw(numbers)))
        pieces = _pieces(numbers)
        for i, piece in enumerate(pieces, start=1):
            if not self.append(structs.replace(record, values=piece, part=i, parts=len(pieces))):
                return 0  # readers ignore an incomplete list, so the earlier parts do not count
        return len(pieces)

    def _write(self, line: bytes) -> int:
        if self._losing:
            return self._write_again(line)
        try:
            written = os.write(self._fd, line)
        except OSError as error:
            return self._lose(error, 0)
        return 1 if written == len(line) else self._lose(None, written)

    def _write_again(self, line: bytes) -> int:
        """Try to write again after a failure, with a ``Lost`` record before the line."""
        # One write for both, so that a nearly full disk does not warn again and again. ``Lost`` has the total, so it
        # may be repeated. After a torn line, start on a new one.
        lost = Lost(time=self.last_time, total=self.lost, since=self._losing_since)
        line = (b"\n" if self._torn else b"") + to_json(lost) + b"\n" + line
        try:
            written = os.write(self._fd, line)
        except OSError as error:
            return self._lose(error, 0)
        if written < len(line):
            return self._lose(None, written)
        log.warning(
            "multitrack: run %s: the journal can be written again; %d records were lost",
            self.directory.name, self._losing,
        )  # fmt: skip
        self._losing, self._torn = 0, False
        return 1

    def _lose(self, trouble: OSError | None, written: int) -> int:
        """Count a record of which only ``written`` bytes could be written; always return 0."""
        self._torn = self._torn or written > 0
        self.lost += 1
        if not self._losing:
            self._losing_since = self.last_time
            log.warning(
                "multitrack: run %s: the journal in %s cannot be written (%s); records are lost from now on "
                "until it can be written again, earlier ones are kept",
                self.directory.name, self.directory,
                (trouble and trouble.strerror) or trouble or os.strerror(errno.ENOSPC),
            )  # fmt: skip
        self._losing += 1
        return 0

    def put_on_medium(self) -> None:
        """``fsync`` the segment, from any thread; log a failure once."""
        try:
            fd = os.dup(self._fd)  # a descriptor that no other thread closes meanwhile
        except OSError:
            return  # closed by the run's end, which has synced it
        try:
            size = os.fstat(fd).st_size
            if size != self._durable:
                os.fsync(fd)
                self._durable = size
        except OSError as error:
            if self._durable >= 0:
                log.warning("multitrack: run %s: fsync failed: %s", self.directory.name, error)
            self._durable = -1
        finally:
            os.close(fd)

    def _given_up(self) -> None:
        if self.on_loss is not None:
            self.on_loss()

    def succeed(self) -> Writer | None:
        """Go on in a new segment if another machine has taken this process for dead.

        Lines that were written since move there (:mod:`multitrack.journal.seals`).

        Returns:
            The new segment's writer; None if this one goes on, as it also does if the new segment cannot be written.
        """
        if self._fd < 0 or not self._file.is_given_up:
            return None
        new = self._successor()
        if new is not None:
            self.close()
        return new

    def _successor(self) -> Writer | None:
        path = self._file.path
        try:
            seal = read_seal(path)
            moved = b"" if seal is None else tail_of(path, seal)
            manifest = msgspec.to_builtins(read_manifest(self.directory))
            new = Writer(
                self.directory, not_before=self.last_time, manifest=manifest, on_loss=self.on_loss,
                begin=moved if moved.endswith(b"\n") or not moved else moved + b"\n",
            )  # fmt: skip
            if seal is not None:
                os.truncate(path, seal.size)
        except (JournalError, OSError) as error:
            log.warning(
                "multitrack: run %s: another machine took this process for dead, and what it has written since cannot "
                "be moved to a new segment: %s", self.directory.name, error,
            )  # fmt: skip
            return None
        new.lost, self._succeeded = self.lost, True
        log.warning(
            "multitrack: run %s: %s took this process for dead, as it did not run for a while; records go on in "
            "segment %d", self.directory.name, "another process" if seal is None else seal.by, new.number,
        )  # fmt: skip
        return new

    def close(self) -> None:
        """Close the segment and release its lock, which tells readers that it is complete."""
        if self._fd >= 0:
            self._fd = -1
            if not self._file.close() and not self._succeeded and (new := self._successor()) is not None:
                new.close()


def _pieces(numbers: bytes) -> list[Raw]:
    """Split a JSON list into several, none longer than :data:`PART_BYTES` unless a single number is."""
    pieces, start, end = [], 1, len(numbers) - 1
    while start < end:
        cut = end if end - start <= PART_BYTES else numbers.rfind(b",", start, start + PART_BYTES)
        if cut < 0:  # a number that is longer
            cut = numbers.find(b",", start, end)
            cut = end if cut < 0 else cut
        pieces.append(Raw(b"[" + numbers[start:cut] + b"]"))
        start = cut + 1
    return pieces


def close_dead(directory: Path, last_time: int) -> bool:
    """End a run whose writer died without ending it, as ``killed`` at the time of its last record.

    Args:
        directory: The run's directory.
        last_time: Time of the last record (ms).

    Returns:
        True if the run has ended now; False if a process writes it again, or the end could not be written.
    """
    try:
        with opening(directory):
            cursor = Cursor(directory, resolved=False)
            while cursor.read():
                pass
            if cursor.ended is None:
                writer = Writer(directory, not_before=last_time, fork=True)
                try:
                    return bool(writer.append(End(time=last_time, status="killed")))
                finally:
                    writer.close()
    except RunInUseError:
        return False
    return True
