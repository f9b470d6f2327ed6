"""Leave out the runs of an archive in a directory that are not whole there, as those of one at a URL."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from multitrack.errors import ArchiveError
from multitrack.journal.layout import is_run, runs_directory
from multitrack.journal.run_ids import is_run_id
from multitrack.reading.locating import LEFT_OUT, archive_in

if TYPE_CHECKING:  # imported for an archive alone: most directories are journals
    from multitrack.archive import Archive


def directory_of(journal: Path, run_id: str) -> Path | None:
    """Return the directory of a run; None if the journal has no such run, or is an archive that must leave it out."""
    directory = runs_directory(journal) / run_id
    if not is_run_id(run_id) or not is_run(directory):  # not an id: paths such as ".."
        return None
    if (archive := archive_in(journal)) is None:
        return directory
    from multitrack.archive.checking import is_complete  # noqa: PLC0415 - see above

    with contextlib.suppress(ArchiveError):  # which the listing that follows names
        return directory if is_complete(archive, run_id) else None
    return None


class ArchivedRuns:
    """Which runs of an archive are whole; a run is checked again when its directory has changed.

    Args:
        archive: The archive, in a directory.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._runs = runs_directory(Path(archive.location))
        self._checked: dict[str, tuple[int, bool]] = {}

    def leaves_out(self, name: str, changed: int) -> bool:
        """Return True, after a warning that names it, if a run is damaged or its copy has not ended.

        Args:
            name: A name in the directory of the runs.
            changed: Change time of that file or directory (ns).
        """
        known, left_out = self._checked.get(name, (None, False))
        if known != changed:
            left_out = self._check(name)
            self._checked[name] = changed, left_out
        return left_out

    def _check(self, name: str) -> bool:
        from multitrack.archive.checking import is_complete, warn  # noqa: PLC0415 - see above

        trouble = None
        try:
            if not is_run_id(name) or not (self._runs / name).is_dir() or is_complete(self._archive, name):
                return False
        except ArchiveError as error:
            trouble = error
        warn(self._archive, name, trouble, "it is left out", LEFT_OUT)
        return True
