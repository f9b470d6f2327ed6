"""What MLflow knows of a run beyond its records: a small file beside the run's journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from multitrack.journal.prepared import prepared
from multitrack_mlflow.store.files import NOTES, Files, read, write


class DatasetNote(msgspec.Struct, frozen=True):
    """A dataset that the run used.

    Attributes:
        dataset: The fields of MLflow's ``Dataset``.
        tags: The tags of this use, such as its context.
    """

    dataset: dict[str, Any]
    tags: dict[str, str]


class RunNotes(msgspec.Struct, omit_defaults=True):
    """The file of a run.

    Attributes:
        experiment: The experiment's id; None for runs that multitrack recorded itself, whose project tells it.
        user: The user id that the client gave.
        started: The start time that the client gave (ms).
        ended: The end time that the client gave (ms).
        closed: True if the client ended the run, with the end time above or without one.
        scheduled: True if the client said that the run has not begun.
        removed: Names of tags that were deleted; the journal keeps their records.
        artifacts: The URI of the run's artifacts.
        datasets: The datasets that were its inputs.
        models: Ids of the logged models that were its inputs.
        outputs: Step of each logged model that was its output, by id.
    """

    experiment: str | None = None
    user: str | None = None
    started: int | None = None
    ended: int | None = None
    closed: bool = False
    scheduled: bool = False
    removed: list[str] = []
    artifacts: str | None = None
    datasets: list[DatasetNote] = []
    models: list[str] = []
    outputs: dict[str, int] = {}

    def keep_tags(self, names: Iterable[str]) -> None:
        """Show tags again that are set again."""
        again = set(names)
        self.removed = [name for name in self.removed if name not in again]


class NotesFile:
    """The notes of one run, read again whenever the file changes.

    Args:
        directory: The run's directory.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / NOTES
        self._stamp: tuple[int, int, int] | None = None
        self._notes = RunNotes()

    def get(self) -> RunNotes:
        """The current notes; empty ones for a run that MLflow never touched."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return self._notes
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp != self._stamp:
            self._notes, self._stamp = read(self._path, RunNotes) or RunNotes(), stamp
        return self._notes

    def change(self, files: Files, change: Callable[[RunNotes], object]) -> RunNotes:
        """Change the notes and write the file."""
        with files.changing():
            notes = msgspec.convert(msgspec.to_builtins(self.get()), prepared(RunNotes))
            change(notes)
            write(self._path, notes)
            return self.get()
