"""Lookup of the parents and children of runs in one journal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from multitrack.errors import JournalError
from multitrack.journal.layout import run_directories, runs_directory
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
        parents: Yields the id of each run of the journal and its parent, with False in between if the run must be read
            for that; default: all must.
    """

    def __init__(
        self, journal: Path, label: str | None = None, shared: Container[str] = (),
        parents: Callable[[], Iterator[tuple[str, bool, str | None]]] | None = None,
    ) -> None:  # fmt: skip
        self._journal = journal
        self._runs = runs_directory(journal)
        self._parents = parents or self._not_known
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

    def directory(self, run_id: str) -> Path:
        """The directory of a run of this journal."""
        return self._runs / run_id

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

    def has_children(self, run_id: str) -> bool:
        """Return True if a run has children. The first call reads all runs whose parents are not known."""
        if self._children is None:
            self._children = {}
            for child, is_known, parent in self._parents():
                if not is_known:
                    try:
                        parent = self.read(self.directory(child)).facts.parent
                    except JournalError:
                        continue
                if parent is not None:
                    self._children.setdefault(parent, []).append(self.directory(child))
        return run_id in self._children

    def children(self, run_id: str) -> list[R]:
        """The children of a run; the first call is that of :meth:`has_children`."""
        if not self.has_children(run_id) or self._children is None:
            return []
        return [self.read(directory) for directory in self._children[run_id]]

    def _not_known(self) -> Iterator[tuple[str, bool, str | None]]:
        for directory in run_directories(self._journal):
            yield directory.name, False, None
