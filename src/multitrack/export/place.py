"""Where an export may write, and which files there are its own: those of others are never touched."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from multitrack.archive.place import Archive
from multitrack.dataset.manifest import decode
from multitrack.dataset.schema import TABLES
from multitrack.dataset.stores import Store
from multitrack.errors import ExportError
from multitrack.journal.layout import run_directories, runs_directory
from multitrack.security.terminal import excerpt

#: The folder of the states.
STATE: Final = "_state"
#: Marks a place as a data set before ``dataset.json`` does, so that an export that was killed can be repeated.
_MARK: Final = "_multitrack-data-set"
_MARK_TEXT: Final = b"multitrack export writes a data set here. Readers need dataset.json.\n"
#: What is in a place before its mark: the lock, and the draft of the mark.
_BEFORE_MARK: Final = re.compile(rf"_lock|\.{_MARK}\.\d+")
_TABLES: Final = "|".join(table.name for table in TABLES)
_NAME: Final = r"\d{6,}-[0-9a-f]{12}"
#: Data files and states, as :class:`~multitrack.export.files.TableWriter` and the export name them.
_OWN: Final = re.compile(rf"(?:{_TABLES})/[^/]+/{_NAME}\.parquet|{STATE}/{_NAME}\.msgpack")
#: Names that a message lists.
_NAMED: Final = 3


class RefusedPlaceError(ExportError):
    """The place has something else, which an export must not touch."""


def is_own(path: str) -> bool:
    """Return True if a path in a data set has the form of those that exports create and delete."""
    return _OWN.fullmatch(path) is not None


def check_place(store: Store) -> None:
    """Refuse a place that has anything but a data set. Nothing is changed.

    Raises:
        RefusedPlaceError: If it is an archive, a journal, or has other files.
        ExportError: If its ``dataset.json`` cannot be read, or is of another program.
    """
    if Archive(store.location).exists():
        raise RefusedPlaceError(f"{store.location} is an archive of `multitrack push`: choose another place")
    if (content := store.current()) is not None:
        decode(content, store.location)
        return
    if store.local and runs_directory(Path(store.location)).is_dir():
        for directory in run_directories(Path(store.location)):
            raise RefusedPlaceError(
                f"{store.location} is a journal, with run {directory.name}: choose another directory"
            )
    others = sorted(name for name in store.names() if not _BEFORE_MARK.fullmatch(name))
    # The mark is looked for after the names: another export may have begun meanwhile, or ended.
    if others and not store.has(_MARK) and store.current() is None:
        named = ", ".join(excerpt(name) for name in others[:_NAMED]) + ", …" * (len(others) > _NAMED)
        kind = "directory" if store.local else "prefix"
        raise RefusedPlaceError(
            f"{store.location} holds other files ({named}) and is no data set: give an empty or new {kind}"
        )


def mark(store: Store) -> None:
    """Mark a place, before the first file is written there."""
    store.put(_MARK, _MARK_TEXT)
