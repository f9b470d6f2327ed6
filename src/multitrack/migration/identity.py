"""The id that an imported run has in a journal: the same at each import."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from multitrack.errors import JournalError
from multitrack.journal.layout import is_run, runs_directory
from multitrack.journal.manifest import Manifest, Origin, read_manifest
from multitrack.journal.run_ids import is_run_id
from multitrack.sources.run import SourceRun

_OTHER: Final = re.compile(r"[^A-Za-z0-9_-]+")
#: Longest part of an id of a tracker in an id of ours, which also has a digest then.
_LONGEST: Final = 40


class RunIds:
    """The ids of the runs of one source in one journal.

    A run keeps the tracker's id. If that is no valid run id, or another run of the journal has it, it is followed by a
    digest of the tracker, the scope and the id. A run that multitrack delivered to the tracker keeps its own id.

    Args:
        journal: The journal's directory.
        tracker: The tracker.
    """

    def __init__(self, journal: Path, tracker: str) -> None:
        self._runs = runs_directory(journal)
        self._tracker = tracker

    def of(self, run: SourceRun) -> str:
        """The run's id in the journal."""
        if run.run_id is not None and self.is_delivered_from_here(run):
            return run.run_id
        return self._of(run.scope, run.id, run.run_id)

    def is_delivered_from_here(self, run: SourceRun) -> bool:
        """Return True if multitrack sent the run to the tracker from this journal.

        Another journal may have a run with this id; it started at another time.
        """
        if run.run_id is None or not is_run_id(run.run_id):
            return False
        try:
            manifest = self.recorded(run.run_id)
        except JournalError:
            return False
        if manifest is None or manifest.created != run.created:
            return False
        return manifest.imported is None or not self._is(manifest.imported, run.scope, run.id)

    def of_parent(self, run: SourceRun) -> str | None:
        """The id of its parent, which may not have been read yet; None if it has no parent."""
        if run.parent_run_id is not None and is_run_id(run.parent_run_id):
            return run.parent_run_id
        return None if run.parent is None else self._of(run.scope, run.parent, None)

    def recorded(self, run_id: str) -> Manifest | None:
        """The manifest of a run in the journal; None if there is no such run.

        Raises:
            JournalError: If it cannot be read.
        """
        directory = self._runs / run_id
        return read_manifest(directory) if is_run(directory) else None

    def _of(self, scope: str, native: str, own: str | None) -> str:
        for plain in filter(None, (own, native)):
            if is_run_id(plain) and self._is_free_for(plain, scope, native):
                return plain
        digest = hashlib.sha256("\0".join((self._tracker, scope, native)).encode()).hexdigest()[:8]
        word = _OTHER.sub("-", native).strip("-_")[:_LONGEST]
        return f"{word}-{digest}" if word else digest

    def _is_free_for(self, run_id: str, scope: str, native: str) -> bool:
        try:
            manifest = self.recorded(run_id)
        except JournalError:
            return False
        return manifest is None or (manifest.imported is not None and self._is(manifest.imported, scope, native))

    def _is(self, origin: Origin, scope: str, native: str) -> bool:
        return (origin.tracker, origin.scope, origin.id) == (self._tracker, scope, native)
