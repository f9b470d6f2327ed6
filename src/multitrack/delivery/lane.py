"""Deliver one run's journal to one backend: position, retries, records set aside.

A lane reads the journal from its start, skips the records that its backend already has, and delivers the rest in
batches. After each batch it lets the backend flush and saves its position. It shares nothing with other lanes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from multitrack import plugins
from multitrack._text import error_text
from multitrack.delivery.backoff import Pace
from multitrack.delivery.handover import PASSING, Handover, by_hook, data_records, missing_of
from multitrack.delivery.lane_lock import LaneLock
from multitrack.delivery.lane_state import LaneState, state_of
from multitrack.delivery.loading import BackendSource, is_gathering, run_info
from multitrack.delivery.notices import Notices
from multitrack.delivery.parent_link import ParentLink
from multitrack.delivery.set_aside import count_asides
from multitrack.delivery.trust import Trust
from multitrack.environment import warned
from multitrack.errors import DeniedError, RetryableError
from multitrack.hookspecs import RunInfo
from multitrack.journal.cursor import Cursor
from multitrack.journal.manifest import BackendEntry, context_of, read_manifest
from multitrack.journal.writer import close_dead
from multitrack.records import Record
from multitrack.security.redaction import Redactor, secret_values


class Lane:
    """Delivers one run to one backend; used by one thread at a time.

    Args:
        directory: The run's directory.
        entry: The backend's entry in the manifest.
        options: The options with their secrets, if the training process passed them on.
        plugin: The backend object, in the training process's own thread host.
        notice: Called with a sentence for the user, once per problem.
        trust: Trusted contents of the journal, if the training process passed no options on.
        interval: Seconds between checks of a journal that is read to its end.

    Attributes:
        pace: Batch size, backoff, and the time of the next step.
        busy: True while a worker of the courier has the lane.
        idle: True if the last step found nothing to do: a live run is delivered, or another courier drives this lane.
        opened: True if this courier has opened the run in the tracker.
    """

    _backend: plugins.Backend  # set once the run is opened
    _run: RunInfo

    def __init__(
        self,
        directory: Path,
        entry: BackendEntry,
        *,
        options: dict[str, Any] | None = None,
        plugin: object | None = None,
        notice: Callable[[str], None],
        trust: Trust | None = None,
        interval: float = 1.0,
    ) -> None:
        self.directory = directory
        self.name = entry.name
        self.state = state_of(directory, entry.name)
        self.state.stopped = False  # a new courier tries again, whatever stopped an earlier one
        self.pace = Pace(interval)
        self.busy = False
        self.idle = False
        self._abandoned = False
        self._source = BackendSource(entry, plugin, options, trust or Trust())
        self._notices = Notices(self.name, notice, Redactor(secrets=secret_values(options or {})))
        self._lock = LaneLock(directory, entry.name)
        self._start_over()
        self._furthest = (0, 0)  # cursor position and hook number; repeated deliveries do not count as moves
        self._born = time.monotonic()
        self._parent_link = ParentLink(directory, self.name, self._notices)

    def _start_over(self) -> None:
        """Reset the lane; the next step opens the run again, which gives the position to resume at."""
        self.opened = False
        self._cursor = Cursor(self.directory)
        self._start = 0
        self._saved_in: int | None = None  # the segment of the position to resume at
        self._passed = 0  # data records below the cursor
        self._handed = 0  # position of the cursor after the last batch
        self._stretch: list[Record] = []  # the batch that was read and is not delivered yet
        self._handover = Handover(self.directory, self.name, self._notices)

    @property
    def holder(self) -> str | None:
        """The other process whose courier drives this lane, in words; None if there is none."""
        return self._lock.holder

    @property
    def done(self) -> bool:
        """True if this lane needs no courier any more."""
        return self.state.settled or self.state.stopped

    def wants(self, now: float) -> bool:
        """Return True if a step is needed; if the journal has nothing new, the next check is after the interval."""
        if self.busy or self.done or not self.pace.ready(now):
            return False
        try:
            if not self.opened or self._stretch or not self.state.linked or not self._cursor.at_rest():
                return True
        except OSError:
            return True  # the journal was removed: the step will report it, and stop only this lane
        self.pace.look_again()
        return False

    def step(self) -> bool:
        """Do the next piece of work; return True if there is more to do at once. Never raises."""
        if self._abandoned:
            return False
        try:
            with warned.no_errors():
                return self._step()
        except Exception as error:  # noqa: BLE001 - a backend may raise anything; the error is saved and reported
            if (why := self._lock.lost()) is None:
                self._fail(error)
                return False
            self._notices.say(f"run {self.directory.name} is delivered elsewhere or again: {why}")
            self._lock.release()
            self._start_over()
            return self._leave()

    def _fail(self, error: Exception) -> None:
        """Schedule a retry or stop the lane, depending on the error."""
        if isinstance(error, RetryableError):
            if error.reopen:
                self._start_over()
            self._pause(self._notices.message(error), error.after)
        elif isinstance(error, DeniedError):
            self._stop(self._notices.message(error))
        elif (isinstance(error, OSError) and error.errno in PASSING) or warned.by_filters(error):
            self._pause(self._notices.worded(error), None)
        else:
            self._stop(self._notices.worded(error))

    def give_up(self, error: BaseException) -> bool:
        """Stop because of an error that is not an ``Exception``, such as ``SystemExit``; always return False."""
        try:
            self._stop(self._notices.worded(error))
        except Exception as trouble:  # noqa: BLE001 - as a last resort, only notify the user
            self.state.stopped = True
            self._notices.say(f"{error_text(error)}; this could not be saved: {error_text(trouble)}")
        return False

    def abandon(self) -> None:
        """Leave the lane to other couriers for good, even while a worker has it."""
        self._abandoned = True
        self.release()

    def release(self) -> None:
        """Release the lock until the next step; a lane that is done frees its memory as well."""
        self._lock.release()
        if self.done:
            self._start_over()

    def _step(self) -> bool:
        self.idle = False
        if not self._lock.held:
            state = self._lock.take()
            if state is None or self._abandoned:
                self._lock.release()
                return self._leave()
            self.state = state
            self._save()
        self._lock.check()
        if not self.opened:
            return self._open()
        if not self._stretch and not self.state.closed:
            self._stretch = self._cursor.read(self.pace.records, self.pace.bytes)
        if self._stretch or self._cursor.position > self._handed:
            self._deliver()
            return True
        if not self.state.linked:
            self._link()
        if not self.state.closed:
            if self._cursor.at_end():
                return self._close()
            self.idle = True  # a live run: everything written so far is delivered
        return False

    def _leave(self) -> bool:
        """Leave the lane to the process that has it; always return False."""
        self.idle = True
        self.pace.rest(1.0)
        self.state = state_of(self.directory, self.name)
        return False

    def _open(self) -> bool:
        manifest = read_manifest(self.directory)
        context = context_of(self.directory, manifest)
        if is_gathering(self.directory, context, time.monotonic() - self._born):
            self.pace.rest(0.05)
            return False
        backend, options, refused = self._source.load()
        self._note_stand_ins(refused)
        run = run_info(self.directory, self.name, manifest, context, options)
        opened = backend.open_run(run)
        self._start = self.state.position if opened.position is None else max(0, opened.position)
        self._saved_in = self.state.segment if opened.position is None else None
        clean = self._notices.clean
        backend_id, url = clean(str(opened.id)), opened.url and clean(str(opened.url))  # which may contain a password
        self._backend, self._run = backend, msgspec.structs.replace(run, backend_id=backend_id)
        self.opened = True
        self.state = LaneState(
            self.name, position=self._start, segment=self.state.segment, id=backend_id, url=url,
            stand_ins=self.state.stand_ins, linked=manifest.parent is None, moves=self.state.moves,
        )  # fmt: skip
        count_asides(self.directory, self.state)
        self._save()  # no success yet: a lane that opens and then fails must back off
        return True

    def _deliver(self) -> None:
        if self._saved_in is not None and self._cursor.segment > self._saved_in and self._stretch:
            # A power cut may remove the journal's newest lines after they were delivered. Records of a resumed run
            # with the same ordinals must not be skipped as delivered.
            self._start = min(self._start, self._stretch[0].ordinal)
        fresh = [record for record in self._stretch if record.ordinal >= self._start]
        self._note_stand_ins(missing_of(fresh))
        began = time.monotonic()
        for i, (hook, some) in enumerate(by_hook(self._backend, fresh)):
            if some:
                self._lock.check()
                self._note_stand_ins(self._handover.call(hook, self._run, some))
                if (self._cursor.position, i) > self._furthest:
                    self._furthest = (self._cursor.position, i)
                    self.state.moves += 1
                    self._save()  # a slow tracker may take long for each hook: show waiting processes that it moves
        if fresh:
            self._lock.check()
            self.state.position = self._backend.flush(self._run, self._cursor.position)
        self.pace.took(time.monotonic() - began)
        self.state.segment = self._cursor.segment
        self._passed += sum(map(data_records, self._stretch))
        self._handover.keep(self.state)
        self.state.delivered = self._passed - self.state.set_aside
        self.state.damaged = len(self._cursor.damaged)
        self._stretch = []
        self._handed = self._cursor.position
        self._succeeded()

    def _close(self) -> bool:
        ended = self._cursor.ended
        if ended is None:
            return close_dead(self.directory, self._cursor.last_time)
        if ended.models:
            self._note_stand_ins(self._handover.register(self._backend, self._run, ended.models))
        self._note_stand_ins(self._backend.close_run(self._run, ended.status, ended.time))
        self.state.closed, self.state.segment = True, self._cursor.segment
        self.state.position = self._cursor.position
        self._succeeded()
        return True

    def _link(self) -> None:
        missing = self._parent_link.try_to(self._backend, self._run)
        if missing is None:
            self.pace.rest(0.5)
            return
        self._note_stand_ins(missing)
        self.state.linked = True
        self._succeeded()

    def _note_stand_ins(self, texts: Iterable[object]) -> None:
        self.state.note_stand_ins(self._notices.clean(str(text)) for text in texts)

    def _succeeded(self) -> None:
        self._notices.success(after_tries=bool(self.pace.tries))
        self.pace.tries, self.state.problem = 0, None
        self._save()

    def _pause(self, problem: str, after: float | None) -> None:
        self.pace.failed(after)
        self._handover.refused.clear()
        self.state.problem = self._notices.trouble(problem, "training goes on, delivery will be retried")
        self._save()

    def _stop(self, problem: str) -> None:
        self.state.stopped = True
        self._notices.begin_anew()  # report this problem even if an earlier one was reported
        what_next = "its records stay in the journal; fix the cause, then run `multitrack sync`"
        self.state.problem = self._notices.trouble(problem, what_next)
        self._save()
        self.release()

    def _save(self) -> None:
        try:
            self._lock.save(self.state)
        except OSError as error:  # a full disk: the old position stays, so a restart redelivers
            self._notices.once(f"cannot save its position: {error}")
