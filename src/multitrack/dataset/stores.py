"""Where a data set is: a local directory, or an object store behind fsspec.

A data file is created once and never changes. ``dataset.json`` is replaced whole, by a rename or by one upload.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, Protocol

from multitrack.dataset.local_store import LocalStore
from multitrack.dataset.object_store import RemoteStore
from multitrack.errors import ExportError

__all__ = ["LocalStore", "RemoteStore", "Store", "is_url", "open_store"]

#: A URL that has lost a slash, as shells and path libraries do it; a single letter is a drive.
_ONE_SLASH: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/(?!/)")


class Store(Protocol):
    """The files of one data set; paths are relative to it.

    Attributes:
        location: The directory or URL.
        local: True if only the lock's holder can be writing files.
        created: The files that were created, finished or not.
    """

    location: str
    local: bool
    created: list[str]

    def current(self) -> bytes | None:
        """Return the content of ``dataset.json``; None if there is none."""

    def commit(self, generation: int, content: bytes) -> None:
        """Replace ``dataset.json``.

        Raises:
            GenerationTakenError: If another process has written this generation.
        """

    def has(self, path: str) -> bool:
        """Return True if there is such a file."""

    def names(self) -> list[str]:
        """Return the names of the files and folders in the place itself; empty if there is no such place."""

    def put(self, path: str, content: bytes) -> None:
        """Write a file, or replace it at once."""

    def read(self, path: str) -> bytes:
        """Read a whole file."""

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading."""

    def create(self, path: str) -> contextlib.AbstractContextManager[IO[bytes]]:
        """Create a file, which is complete and durable when the context ends."""

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""

    def files(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield the files below a folder, with the time of their last change (ms), as far as it is known."""

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the size in bytes of each file below a folder, by its path in that folder."""

    def uri(self, path: str) -> str:
        """Return the absolute path or URL of a file."""

    def exclusive(self) -> contextlib.AbstractContextManager[None]:
        """Wait until no other export to this place runs on this machine, and keep others waiting."""


def is_url(location: str | Path) -> bool:
    """Return True for ``s3://…`` and the like."""
    return isinstance(location, str) and "://" in location


def open_store(location: str | Path) -> Store:
    """Open the place of a data set: a directory, which need not exist, or a URL.

    Raises:
        ImportError: If the URL needs a package that is not installed.
        ExportError: If the URL is invalid, or the location is empty.
    """
    if is_url(location):
        return RemoteStore(str(location), "export")
    if isinstance(location, str):
        if not location.strip():
            raise ExportError("the location is empty: name a directory or a URL")
        if _ONE_SLASH.match(location):
            raise ExportError(f"{location} is no URL: two slashes follow the colon; a directory is ./{location}")
    return LocalStore(Path(location).absolute())
