"""Whether the files of an archived run are there, as its list says."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

from multitrack.archive.manifest import LIST, ArchivedRun
from multitrack.archive.place import Archive
from multitrack.errors import ArchiveError

log = logging.getLogger("multitrack")

#: The folder with the state of a run's deliveries, which go on in each copy of the run.
LANES: Final = "lanes/"
#: Times that a run is checked that a push may just replace.
_TRIES: Final = 2


def complete_list(archive: Archive, run_id: str) -> ArchivedRun | None:
    """Read the list of a run's files; None if its copy into the archive has not ended.

    Raises:
        ArchiveError: If the list cannot be read, is damaged, or has no manifest.
    """
    wanted = archive.files_of(run_id)
    if wanted is None or not wanted.complete:
        return None
    if "manifest.json" not in wanted.files:
        raise ArchiveError(f"run {run_id} in {archive.location} has no manifest; push the run again")
    return wanted


def missing(archive: Archive, run_id: str, name: str) -> ArchiveError:
    """The error that a file of a run is missing."""
    return ArchiveError(f"{name} of run {run_id} in {archive.location} is missing; push the run again")


def is_complete(archive: Archive, run_id: str) -> bool:
    """Return False if the copy of a run into an archive in a directory has not ended.

    Only sizes are compared: digests would cost a read of all files at each command. Deliveries are not checked. A run
    that has no list but a lock was recorded in this directory, because copies have no locks; it counts as complete. So
    does an empty directory, which is no run.

    Raises:
        ArchiveError: If a file of the run is missing or has another size, or its list is damaged.
    """
    directory = Path(archive.location) / "runs" / run_id
    for left in reversed(range(_TRIES)):
        try:
            wanted = complete_list(archive, run_id)
            if wanted is None:
                found = archive.sizes(run_id)
                return not found or (LIST not in found and "lock" in found)
            _check_sizes(archive, wanted, directory)
        except ArchiveError:
            if not left:
                raise
        else:
            break
    return True


def warn(archive: Archive, run_id: str, trouble: ArchiveError | str | None, state: str, left_out: str) -> None:
    """Name a run that a reader cannot have.

    Args:
        archive: The archive.
        run_id: The run.
        trouble: The damage, which names run and archive; None if the copy of the run has not ended.
        state: The consequence, for the end of the message.
        left_out: Attribute of the warning's log record that has the run's id, if it is damaged.
    """
    if trouble is None:
        log.warning("multitrack: run %s is not complete in %s; %s", run_id, archive.location, state)
    else:
        log.warning("multitrack: %s; %s", trouble, state, extra={left_out: run_id})


def _check_sizes(archive: Archive, wanted: ArchivedRun, directory: Path) -> None:
    for name, file in wanted.files.items():
        if name.startswith(LANES):
            continue
        path = f"{directory}/{name}"
        try:
            size = os.stat(path).st_size  # noqa: PTH116 - a Path for each file of thousands of runs is slow
        except (FileNotFoundError, NotADirectoryError):
            raise missing(archive, directory.name, name) from None
        except OSError as error:
            raise ArchiveError(f"cannot read {path}: {error.strerror}") from error
        if size != file.size:
            raise ArchiveError(
                f"{name} of run {directory.name} in {archive.location} has {size} bytes, not {file.size}; push the run "
                f"again"
            )
