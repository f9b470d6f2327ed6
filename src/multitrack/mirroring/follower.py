"""Import the runs of observed programs as they grow, and deliver them to the configured backends.

Each pass reads a place from its start and adds what is new. The time between two passes grows with the age of the run,
so that all passes together read a long run some twenty times as often as one, and the journal gets few segments.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from multitrack._text import error_text
from multitrack.courier.sync import sync
from multitrack.errors import MultitrackError
from multitrack.journal.layout import runs_directory
from multitrack.journal.segment_file import HeldSegment
from multitrack.journal.segments import last_segment, segment_path
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source
from multitrack.migration.replay import add_backend
from multitrack.mirroring.ongoing import Ongoing
from multitrack.mirroring.places import Notes, Place
from multitrack.reading.opening import open_journal
from multitrack.sources.run import SourceRun

log = logging.getLogger("multitrack")

#: Seconds between two looks at the notes, and the least between two passes over a place.
_LOOK: Final = 0.2
_FIRST: Final = 5.0
#: Seconds between two passes, as a share of the place's age.
_SHARE: Final = 0.05
#: A run is of this session if it was written this many milliseconds before it, or later: clocks of files are coarse.
_COARSE: Final = 2000


class Follower:
    """Follows the places that some programs write to.

    Args:
        notes: The observer's file.
        journal: The journal's directory.
        backends: Backends to deliver to; None for those of the config, without the tracker that a run comes from.
        configured: The backends of the config.
        delivers: False to leave delivery to ``multitrack sync``.
    """

    def __init__(
        self,
        notes: Path,
        journal: Path,
        backends: Sequence[str] | None,
        configured: Sequence[str],
        *,
        delivers: bool,
    ) -> None:
        self._delivers = delivers
        self._notes = Notes(notes)
        self._journal = journal
        self._backends = backends
        self._configured = configured
        self._since = time.time_ns() // 1_000_000 - _COARSE
        self._begun: dict[Place, float] = {}  # when each was seen first
        self._next: dict[Place, float] = {}
        self._origins: dict[str, str] = {}  # the tracker of each imported run
        self._starter = os.getppid()  # it may go on when it has said that all is written
        self._ids: dict[tuple[Place, str], str] = {}  # of the runs, by their places and the trackers' ids
        self._delivery: threading.Thread | None = None
        self._held: dict[str, HeldSegment] = {}  # of the runs that still go on, so that readers see that
        self._failures: dict[str, None] = {}

    @property
    def failures(self) -> list[str]:
        """What could not be mirrored, each thing once."""
        return [*self._notes.failures, *self._failures]

    @property
    def runs(self) -> list[str]:
        """The ids of the runs in the journal."""
        return list(self._origins)

    @property
    def has_process(self) -> bool:
        """True if any process was observed."""
        return self._notes.has_process

    @property
    def has_use(self) -> bool:
        """True if any process used an SDK."""
        return self._notes.has_use

    def follow(self, is_over: Callable[[], bool]) -> None:
        """Import again and again, until the programs have ended; then once more.

        Args:
            is_over: Whether the program has ended; the processes that it left behind are waited for.
        """
        while True:
            was_over = is_over()
            self._notes.read_on()
            if was_over and not any(map(_lives, self._notes.pids - {self._starter})):
                break
            due = [place for place in self._notes.places if time.monotonic() >= self._next.get(place, 0.0)]
            if due:
                self._pass(due, last=False)
                if self._delivery is None or not self._delivery.is_alive():  # a tracker that is away holds up no pass
                    self._delivery = threading.Thread(target=self._deliver, name="multitrack-deliver", daemon=True)
                    self._delivery.start()
            time.sleep(_LOOK)
        for run_id in list(self._held):
            self._let_go(run_id)
        self._pass(list(self._notes.places), last=True)

    def finish_delivery(self) -> None:
        """Deliver the runs to their ends; what a tracker refuses stays pending, for ``multitrack sync``."""
        if self._delivery is not None:
            self._delivery.join()
        self._deliver()

    def _deliver(self) -> None:
        if not self._origins or not self._delivers:
            return
        try:
            sync(
                self._journal, list(self._origins), trust=[name for name in self._backends or () if ":" in name],
                wait=False, notice=lambda text: log.info("%s", text),
            )  # fmt: skip
        except MultitrackError as error:
            self._failures[str(error)] = None

    def _add_backends(self) -> None:
        """Add the backends to the manifests of new runs, which are not held meanwhile."""
        if not self._origins:
            return
        for name in self._backends if self._backends is not None else self._configured:
            own = [run for run, tracker in self._origins.items() if self._backends is not None or tracker != name]
            try:
                reader = open_journal(self._journal)
                missing = [run for run in map(reader.run, own) if name not in run.lanes()]
                held = [run.id for run in missing if self._let_go(run.id)]
                if missing:
                    add_backend(missing, name)
                for run_id in held:
                    self._hold(run_id)
            except MultitrackError as error:
                self._failures[f"{name}: {error}"] = None

    def _pass(self, places: Sequence[Place], *, last: bool) -> None:
        for place in places:
            began = time.monotonic()
            first = self._begun.setdefault(place, began)
            try:
                self._import(place, last=last)
            except Exception as error:
                log.info("%s: %s", place.address, error, exc_info=True)
                if last:
                    self._failures[f"{place.tracker} at {place.address}: {_told(error)}"] = None
            now = time.monotonic()
            self._next[place] = now + max(_FIRST, _SHARE * (now - first), 10 * (now - began))
        self._add_backends()

    def _import(self, place: Place, *, last: bool) -> None:
        def chosen(run: SourceRun) -> bool:
            if place.run is not None:
                is_chosen = run.id == place.run
            elif place.tracker == "neptune":  # a run is in one session; earlier ones are of other programs
                is_chosen = run.created >= self._since
            else:
                is_chosen = run.ended is None or run.ended >= self._since
            if is_chosen:
                self._let_go(self._ids.get((place, run.id)))  # for as long as its import takes
            return is_chosen

        source = open_source(place.address, place.tracker)
        if not last:
            source = Ongoing(source)
        try:
            for found in import_runs(source, self._journal, chosen=chosen, project=place.project, careful=False):
                if not isinstance(found, Imported):
                    if last and not found.is_empty:
                        self._failures[found.reason] = None
                    continue
                if found.outcome == "failed":
                    if last:
                        self._failures[f"{place.tracker}, run {found.name}: {found.error}"] = None
                    continue
                if found.outcome != "recorded here":
                    self._origins[found.id] = place.tracker
                    self._ids[place, found.source_id] = found.id
                if found.status == "running" and found.outcome != "recorded here" and not last:
                    self._hold(found.id)
        finally:
            source.close()

    def _hold(self, run_id: str) -> None:
        """Hold the lock of the newest segment, as the writer of a run does."""
        directory = runs_directory(self._journal) / run_id
        with contextlib.suppress(OSError):
            self._held[run_id] = HeldSegment(segment_path(directory, last_segment(directory)))

    def _let_go(self, run_id: str | None) -> bool:
        """Release a run's lock; returns False if it was not held."""
        held = self._held.pop(run_id, None) if run_id is not None else None
        if held is not None:
            held.close()
        return held is not None


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, MultitrackError) else error_text(error)


def _lives(pid: int) -> bool:
    """Return True if a process runs; one that ended and that its parent has not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has just ended, or the system has no such file
        return not Path("/proc/self/stat").exists()
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")
