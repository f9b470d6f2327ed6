"""Parents and children of a journal's runs, read as they are asked for."""

from __future__ import annotations

from pathlib import Path

from multitrack.errors import JournalError
from multitrack.journal.manifest import run_directories
from multitrack.reading import recorded_run


class Relatives:
    """What is known of the runs around those of one listing.

    Args:
        journal: The journal's directory.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._read: dict[str, recorded_run.RecordedRun] = {}
        self._children: dict[str, list[Path]] | None = None

    def run(self, directory: Path) -> recorded_run.RecordedRun:
        """A run that others descend from; read once.

        Raises:
            JournalError: It is not there, or damaged.
        """
        found = self._read.get(directory.name)
        if found is None:
            found = self._read[directory.name] = recorded_run.RecordedRun(directory, relatives=self)
        return found

    def names(self, directory: Path) -> tuple[str, ...]:
        """What a run is called: its id, and its name unless it is gone."""
        try:
            return directory.name, self.run(directory).facts.name
        except JournalError:
            return (directory.name,)

    def children(self, run_id: str) -> list[recorded_run.RecordedRun]:
        """The children of a run; the first time this looks at what every run of the journal is."""
        if self._children is None:
            self._children = {}
            for directory in run_directories(self._journal):
                try:
                    parent = recorded_run.RecordedRun(directory, relatives=self).facts.parent
                except JournalError:
                    continue
                if parent is not None:
                    self._children.setdefault(parent, []).append(directory)
        return [recorded_run.RecordedRun(directory, relatives=self) for directory in self._children.get(run_id, ())]
