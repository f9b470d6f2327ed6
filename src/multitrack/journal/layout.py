"""Find the runs of a journal on disk, and refuse what does not belong there.

A journal's directory looks like this::

    .multitrack/
      courier-<pid>.log               what trackers' SDKs print while delivering
      runs/<run id>/
        manifest.json                 the manifest
        000001.jsonl, 000002.jsonl    the segments
        lanes/<backend>.json          how far that backend is, and how it fares
        lanes/<backend>/              the backend's own notes

A directory without a manifest is no run yet. Everything is readable by its owner alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from multitrack.errors import JournalError


def runs_directory(journal: Path) -> Path:
    """Where the journal at ``journal`` keeps its runs."""
    return journal / "runs"


def check_links(directory: Path) -> None:
    """Refuse a run's directory with symbolic links, which we never make and which lead out of it.

    Raises:
        JournalError: There is one, or the directory cannot be read.
    """
    try:
        paths = [directory, *directory.rglob("*")]
    except OSError as error:
        raise cannot_read(directory, error) from error
    for path in paths:
        if path.is_symlink():
            raise JournalError(f"{path} is a symbolic link, which multitrack never makes; the run was skipped")


def run_directories(journal: Path) -> Iterator[Path]:
    """The directories of all runs in a journal, oldest id first.

    Raises:
        JournalError: The journal cannot be read.
    """
    runs = runs_directory(journal)
    try:
        names = sorted(os.listdir(runs))  # noqa: PTH208 - thousands of runs, and a path for each takes its time
    except OSError as error:
        raise cannot_read(runs, error) from error
    for name in names:
        if is_run(f"{runs}/{name}"):
            yield runs / name


def is_run(directory: str | Path) -> bool:
    """Whether a directory has a manifest, or may have one that this user cannot see."""
    try:
        return stat.S_ISREG(os.stat(f"{directory}/manifest.json").st_mode)  # noqa: PTH116 - as above
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # whoever reads it says why that cannot be


def cannot_read(path: Path, trouble: OSError) -> JournalError:
    """A trouble of the machine, with what could not be read, and whose it is."""
    owner = f"; it belongs to {_owner(path)}" if isinstance(trouble, PermissionError) else ""
    return JournalError(trouble.errno, f"cannot read {path}: {trouble.strerror}{owner}")


def _owner(path: Path) -> str:
    """Who owns a path, or the nearest of the directories around it that can be seen."""
    for place in (path, *path.parents):
        try:
            return f"user {place.owner()}"
        except KeyError:
            return f"user {place.stat().st_uid}"
        except OSError:
            continue
    return "another user"
