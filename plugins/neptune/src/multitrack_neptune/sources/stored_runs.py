"""Runs in files of Neptune's clients: each is opened, and its records are read before the next one."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Protocol

from multitrack.errors import SourceError
from multitrack.hookspecs import Gap, SourceRecord, SourceRun


class StoredRun(Protocol):
    """A run whose facts were read.

    Attributes:
        run: The facts.
    """

    run: SourceRun

    def records(self) -> Iterator[SourceRecord]:
        """Yield the records of the run."""
        ...


class StoredRuns(ABC):
    """The runs of a place.

    Args:
        address: The place.

    Attributes:
        tracker: ``neptune``.
        address: The place.
        notes: None.
    """

    def __init__(self, address: str) -> None:
        self.tracker = "neptune"
        self.notes: Sequence[str] = ()
        self.address = address
        self._current: StoredRun | None = None

    @abstractmethod
    def opened(self) -> Iterator[StoredRun | Gap]:
        """Yield each run with its facts, or a gap for one that cannot be read."""

    def runs(self) -> Iterator[SourceRun | Gap]:
        """Yield each run in the order of the times when their first files were made."""
        for stored in self.opened():
            if isinstance(stored, Gap):
                yield stored
            else:
                self._current = stored
                yield stored.run

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        """Yield params, tags and references at the run's start, then its values by time.

        Raises:
            SourceError: If a file cannot be read any more.
        """
        stored = self._current
        assert stored is not None  # noqa: S101 - a run was read
        assert stored.run == run  # noqa: S101 - its records are read before those of the next run
        try:
            yield from stored.records()
        except (sqlite3.Error, OSError) as error:
            raise SourceError(f"{self.address}: {_reason(error)}") from error

    def close(self) -> None:  # noqa: B027 - none of these sources has something to close
        """Do nothing: every file is closed."""


def _reason(error: sqlite3.Error | OSError) -> str:
    """Why a file cannot be read, with its name if the error has one."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return str(error)
