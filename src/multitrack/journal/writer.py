"""The journal of one run: numbered segments of JSON Lines, appended by one writer, read by any number.

A record is on its way to the disk when :meth:`Writer.append` returns: one ``write(2)``, so that it survives
``kill -9`` of every process. A segment's file is held under an exclusive ``flock`` for as long as its
writer lives, which is how a reader tells a pause from a death. A reader goes on to the next segment only
when the one before is closed, so the records of a run have one order, and a position in it is one number:
how many lines of the run were read.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import time
from pathlib import Path
from typing import Any, Final

from msgspec import Raw, structs

from multitrack.errors import RunInUseError
from multitrack.journal import encoding
from multitrack.journal.cursor import Cursor
from multitrack.journal.encoding import to_json
from multitrack.journal.segments import cannot_write, host_name, last_segment, opening, segment_path
from multitrack.records import End, ListMetric, Lost, Metric, Record, Segment

log = logging.getLogger("multitrack")

#: A list metric longer than this many bytes of JSON is written in parts.
PART_BYTES: Final = 1 << 20


class Writer:
    """Appends to one segment, from one process; the caller holds a lock around each call.

    A trouble of the machine (a full disk) is no mistake of the caller: it is said once, what is lost is counted, and
    as soon as the machine takes records again that is said too, and written down as :class:`~multitrack.records.Lost`.

    Args:
        directory: The run's directory.
        not_before: No record will be stamped earlier than this (ms), so that a resumed run's times go on.
        fork: Whether this process is a forked child of the run's writer.
        manifest: What the run is, to be read from here should its own file be damaged.

    Attributes:
        directory: The run's directory.
        number: The segment's number.
        lost: How many records the machine did not take.
        last_time: Time of the last record (ms).

    Raises:
        JournalError: The directory cannot be written.
    """

    def __init__(
        self, directory: Path, *, not_before: int = 0, fork: bool = False, manifest: dict[str, Any] | None = None
    ) -> None:
        self.last_time = not_before
        self.directory = directory
        self._torn = False  # the last write was a short one: its line has no end
        self._losing = 0  # records lost since the last one that was written
        self._losing_since = 0
        self._durable = 0  # bytes that are on the medium
        self.lost = 0
        self.number, self._fd = self._create(directory)
        first = Segment(
            time=self.now(), segment=self.number, pid=os.getpid(), host=host_name(), fork=fork,
            manifest=manifest,
        )  # fmt: skip
        line = encoding.encode(first)
        try:
            if os.write(self._fd, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            segment_path(directory, self.number).unlink()
            self.close()
            raise cannot_write(directory, error) from error

    def _create(self, directory: Path) -> tuple[int, int]:
        # Locked under a name no reader looks at, then linked: nobody ever sees a segment without its lock.
        draft = directory / f".segment-{os.getpid()}-{time.monotonic_ns()}"
        fd = -1
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            number = last_segment(directory)
            while True:
                number += 1
                try:
                    os.link(draft, segment_path(directory, number))
                    break
                except FileExistsError:
                    continue
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            raise cannot_write(directory, error) from error
        finally:
            with contextlib.suppress(OSError):
                draft.unlink()
        return number, fd

    def now(self) -> int:
        """The time for the next record: milliseconds since the epoch, never before the last one."""
        now = time.time_ns() // 1_000_000
        if now > self.last_time:
            self.last_time = now
        return self.last_time

    def append(self, record: Record) -> int:
        """Write one record; gives back how many were written: 1, or 0 where the machine did not take it."""
        return self._write(to_json(record) + b"\n")

    def append_metric(self, values: dict[str, int | float | str], step: int | None) -> int:
        """``append`` of a :class:`Metric` at the time of now; repeats :meth:`_write` to save a call."""
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
        """Write a list metric, in parts where it is longer than :data:`PART_BYTES`; gives back how many records."""
        numbers = to_json(record.values)  # once: a long list is cut as it stands here
        if len(numbers) <= PART_BYTES:
            return self.append(structs.replace(record, values=Raw(numbers)))
        pieces = _pieces(numbers)
        for i, piece in enumerate(pieces, start=1):
            if not self.append(structs.replace(record, values=piece, part=i, parts=len(pieces))):
                return 0  # the parts before it count for nothing
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
        """See whether the machine takes records again."""
        # One write with the record, so that a nearly full disk does not say so again and again; the total, so that
        # it may stand there twice. What follows a torn line begins on a line of its own.
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
        """Count a record that the machine did not take, or took ``written`` bytes of; always 0."""
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
        """``fsync`` what was written, from any thread; what goes wrong is said once."""
        try:
            fd = os.dup(self._fd)  # a number that nobody closes and reuses meanwhile
        except OSError:
            return  # closed, by an end that did this itself
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

    def close(self) -> None:
        """Give up the segment; from now on it is closed for readers."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _pieces(numbers: bytes) -> list[Raw]:
    """A JSON list as several, none longer than :data:`PART_BYTES`, unless a number is."""
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
    """End a run whose writer died without a word: killed, at its last sign of life.

    Args:
        directory: The run's directory.
        last_time: When the last record was written (ms).

    Returns:
        Whether the run is ended now; not, if somebody writes it again.
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
