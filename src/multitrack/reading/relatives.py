"""Lookup of the parents and children of runs in one journal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from multitrack.errors import JournalError
from multitrack.journal.layout import run_directories
from multitrack.journal.manifest import Manifest


class Named(Protocol):
    """A run as it was read."""

    @property
    def facts(self) -> Manifest:
        """Its manifest."""


R = TypeVar("R", bound=Named)


class RelativesOf(ABC, Generic[R]):
    """Lookup of parents and children, shared by the runs of one listing.

    Args:
        journal: The journal's directory.
        label: The journal's label; default: by its directory.
        shared: Ids that different runs of another journal of the listing have, too.
    """

    def __init__(self, journal: Path, label: str | None = None, shared: Container[str] = ()) -> None:
        self._journal = journal
        self._label = label
        self._shared = shared
        self._read: dict[str, R] = {}
        self._children: dict[str, list[Path]] | None = None

    @property
    def label(self) -> str:
        """The journal's label."""
        if self._label is None:
            from multitrack.reading.labels import label_of  # noqa: PLC0415 - training code opens no journal

            self._label = label_of(self._journal)
        return self._label

    def address(self, run_id: str) -> str:
        """The id of a run of this journal in the listing: with the label if another journal has it, too."""
        return f"{self.label}:{run_id}" if run_id in self._shared else run_id

    @abstractmethod
    def read(self, directory: Path) -> R:
        """Read a run of the journal.

        Raises:
            JournalError: If the run is missing or damaged.
        """

    def run(self, directory: Path) -> R:
        """Read an ancestor of other runs, once.

        Raises:
            JournalError: If the run is missing or damaged.
        """
        found = self._read.get(directory.name)
        if found is None:
            found = self._read[directory.name] = self.read(directory)
        return found

    def names(self, directory: Path) -> tuple[str, ...]:
        """The id and name of a run; only the id if the run cannot be read."""
        try:
            return self.address(directory.name), self.run(directory).facts.name
        except JournalError:
            return (self.address(directory.name),)

    def children(self, run_id: str) -> list[R]:
        """The children of a run; the first call reads the parents of all runs of the journal."""
        if self._children is None:
            self._children = {}
            for directory in run_directories(self._journal):
                try:
                    parent = self.read(directory).facts.parent
                except JournalError:
                    continue
                if parent is not None:
                    self._children.setdefault(parent, []).append(directory)
        return [self.read(directory) for directory in self._children.get(run_id, ())]
