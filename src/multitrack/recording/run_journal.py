"""A run's end of its journal: the open segment, what the run holds so far, and the lock around both."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Final, cast

from multitrack._text import error_text, plain_text, short_repr
from multitrack.config import Settings
from multitrack.errors import JournalError, RunClosedError
from multitrack.journal.fsync import keep_durable
from multitrack.journal.writer import Writer
from multitrack.recording.history import Past
from multitrack.records import ArtifactRef, End, Lines, Mistake, Params, Status, Tags, Trained
from multitrack.security.redaction import Redactor

log = logging.getLogger("multitrack")

#: Milliseconds between looks whether the courier lives.
_LOOK_EVERY: Final = 5000


def ended_by(error: BaseException) -> Status:
    """How a run ends that this exception leaves."""
    if isinstance(error, KeyboardInterrupt):
        return "killed"
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return "finished"
        return "killed" if error.code in (130, 143) else "failed"
    return "failed"


def to_status(status: object) -> Status:
    """The status that a run is to end with.

    Raises:
        ValueError: It is none of the three.
    """
    if status not in ("finished", "failed", "killed"):
        raise ValueError(f"status must be 'finished', 'failed' or 'killed', got {short_repr(status)}")
    return cast(Status, plain_text(status))


class RunJournal:
    """What a run is recorded into; used from any thread.

    Args:
        run_id: The run's id.
        name: Its name.
        directory: Its directory; ``None`` records nothing.
        settings: The settings that hold for it.
        writer: The open segment.
        past: What the run holds already.
        redactor: Keeps secrets out.

    Attributes:
        status: ``running`` until it is closed.
        mistakes: Wrong calls that were set aside.
        warned: Kinds of wrong calls that a warning was given of.
        alive: Called every few seconds from a recording call, so that a courier that died is started again.
        look_at: When it is called next (ms since the epoch); infinity: never.
    """

    def __init__(
        self,
        run_id: str,
        name: str,
        directory: Path | None,
        settings: Settings,
        *,
        writer: Writer | None = None,
        past: Past | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self.id = run_id
        self.name = name
        self.directory = directory
        self.settings = settings
        self.writer = writer
        self.past = past or Past()
        self.redactor = redactor or Redactor()
        self.status: Status = "running"
        self.mistakes = 0
        self.warned: set[str] = set()
        self.alive: Callable[[], object] | None = None
        self.look_at: float = inf
        self._make_lock()

    def _make_lock(self) -> None:
        self.lock = threading.RLock()
        self.acquire, self.release = self.lock.acquire, self.lock.release  # half the cost of a with statement

    @property
    def lost(self) -> int:
        """Records that the disk did not take."""
        return self.past.lost + (self.writer.lost if self.writer is not None else 0)

    def watch(self, alive: Callable[[], object]) -> None:
        """Call ``alive`` every few seconds from a recording call, from the first one on."""
        self.alive, self.look_at = alive, 0.0

    def look(self, now: int) -> None:
        """Now and then from a recording call, at ``now`` (ms)."""
        self.look_at = now + _LOOK_EVERY
        if self.alive is not None:
            self.alive()

    def ready(self) -> Writer:
        """The open segment; a forked child's first record opens one of its own.

        Raises:
            RunClosedError: The run has ended.
        """
        if self.writer is None:
            if self.status != "running":
                raise RunClosedError(
                    f"run {self.id} ({self.name}) has ended; start_run(run_id={self.id!r}) continues it"
                )
            assert self.directory is not None  # noqa: S101 - a disabled run never comes here
            self.writer = Writer(self.directory, not_before=self.past.last_time, fork=True)
            if self.settings.fsync:
                keep_durable(self.writer, self.settings.fsync)
        return self.writer

    def append(self, make: Callable[[int], Params | ArtifactRef | Lines | Tags]) -> bool:
        """Write the record made for the time of now; whether the machine took it."""
        with self.lock:
            writer = self.ready()
            now = writer.now()
            record = make(now)
            written = writer.append(record)
            self.past.count += written
            self.past.redacted += record.redacted
            if now >= self.look_at:
                self.look(now)
        return bool(written)

    def append_metric(self, numbers: dict[str, int | float | str], step: int | None) -> None:
        """Write numbers of one step, as JSON has them."""
        self.acquire()
        try:
            writer = self.writer or self.ready()
            self.past.count += writer.append_metric(numbers, step)
            if writer.last_time >= self.look_at:
                self.look(writer.last_time)
        finally:
            self.release()

    def note(self, make: Callable[[int], Trained]) -> None:
        """Write the note made for the time of now, unless the run has ended; no record of the user's."""
        if self.status == "running" and self.directory is not None:
            with self.lock, contextlib.suppress(JournalError):
                writer = self.ready()
                writer.append(make(writer.now()))

    def refuse(self, call: str, error: Exception) -> None:
        """Raise a wrong call's error, or set the call aside with ``mistakes = "warn"``."""
        if isinstance(error, JournalError):  # a forked child that cannot open a segment: no mistake of the caller
            self.past.lost += 1
            if "journal" not in self.warned:
                self.warned.add("journal")
                log.warning("multitrack: run %s: %s; records of this process are lost", self.id, error)
            return
        if self.settings.mistakes != "warn":
            raise error
        self.set_aside(call, error)

    def set_aside(self, call: str, error: BaseException) -> None:
        """Keep a call that could not be recorded as a mistake: counted, written down, and warned of once a kind."""
        self.mistakes += 1
        redaction = self.redactor.begin()
        reason = redaction.text(error_text(error))
        if call not in self.warned:
            self.warned.add(call)
            log.warning("multitrack: run %s: %s was set aside: %s", self.id, call, reason)
        if self.status == "running" and self.directory is not None:
            with self.lock, contextlib.suppress(JournalError):
                writer = self.ready()
                writer.append(Mistake(time=writer.now(), call=call, reason=reason, redacted=redaction.count))
                self.past.redacted += redaction.count

    def end(self, status: Status) -> bool:
        """Write the last record and close the segment; whether the machine took it."""
        with self.lock:
            writer = self.ready()
            written = writer.append(End(time=writer.now(), status=status))
            if not written:
                log.warning("multitrack: run %s: its end could not be written, so it will count as killed", self.id)
            self.past.lost += writer.lost
            if self.settings.fsync:
                writer.put_on_medium()
            writer.close()
            self.writer = None
            self.status = status
        return bool(written)

    def close_segment(self) -> None:
        """Close the segment without an end: a forked child's, or as the kernel does for a killed process."""
        with self.lock:
            if self.writer is not None:
                self.writer.close()
                self.writer = None

    def after_fork(self) -> None:
        """In a forked child: hold no lock and no file of the parent's; what is logged goes to a new segment."""
        self._make_lock()
        if self.writer is not None:
            self.past.last_time = self.writer.now()
            self.writer.close()
            self.writer = None
        self.alive, self.look_at = None, inf
