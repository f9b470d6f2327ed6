"""The delivery of one run to all its backends, as the lanes' files and the journal show it."""

from __future__ import annotations

import dataclasses
import threading
from urllib.parse import unquote

from multitrack.delivery.handover import data_records
from multitrack.delivery.lane_state import LaneState
from multitrack.errors import JournalError
from multitrack.hookspecs import RunInfo
from multitrack.journal.cursor import Cursor
from multitrack.reading.recorded_run import RecordedRun
from multitrack_prometheus.labels import run_directory


@dataclasses.dataclass(frozen=True)
class LaneCounts:
    """The delivery to one backend.

    Attributes:
        pending: Number of records that are in the journal and not delivered.
        set_aside: Number of records that the tracker refused for good.
        stopped: True if the lane waits for ``multitrack sync``.
    """

    pending: int
    set_aside: int
    stopped: bool


class Lanes:
    """The lanes of one run. Thread-safe.

    Records of the journal are counted as they come, so that a look costs what was written since the last one.

    Args:
        run: The run.
    """

    def __init__(self, run: RunInfo) -> None:
        self._directory = run_directory(run)
        self._run = RecordedRun(self._directory)
        self._own = unquote(run.directory.name)
        self._cursor = Cursor(self._directory, resolved=False)
        self._records = 0
        self._lock = threading.Lock()

    def lines(self) -> int:
        """Number of lines in the journal."""
        with self._lock:
            self._read()
            return self._cursor.position

    def records(self) -> int:
        """Number of records in the journal that are delivered to backends."""
        with self._lock:
            self._read()
            return self._records

    def _read(self) -> None:
        while found := self._cursor.read():
            self._records += sum(map(data_records, found))

    def counts(self, taken: int) -> dict[str, LaneCounts]:
        """The delivery to each backend, by name; empty if the run's directory is gone.

        Args:
            taken: Number of records that this backend has taken. Its lane saves that only after the values are shown.
        """
        states = self._states()  # before the journal: a record that is written in between counts as pending
        try:
            records = self.records()
        except OSError:
            return {}
        counts = {}
        for name, state in states.items():
            done = max(state.delivered + state.set_aside, taken if name == self._own else 0)
            counts[name] = LaneCounts(max(0, records - done), state.set_aside, state.stopped)
        return counts

    def is_ahead(self, position: int, *, ended: bool) -> bool:
        """Return True if this backend's lane is ahead of a position: another courier has it, or the run is gone.

        Args:
            position: The position up to which records were taken.
            ended: True if the end of the run was taken.
        """
        state = self._states().get(self._own)
        if state is None or state.closed:  # closed, the position is behind the end, which is no record for a backend
            return state is None or not ended
        return state.position > position

    def _states(self) -> dict[str, LaneState]:
        try:
            return self._run.lanes() if self._directory.exists() else {}
        except JournalError:  # it was deleted just now
            return {}
