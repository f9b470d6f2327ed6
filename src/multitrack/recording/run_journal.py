"""The recording side of a run's journal: the open segment, the recorded state, and the lock around both."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import Final

from multitrack._text import error_text
from multitrack.config import Settings
from multitrack.errors import JournalError, RunClosedError
from multitrack.inputs.values import to_seconds
from multitrack.journal.fsync import keep_durable
from multitrack.journal.writer import Writer
from multitrack.plugins import Extension
from multitrack.recording.checkpoint import Checkpoints
from multitrack.recording.history import Past
from multitrack.recording.resuming import cache_past
from multitrack.records import ArtifactRef, End, Lines, Metric, Mistake, ModelVersion, Params, Status, Tags, Trained
from multitrack.security.redaction import Redactor

log = logging.getLogger("multitrack")

#: Milliseconds between checks that the courier is alive.
_LOOK_EVERY: Final = 5000


class RunJournal:
    """The journal that a run records into; usable from any thread.

    Args:
        run_id: The run's id.
        name: Its name.
        directory: Its directory; ``None`` to record nothing.
        settings: The run's settings.
        writer: The open segment.
        past: The state recorded so far.
        redactor: Redacts secrets.
        version_finders: The plugins that find versions of data.

    Attributes:
        status: ``running`` until the run ends.
        mistakes: Number of invalid calls that were set aside.
        warned: Kinds of warnings that were already logged.
        deployed: True if the run has the tag ``deployment``: its process serves, and so may its forked children.
        alive: Callback called every few seconds from a recording call; restarts a courier that died.
        ends_at: Time of the end (ms), for a run that had ended, and is opened for a late record; default: now.
        on_loss: See :class:`~multitrack.journal.writer.Writer`.
        look_at: Time of the next call of :meth:`look` (ms since the epoch); infinity for never.
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
        version_finders: Sequence[Extension] = (),
    ) -> None:
        self.id = run_id
        self.name = name
        self.directory = directory
        self.settings = settings
        self.writer = writer
        self.past = past or Past()
        self.redactor = redactor or Redactor()
        self.version_finders = version_finders
        self.status: Status = "running"
        self.mistakes = 0
        self.warned: set[str] = set()
        self.deployed = False
        self.alive: Callable[[], object] | None = None
        self.ends_at: int | None = None
        self.on_loss: Callable[[], None] | None = None
        self.look_at: float = 0.0
        self._period = 0  # ms after which a new segment begins; 0 for never
        self._roll_at: float = inf
        self._own = set() if writer is None else {writer.number}  # the segments of this process
        self._alive_at: float = inf
        self._checkpoints = Checkpoints(self.past)
        self._make_lock()

    def _make_lock(self) -> None:
        self.lock = threading.RLock()
        self.acquire, self.release = self.lock.acquire, self.lock.release  # half the cost of a with statement

    @property
    def lost(self) -> int:
        """Number of records that could not be written to disk."""
        return self.past.lost + (self.writer.lost if self.writer is not None else 0)

    def watch(self, alive: Callable[[], object]) -> None:
        """Call ``alive`` every few seconds from a recording call, starting with the first one."""
        self.alive, self._alive_at, self.look_at = alive, 0.0, 0.0

    def roll_every(self, seconds: float) -> None:
        """Begin a new segment after so many seconds, so that the old one can be compacted."""
        self._period = round(seconds * 1000)
        self._plan_roll(self.past.last_time if self.writer is None else self.writer.last_time)
        self.look_at = min(self.look_at, self._roll_at)

    def _plan_roll(self, now: int) -> None:
        self._roll_at = (now // self._period + 1) * self._period

    def look(self, now: int, *, settled: bool) -> None:
        """Begin a new segment, call ``alive`` and, if the state is ``settled``, write a checkpoint, if it is time."""
        if now >= self._roll_at:
            self._roll(now)
        if settled and now >= self._checkpoints.due and self.writer is not None:
            self._checkpoints.look(now, self.past, self.writer, self._own)
        due = self.alive is not None and now >= self._alive_at
        self._alive_at = now + _LOOK_EVERY if due else self._alive_at
        self.look_at = min(self._roll_at, self._alive_at, self._checkpoints.due)
        if due and self.alive is not None:
            self.alive()

    def _roll(self, now: int) -> None:
        old = self.writer
        self._plan_roll(now)
        if old is None or old.losing or self.directory is None:
            return
        try:
            self.writer = self._opened(self.directory, old.last_time)
        except JournalError as error:  # the old segment goes on
            log.warning("multitrack: run %s: %s; its records go on in segment %d", self.id, error, old.number)
            return
        self.past.lost += old.lost
        if self.settings.fsync:
            old.put_on_medium()
        old.close()

    def _opened(self, place: Path, not_before: int, time: int | None = None, after: int | None = None) -> Writer:
        """Open a segment that continues the run."""
        writer = Writer(place, not_before=not_before, fork=True, time=time, after=after, on_loss=self.on_loss)
        self._own.add(writer.number)
        keep_durable(writer, self.settings.fsync)
        return writer

    def ready(self) -> Writer:
        """The open segment; the first record of a forked child opens its own.

        Raises:
            RunClosedError: If the run has ended.
            JournalError: If a forked child cannot open a segment.
        """
        if self.writer is None:
            if self.status != "running":
                raise RunClosedError(
                    f"run {self.id} ({self.name}) has ended; start_run(run_id={self.id!r}) continues it"
                )
            assert self.directory is not None  # noqa: S101 - a disabled run never comes here
            self.writer = self._opened(self.directory, self.past.last_time)
            if self.deployed:  # a worker may serve for months, and lanes read the segments one after the other
                log.warning(
                    "multitrack: run %s (%s) was started before this process was forked: trackers get the records of "
                    "this worker only once the parent has ended. Call start_run in each worker, such as in the app's "
                    "lifespan (docs/serving.md)",
                    self.id, self.name,
                )  # fmt: skip
        return self.writer

    def append(self, make: Callable[[int], Params | ArtifactRef | Lines | Tags], *, settled: bool = False) -> bool:
        """Create a record with the current time and write it; return True if it was written."""
        with self.lock:
            writer = self.ready()
            now = writer.now()
            record = make(now)
            written = writer.append(record)
            self.past.count += written
            self.past.redacted += record.redacted
            if now >= self.look_at:
                self.look(now, settled=settled)
        return bool(written)

    def append_metric(self, numbers: dict[str, int | float | str], step: int | None, new: Sequence[str]) -> None:
        """Write the numbers of one step, in their JSON form, and note the kind of the names that are new."""
        self.acquire()
        try:
            writer = self.writer or self.ready()
            self.past.count += writer.append_metric(numbers, step)
            if new:
                self.past.kinds.update(dict.fromkeys(new, "simple" if step is None else "series"))
            if writer.last_time >= self.look_at:
                self.look(writer.last_time, settled=True)
        finally:
            self.release()

    def append_metric_at(self, numbers: dict[str, int | float | str], step: int, time: int) -> None:
        """Write the numbers of one step with a time of their own (ms)."""
        with self.lock:
            writer = self._writer_at(time)
            self.past.count += writer.append(Metric(time=time, values=numbers, step=step))
            if time >= self.look_at:
                self.look(time, settled=False)

    def _writer_at(self, time: int) -> Writer:
        """The writer for a record with a time of its own (ms).

        Readers rely on times that never go back within a segment, so an earlier time begins another one.
        """
        writer = self.ready()
        if time < writer.last_time:
            old = writer
            self.writer = writer = self._opened(old.directory, time, time, old.number)
            self._own.clear()  # nothing is cached: the latest time is in another segment
            if self.settings.fsync:
                old.put_on_medium()
            self.past.lost += old.lost
            old.close()  # only now: in between, the run would seem to have no writer
        writer.last_time = time
        return writer

    def note(self, make: Callable[[int], Trained]) -> None:
        """Write an internal note with the current time, unless the run has ended; not counted as a data record."""
        if self.status == "running" and self.directory is not None:
            with self.lock, contextlib.suppress(JournalError):
                writer = self.ready()
                record = make(writer.now())
                if writer.append(record):
                    self._checkpoints.note(record)

    def seconds(self, timeout: float | None, call: str) -> float | None:
        """Return a timeout in seconds; None also for an invalid one that is set aside."""
        try:
            return None if timeout is None else to_seconds(timeout, "timeout")
        except TypeError as error:
            self.refuse(call, error)
            return None

    def refuse(self, call: str, error: Exception) -> None:
        """Raise the error of an invalid call, or set the call aside with ``mistakes = "warn"``."""
        if isinstance(error, JournalError):  # a forked child that cannot open a segment: not the caller's mistake
            self.past.lost += 1
            if "journal" not in self.warned:
                self.warned.add("journal")
                log.warning("multitrack: run %s: %s; records of this process are lost", self.id, error)
            return
        if self.settings.mistakes != "warn":
            raise error
        self.set_aside(call, error)

    def set_aside(self, call: str, error: BaseException) -> None:
        """Record an invalid call as a mistake: count it, write it to the journal, and warn once per kind of call."""
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

    def end(self, status: Status, models: list[ModelVersion]) -> bool:
        """Write the last record, with the versions of the run's models, and close the segment; True if written."""
        with self.lock:
            writer = self.ready() if self.ends_at is None else self._writer_at(self.ends_at)
            time = writer.now() if self.ends_at is None else self.ends_at
            written = writer.append(End(time=time, status=status, models=models))
            if not written:
                log.warning("multitrack: run %s: its end could not be written, so it will count as killed", self.id)
            self.past.lost += writer.lost
            if self.settings.fsync:
                writer.put_on_medium()
            writer.close()
            self.writer = None
            self.status = status
            self.past.last_time = max(self.past.last_time, writer.last_time)
            cache_past(writer.directory, self.past, self._own)
        return bool(written)

    def close_segment(self) -> None:
        """Close the segment without an ``End`` record, as in a forked child or a killed process."""
        with self.lock:
            if self.writer is not None:
                self.writer.close()
                self.writer = None

    def after_fork(self) -> None:
        """In a forked child, drop the parent's lock and file; new records go to a new segment."""
        self._make_lock()
        self._own.clear()
        if self.writer is not None:
            self.past.last_time = self.writer.now()
            self.writer.close()
            self.writer = None
        self.alive, self._alive_at, self._checkpoints.due = None, inf, inf
        self.look_at = self._roll_at
