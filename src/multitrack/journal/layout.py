"""Find the runs of a journal on disk, and refuse symbolic links there.

A journal's directory looks like this::

    .multitrack/
      courier-<pid>.log               output of the trackers' SDKs during delivery
      alerts.json, alerts.lock        which alerts fire, and the lock of the process that evaluates them
      runs.index                      columns of the ended runs, so that many are read at once; a cache
      models.jsonl, models.lock       versions and aliases of models, and the lock of the process that writes one
      leases.json                     the mark of a journal in which locks have leases beside them: <lock>.<number>
      mlflow/, artifacts/             experiments, models and files of MLflow's clients that write here
      runs/<run id>/
        manifest.json                 the manifest
        000001.jsonl, 000002.jsonl    the segments
        000001.lease, 000001.sealed   the lease of a segment's writer, or where readers stop if it was given up
        code/                         the source
        drift.html                    the report of a comparison of inputs
        mlflow.json                   what MLflow's clients know of the run beyond its records
        deleted.json                  the mark of a run that was deleted
        files/                        what the modules of multitrack.compat, or an import, wrote: images, texts
        lanes/<backend>.json          delivery state of that backend
        lanes/<backend>/              the backend's own notes

A directory without a manifest is no run yet. Everything is readable by its owner alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from multitrack.errors import JournalError

#: Marks an archive of runs, which has the layout of a journal; in its root.
ARCHIVE_MARK: Final = "multitrack-archive.json"


def runs_directory(journal: Path) -> Path:
    """The directory of the runs of the journal at ``journal``."""
    return journal / "runs"


def check_links(directory: Path) -> None:
    """Refuse a run's directory that contains symbolic links: multitrack never makes any, and they lead out of it.

    Raises:
        JournalError: If there is a symbolic link, or the directory cannot be read.
    """
    try:
        paths = [directory, *directory.rglob("*")]
    except OSError as error:
        raise cannot_read(directory, error) from error
    for path in paths:
        if path.is_symlink():
            raise JournalError(f"{path} is a symbolic link, which multitrack never makes; the run was skipped")


def run_directories(journal: Path) -> Iterator[Path]:
    """The directories of all runs in a journal, sorted by run id.

    Raises:
        JournalError: If the journal cannot be read.
    """
    runs = runs_directory(journal)
    for name in names_in(runs):
        if is_run(f"{runs}/{name}"):
            yield runs / name


def names_in(runs: Path) -> list[str]:
    """The names in a journal's directory of runs, sorted.

    Raises:
        JournalError: If the journal cannot be read.
    """
    try:
        return sorted(os.listdir(runs))  # noqa: PTH208 - a Path for each of thousands of runs is slow
    except OSError as error:
        raise cannot_read(runs, error) from error


def is_run(directory: str | Path) -> bool:
    """Return True if a directory has a manifest, or may have one that this user cannot access."""
    try:
        return stat.S_ISREG(os.stat(f"{directory}/manifest.json").st_mode)  # noqa: PTH116 - as above
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # reading the manifest later raises the reason


def cannot_read(path: Path, trouble: OSError) -> JournalError:
    """Convert an OSError to a JournalError that names the path and, if access was denied, its owner."""
    owner = f"; it belongs to {_owner(path)}" if isinstance(trouble, PermissionError) else ""
    return JournalError(trouble.errno, f"cannot read {path}: {trouble.strerror}{owner}")


def _owner(path: Path) -> str:
    """The owner of a path, or of its nearest parent that can be accessed."""
    for place in (path, *path.parents):
        try:
            return f"user {place.owner()}"
        except KeyError:
            return f"user {place.stat().st_uid}"
        except OSError:
            continue
    return "another user"
