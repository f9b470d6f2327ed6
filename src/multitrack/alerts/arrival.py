"""Read the records of all runs of a journal in the order of their times, and go on as the runs grow.

A run is opened when the others have come to its start, so memory holds the runs that were written at the same time,
and a few hundred records of each.
"""

from __future__ import annotations

import contextlib
import heapq
import logging
import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from multitrack.alerts.watched_run import WatchedRun
from multitrack.errors import JournalError
from multitrack.journal.layout import is_run, runs_directory
from multitrack.journal.manifest import read_manifest
from multitrack.journal.segments import is_held, segment_path
from multitrack.records import Record

log = logging.getLogger("multitrack")

Arrived = tuple[int, WatchedRun, Record]
"""A time in milliseconds, and the run and the record that it is of."""


class Arrivals:
    """The records of a journal in the order of their times.

    Args:
        journal: The journal's directory.
        since: Runs without a record since this time (ms) are left out, unless a process writes them.
        names: The tags and params to remember of each run.
        wanted: Ids of runs that are never left out.
    """

    def __init__(
        self, journal: Path, since: int, names: frozenset[tuple[str, str]], wanted: Collection[str] = ()
    ) -> None:
        self._runs = runs_directory(journal)
        self._since = since
        self._names = names
        self._wanted = wanted
        self._known: set[str] = set()
        self._listed: int | None = None  # the directory's time at the last listing
        self._coming: list[tuple[int, str, WatchedRun]] = []  # a heap by start
        self._open: dict[str, WatchedRun] = {}
        self._done: dict[str, int] = {}  # number of segments of the runs that have ended or were left out

    def find_runs(self) -> None:
        """Look for new runs; costs one call of the system if there are none."""
        try:
            stamp = self._runs.stat().st_mtime_ns
            if stamp == self._listed:
                return
            names = sorted(os.listdir(self._runs))  # noqa: PTH208 - names alone
        except FileNotFoundError:
            return
        complete = True
        for name in names:
            if name in self._known:
                continue
            if is_run(f"{self._runs}/{name}"):
                self._known.add(name)
                self._meet(self._runs / name)
            else:
                complete = False  # a run that is being made: its manifest does not change the time of this directory
        self._listed = stamp if complete and time.time_ns() - stamp > _COARSE else None

    def find_resumed(self) -> None:
        """Look for runs that were resumed."""
        for name, segments in list(self._done.items()):
            if segment_path(self._runs / name, segments + 1).exists():
                del self._done[name]
                self._add(self._runs / name, segments)

    def add(self, directory: Path) -> None:
        """Note a run that this process has just started or resumed."""
        name = directory.name
        if name in self._done:
            self._add(directory, self._done.pop(name))
        elif name not in self._known:
            self._known.add(name)
            self._add(directory)

    def read(self, until: int) -> Iterator[Arrived]:
        """Yield the records before a time (ms), oldest first.

        Of runs that are written at the same time, equal times are in the order of the runs' ids.
        """
        heap: list[tuple[int, str]] = []
        for name, run in list(self._open.items()):
            with self._readable(name):
                run.find_segments()
                self._push(heap, name, run)
        while True:
            while self._coming and self._coming[0][0] <= min(until, heap[0][0] if heap else until):
                _, name, run = heapq.heappop(self._coming)
                self._open[name] = run
                with self._readable(name):
                    run.find_segments()
                    self._push(heap, name, run)
            if not heap or heap[0][0] >= until:
                break
            _, name = heapq.heappop(heap)
            run = self._open[name]
            moment, record = run.take()
            yield moment, run, record
            with self._readable(name):
                self._push(heap, name, run)
        for name, run in list(self._open.items()):
            with self._readable(name):
                if (end := run.killed(until)) is not None:
                    yield end.time, run, end
                self._close_if_finished(name, run)

    def open_runs(self) -> Collection[str]:
        """The ids of the runs that have not ended."""
        return {*self._open, *(name for _, name, _ in self._coming)}

    def _push(self, heap: list[tuple[int, str]], name: str, run: WatchedRun) -> None:
        moment = run.next_time()
        if moment is not None:
            heapq.heappush(heap, (moment, name))
        else:
            self._close_if_finished(name, run)

    def _close_if_finished(self, name: str, run: WatchedRun) -> None:
        if run.finished() and name in self._open:
            del self._open[name]
            self._done[name] = run.segments

    @contextlib.contextmanager
    def _readable(self, name: str) -> Iterator[None]:
        """Leave out a run that can no longer be read, such as one that was deleted."""
        try:
            yield
        except OSError as error:
            self._open.pop(name, None)
            if not isinstance(error, FileNotFoundError):
                log.warning("multitrack: alerts leave out run %s: %s", name, error)

    def _meet(self, directory: Path) -> None:
        with self._readable(directory.name):
            newest, written = _last_segment(directory)
            old = written < self._since and directory.name not in self._wanted
            if old and newest and not is_held(segment_path(directory, newest)):
                self._done[directory.name] = newest
            else:
                self._add(directory)

    def _add(self, directory: Path, evaluated: int = 0) -> None:
        try:
            manifest = read_manifest(directory)
        except JournalError as error:
            log.warning("multitrack: alerts leave out a run: %s", error)
            return
        run = WatchedRun(directory, manifest, self._names, evaluated)
        heapq.heappush(self._coming, (manifest.created, directory.name, run))


#: Nanoseconds within which a directory can change without another time.
_COARSE: Final = 50_000_000
#: Milliseconds by which a file's time may be behind that of its last record.
_BEHIND: Final = 5000


def _last_segment(directory: Path) -> tuple[int, int]:
    """The number of the newest segment, 0 if there is none, and the time of the last write (ms)."""
    newest = written = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            stem, _, suffix = entry.name.partition(".")
            if suffix == "jsonl" and stem.isdigit():
                newest = max(newest, int(stem))
                written = max(written, entry.stat().st_mtime_ns // 1_000_000 + _BEHIND)
    return newest, written
