"""The user's cache directory, and which of its runs are copies."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

#: Index of the runs that were copied from a data set, beside the journals of the copies.
COPIED: Final = "copied.msgpack"

#: Location of that data set.
SOURCE: Final = "copied-from.txt"


def cache_directory(name: str) -> Path:
    """Return a directory in the user's cache, ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "multitrack" / name
    try:
        return Path.home() / ".cache" / "multitrack" / name
    except RuntimeError:  # no home directory is known
        return Path(tempfile.gettempdir()) / f"multitrack-{os.getuid()}" / name


def copied_from(journal: Path) -> str | None:
    """Return the data set that a journal in the cache has its runs from; None for any other journal."""
    try:
        return (journal.parent / SOURCE).read_text()
    except OSError:
        return None


def is_copy(directory: Path) -> bool:
    """Return True if the run in ``directory`` was copied from a data set."""
    return (directory.parents[2] / COPIED).exists()
