"""The state of each run as MLflow sees it, folded from its journal, which is read on as it grows."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from multitrack.errors import JournalError
from multitrack.journal.cursor import Cursor
from multitrack.journal.layout import is_run, run_directories
from multitrack.journal.manifest import Manifest, read_manifest
from multitrack.journal.run_ids import is_run_id
from multitrack.journal.segments import is_live
from multitrack.records import Params, Record, Tags, typed_params
from multitrack_mlflow.store.errors import not_found
from multitrack_mlflow.store.notes import NotesFile
from multitrack_mlflow.store.points import Point, Points, read_on
from multitrack_mlflow.values import param_text

#: MLflow's status of each status of a journal.
STATUS: Final = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}


class RunState:
    """One run: its manifest, notes, params, tags and latest metrics.

    Args:
        directory: The run's directory.

    Attributes:
        manifest: Its manifest.
        notes: What MLflow knows of it beyond its records.
        params: Its params as text.
        tags: Its tags, deleted ones included.
        lock: Held while they change: MLflow's server reads a run in several threads.
        latest: The latest point of each metric: of the highest step, then the latest time, then the highest value.

    Raises:
        JournalError: If the run cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.manifest: Manifest = read_manifest(directory)
        self.notes = NotesFile(directory)
        self.params: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.latest: dict[str, Point] = {}
        self._points = Points()
        self._cursor = Cursor(directory, resolved=False)
        self.lock = threading.Lock()

    @property
    def id(self) -> str:
        """The run's id."""
        return self.directory.name

    @property
    def position(self) -> int:
        """Number of records read so far."""
        return self._cursor.position

    def read_on(self) -> RunState:
        """Read what was written since."""
        with self.lock:
            for record in read_on(self._cursor):
                self._add(record)
        return self

    def _add(self, record: Record) -> None:
        if isinstance(record, Params):
            self.params |= {key: param_text(value) for key, value in typed_params(record).items()}
        elif isinstance(record, Tags):
            self.tags |= record.values
        else:
            for name, point in self._points.of(record):
                if name not in self.latest or point > self.latest[name]:
                    self.latest[name] = point

    def status(self) -> str:
        """The run's status in MLflow; a run whose writer died without ending it was killed."""
        end = self._cursor.ended
        if end is not None:
            return STATUS[end.status]
        if is_live(self.directory):
            return "SCHEDULED" if self.notes.get().scheduled else "RUNNING"
        return "KILLED"

    def ended(self) -> int | None:
        """Time of the run's end (ms); None while it runs."""
        notes = self.notes.get()
        if notes.ended is not None or notes.closed:
            return notes.ended
        if self._cursor.ended is None and is_live(self.directory):
            return None
        return self._cursor.last_time

    def last_end(self) -> int:
        """Time of the end in the journal (ms); of the last record if the run has none."""
        return self._cursor.last_time if self._cursor.ended is None else self._cursor.ended.time

    def shown_tags(self) -> dict[str, str]:
        """The tags without those that were deleted."""
        removed = set(self.notes.get().removed)
        return {key: value for key, value in self.tags.items() if key not in removed}


class RunStates:
    """The runs of a journal, each read once and then only as far as it grew.

    Args:
        journal: The journal's directory.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._known: dict[str, RunState] = {}

    def get(self, run_id: str) -> RunState:
        """Read a run.

        Raises:
            MlflowException: If there is no such run.
        """
        directory = self._journal / "runs" / run_id
        if not is_run_id(run_id) or not is_run(directory):
            raise not_found(f"Run with id={run_id} not found")
        state = self._known.get(run_id)
        if state is None:
            state = self._known.setdefault(run_id, RunState(directory))
        return state.read_on()

    def all(self) -> list[RunState]:
        """All runs, without reading on in their records; runs that cannot be read are left out."""
        found = []
        if not (self._journal / "runs").is_dir():
            return []
        for directory in run_directories(self._journal):
            try:
                state = self._known.get(directory.name) or RunState(directory)
            except JournalError:
                continue
            found.append(self._known.setdefault(directory.name, state))
        return found
