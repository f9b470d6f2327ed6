"""One backend's way through one run's journal: its position, its retries, what it set aside.

A lane reads the journal from its start, passes over what its backend holds, hands the rest over stretch by
stretch, lets the backend flush, and then saves its position. It shares nothing with other lanes.
"""

from __future__ import annotations

import errno
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack import plugins
from multitrack._text import clean_text, error_text
from multitrack.delivery import loading
from multitrack.delivery.backoff import Pace
from multitrack.delivery.lane_lock import LaneLock
from multitrack.delivery.lane_state import LaneState, lane_file, read_state, state_of
from multitrack.delivery.set_aside import REASONS, count_reasons, keep_asides, read_asides
from multitrack.delivery.trust import Trust
from multitrack.environment import warned
from multitrack.environment.directory import with_reason
from multitrack.errors import BackendError, DeniedError, JournalError, PluginError, RetryableError
from multitrack.hookspecs import Opened, RunInfo
from multitrack.journal.atomic import write_json
from multitrack.journal.cursor import Cursor
from multitrack.journal.manifest import BackendEntry, context_of, read_manifest
from multitrack.journal.segments import is_live
from multitrack.journal.writer import close_dead
from multitrack.records import DATA, ArtifactRef, Lines, ListMetric, Metric, Params, Record, Tags
from multitrack.security.redaction import Redactor, secret_values

#: How long an opening lane waits for the manifest's slower facts, in seconds.
_CONTEXT_WAIT: Final = 5.0
#: How often a parent is looked for that another machine delivers, twice a second; within what an end waits.
_LOOKS: Final = 40
#: Troubles of this machine that pass: a full disk, out of file descriptors or memory.
_PASSING: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}

_DataHook = Callable[[RunInfo, Any], Sequence[str]]


class Lane:
    """Drives one backend for one run; one thread at a time.

    Args:
        directory: The run's directory.
        entry: The backend, as the manifest has it.
        options: The options with their secrets, where the training process passed them on.
        plugin: The backend object, in the training process's own thread host.
        notice: Called with a sentence for the user, once a trouble.
        trust: What the journal is believed, where the training process passed nothing on.
        interval: Seconds between looks at a journal that is read to its end.

    Attributes:
        pace: How fast it goes, and when it is due again.
        busy: Set by the courier while a worker has the lane.
        idle: The last step found nothing to do: everything is delivered of a run that goes on, or another
            courier drives this lane.
    """

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
        self.state.stopped = False  # whatever stopped an earlier courier, this one tries
        self.pace = Pace(interval)
        self.busy = False
        self.idle = False
        self._abandoned = False
        self._entry = entry
        self._given_options = options
        self._plugin = plugin
        self._notice = notice
        self._trust = trust or Trust()
        self._redactor = Redactor(secrets=secret_values(options or {}))
        self._lock = LaneLock(directory, entry.name)
        self._backend: plugins.Backend | None = None
        self._start_over()
        self._furthest = (0, 0)  # cursor and hook; what is done again is no movement
        self._born = time.monotonic()
        self._told: str | None = None
        self._looks = 0

    def _start_over(self) -> None:
        """Forget how far the lane is: the run is opened anew, which says where to go on."""
        self._run: RunInfo | None = None
        self._cursor = Cursor(self.directory)
        self._start = 0
        self._saved_in: int | None = None  # the segment that the position to go on at lies in
        self._passed = 0  # data records below the cursor
        self._handed = 0  # where the cursor stood after the last stretch
        self._stretch: list[Record] = []  # read, not yet taken by the tracker
        self._aside: dict[int, str] = {}  # of this stretch

    @property
    def holder(self) -> str | None:
        """The process whose courier drives this lane, in words, where that is another one."""
        return self._lock.holder

    @property
    def opened(self) -> bool:
        """Whether this courier has opened the run in the tracker."""
        return self._run is not None

    @property
    def done(self) -> bool:
        """Whether this lane needs no courier any more."""
        return self.state.settled or self.state.stopped

    def wants(self, now: float) -> bool:
        """Whether a step would do something; cheap, called each tick for every lane.

        Where it would not, the journal was looked at, and is again after the interval.
        """
        if self.busy or self.done or not self.pace.ready(now):
            return False
        try:
            if self._run is None or self._stretch or not self.state.linked or not self._cursor.at_rest():
                return True
        except OSError:
            return True  # the journal was taken away: the step will say so, and stop this lane alone
        self.pace.look_again()
        return False

    def step(self) -> bool:
        """Do the next piece of work; whether there is more to do at once. Never raises."""
        if self._abandoned:
            return False
        try:
            with warned.no_errors():
                again = self._step()
        except RetryableError as error:
            if error.reopen:
                self._start_over()
            self._pause(self._message(error), error.after)
            return False
        except OSError as error:
            if error.errno not in _PASSING:
                self._stop(self._worded(error))
            else:
                self._pause(self._worded(error), None)
            return False
        except DeniedError as error:
            self._stop(self._message(error))
            return False
        except Exception as error:  # noqa: BLE001 - a backend may raise anything; it is kept and reported
            if warned.by_filters(error):
                self._pause(self._worded(error), None)
            else:
                self._stop(self._worded(error))
            return False
        return again

    def give_up(self, error: BaseException) -> bool:
        """Stop for a reason that is no tracker's trouble; always false, as there is nothing more to do."""
        try:
            self._stop(self._worded(error))
        except Exception as trouble:  # noqa: BLE001 - as a last resort it is said
            self.state.stopped = True
            self._notice(f"{self.name}: {error_text(error)}; and that could not be written down: {error_text(trouble)}")
        return False

    def _message(self, error: BackendError) -> str:
        """What a backend says of a trouble, without the class that it says it with."""
        return self._clean(error_text(error).removeprefix(f"{type(error).__name__}: "))

    def _worded(self, error: BaseException) -> str:
        """An error as files and messages may have it: a tracker's may quote a key."""
        return self._clean(error_text(error))

    def _clean(self, text: str) -> str:
        """A text of a tracker or plugin as files and screens may have it."""
        return self._redactor.begin().text(clean_text(text))

    def abandon(self) -> None:
        """Leave the lane to other couriers for good, whatever a worker is doing with it just now."""
        self._abandoned = True
        self.release()

    def release(self) -> None:
        """Give up the lock, until the next step; a lane that is done lets go of what it knew of its run as well."""
        self._lock.release()
        if self.done:
            self._start_over()

    def _step(self) -> bool:
        self.idle = False
        if not self._lock.held and not self._take_lock():
            self.idle = True
            self.pace.rest(1.0)
            self.state = state_of(self.directory, self.name)
            return False
        if self._run is None:
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
            self.idle = True  # a live run: everything it has written is delivered
        return False

    def _take_lock(self) -> bool:
        if not self._lock.take():
            return False
        if self._abandoned:  # meanwhile
            self.release()
            return False
        self.state = state_of(self.directory, self.name)
        if self.state.settled:  # by whoever had the lane until now: opened again, it would count as running
            self.release()
            return False
        self.state.stopped, self.state.problem, self.state.opening = False, None, True
        self._save()
        return True

    def _open(self) -> bool:
        manifest = read_manifest(self.directory)
        context = context_of(self.directory, manifest)
        waited = time.monotonic() - self._born
        if context is not None and not context.complete and waited < _CONTEXT_WAIT and is_live(self.directory):
            self.pace.rest(0.05)
            return False
        backend, options, refused = loading.load(self._entry, self._plugin, self._given_options, self._trust)
        self._note_stand_ins(refused)
        run = loading.told(self.directory, self.name, manifest, context, options)
        opened = self._redacted(backend.open_run(run))
        self._start = self.state.position if opened.position is None else max(0, opened.position)
        self._saved_in = self.state.segment if opened.position is None else None
        self._backend, self._run = backend, msgspec.structs.replace(run, backend_id=opened.id)
        asides = {
            ordinal: why for ordinal, why in read_asides(self.directory, self.name).items() if ordinal < self._start
        }
        self.state = LaneState(
            self.name, position=self._start, segment=self.state.segment, id=opened.id, url=opened.url,
            set_aside=len(asides),
            reasons=count_reasons(asides.values()), stand_ins=self.state.stand_ins, linked=manifest.parent is None,
            moves=self.state.moves,
        )  # fmt: skip
        self._save()  # no success yet: what opens and then fails must not be tried without a pause
        return True

    def _redacted(self, opened: Opened) -> Opened:
        """What the tracker said of a run, as files and screens may have it: its URL may have the user's password."""
        url = None if opened.url is None else self._clean(str(opened.url))
        return msgspec.structs.replace(opened, id=self._clean(str(opened.id)), url=url)

    def _deliver(self) -> None:
        assert self._backend is not None and self._run is not None  # noqa: S101 - opened before
        if self._saved_in is not None and self._cursor.segment > self._saved_in and self._stretch:
            # A power cut may take the journal's newest lines after they were delivered: what a resumed run writes
            # must not be taken for them.
            self._start = min(self._start, self._stretch[0].ordinal)
        kinds: defaultdict[type[Record], list[Record]] = defaultdict(list)
        for record in self._stretch:
            kinds[type(record)].append(record)
        fresh = bool(self._stretch) and self._stretch[-1].ordinal >= self._start
        began = time.monotonic()
        hooks: tuple[tuple[type[Record], _DataHook], ...] = (
            (Params, self._backend.log_params),
            (Metric, self._backend.log_metric),
            (ListMetric, self._backend.log_list_metric),
            (ArtifactRef, self._backend.log_artifact_ref),
            (Lines, self._backend.log_lines),
            (Tags, self._backend.set_tags),
        )
        for i, (kind, hook) in enumerate(hooks):
            records = [record for record in kinds[kind] if record.ordinal >= self._start] if fresh else []
            if records:
                self._hand_over(hook, records)
                if (self._cursor.position, i) > self._furthest:
                    self._furthest = (self._cursor.position, i)
                    self.state.moves += 1
                    self._save()  # a slow tracker may take long for each hook: whoever waits sees that it moves
        if fresh:
            self.state.position = self._backend.flush(self._run, self._cursor.position)
        self.pace.took(time.monotonic() - began)
        self.state.segment = self._cursor.segment
        self._passed += sum(len(kinds[kind]) for kind in DATA)
        self._keep_asides()
        self.state.delivered = self._passed - self.state.set_aside
        self.state.damaged = len(self._cursor.damaged)
        self._stretch = []
        self._handed = self._cursor.position
        self._succeeded()

    def _hand_over(self, hook: _DataHook, records: Sequence[Record]) -> None:
        """Call a data hook; where it refuses, once more record by record, and set aside what is refused alone."""
        assert self._run is not None  # noqa: S101 - opened before
        try:
            stand_ins = hook(self._run, records)
        except (RetryableError, DeniedError, PluginError):
            raise
        except Exception as error:  # whatever a backend raises is kept as the reason
            if warned.by_filters(error) or (isinstance(error, OSError) and error.errno in _PASSING):
                raise
            if len(records) > 1:
                for record in records:
                    self._hand_over(hook, [record])
            else:
                self._aside[records[0].ordinal] = self._worded(error)
        else:
            self._note_stand_ins(stand_ins)

    def _note_stand_ins(self, stand_ins: Sequence[str]) -> None:
        known = self.state.stand_ins
        for text in (self._clean(str(stand_in)) for stand_in in stand_ins):
            if text not in known and len(known) <= REASONS:
                known.append(text if len(known) < REASONS else "and more")

    def _close(self) -> bool:
        assert self._backend is not None and self._run is not None  # noqa: S101 - opened before
        ended = self._cursor.ended
        if ended is None:
            return close_dead(self.directory, self._cursor.last_time)
        self._note_stand_ins(self._backend.close_run(self._run, ended.status, ended.time))
        self.state.closed, self.state.segment = True, self._cursor.segment
        self.state.position = self._cursor.position
        self._succeeded()
        return True

    def _link(self) -> None:
        """Show the parent in the tracker once its id there is known; only waits, never holds anything up."""
        assert self._backend is not None and self._run is not None  # noqa: S101 - opened before
        parent = self.directory.parent / str(self._run.parent)
        try:
            expected = any(entry.name == self.name for entry in read_manifest(parent).backends)
            parent_id = read_state(parent, self.name).id
        except JournalError:  # in the journal of another machine
            parent_id = self._backend.find_run(self._run, str(self._run.parent))
            self._looks += 1
            expected = self._backend.finds and self._looks < _LOOKS
            if parent_id is None and self._backend.finds and not expected:
                self._note_stand_ins(
                    [f"the link to the parent run is missing: {self._run.parent} is not in {self.name}"]
                )
        if parent_id is None and expected:
            self.pace.rest(0.5)
            return
        if parent_id is not None:
            try:
                self._backend.link_parent(self._run, parent_id)
            except (RetryableError, DeniedError, PluginError):
                raise
            except Exception as error:  # noqa: BLE001 - a missing link must not hold the records up
                self._note_stand_ins([f"the link to the parent run is missing: {self._worded(error)}"])
        self.state.linked = True
        self._succeeded()

    def _succeeded(self) -> None:
        if self.pace.tries and self._told is not None:
            self._notice(f"{self.name}: delivering again")
        self.pace.tries, self._told, self.state.problem = 0, None, None
        self._save()

    def _pause(self, problem: str, after: float | None) -> None:
        self.pace.failed(after)
        self._aside.clear()
        self._tell(problem, "training goes on, delivery is tried again")

    def _stop(self, problem: str) -> None:
        self.state.stopped = True
        self._told = None  # whatever was said of another try does not hold any more
        self._tell(problem, "its records stay in the journal; mend the cause, then run `multitrack sync`")
        self.release()

    def _tell(self, problem: str, what_next: str) -> None:
        problem = with_reason(problem)
        self.state.problem = problem
        if self._told is None:
            self._notice(f"{self.name}: {problem} ({what_next})")
        self._told = problem
        self._save()

    def _save(self) -> None:
        if not self._lock.held:
            return  # given up meanwhile: another courier may have the lane, and its state
        self.state.updated = time.time_ns() // 1_000_000
        path = lane_file(self.directory, self.name)
        try:
            write_json(path, self.state)
        except OSError as error:  # a full disk: the old position holds, so a restart redelivers
            if self._told is None:
                self._notice(f"{self.name}: cannot save its position: {error}")
                self._told = str(error)

    def _keep_asides(self) -> None:
        if not self._aside:
            return
        keep_asides(self.directory, self.name, self._aside)
        self.state.set_aside += len(self._aside)
        self.state.reasons = count_reasons(self._aside.values(), self.state.reasons)
        first = next(iter(self._aside.values()))
        self._notice(f"{self.name}: {len(self._aside)} records set aside: {first} (kept in the journal)")
        self._aside = {}
