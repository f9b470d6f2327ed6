"""A data set in a local directory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from multitrack.dataset.manifest import FILE
from multitrack.journal.fsync import put_on_medium
from multitrack.journal.locks import locked

_LOCK: Final = "_lock"


class LocalStore:
    """A directory. See :class:`~multitrack.dataset.stores.Store`.

    Args:
        directory: The directory; created if need be.
    """

    local = True

    def __init__(self, directory: Path) -> None:
        self.location = str(directory)
        self.created: list[str] = []
        self._directory = directory

    def current(self) -> bytes | None:
        """Return the content of ``dataset.json``; None if there is none."""
        return self.read(FILE) if self.has(FILE) else None

    def commit(self, generation: int, content: bytes) -> None:  # noqa: ARG002 - the lock has decided
        """Replace ``dataset.json`` by a rename."""
        self.put(FILE, content)

    def has(self, path: str) -> bool:
        """Return True if there is such a file."""
        return (self._directory / path).is_file()

    def names(self) -> list[str]:
        """Return the names of the files and folders in the directory; empty if there is none."""
        return [path.name for path in self._directory.iterdir()] if self._directory.exists() else []

    def put(self, path: str, content: bytes) -> None:
        """Write a file, or replace it by a rename."""
        target = self._directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
        put_on_medium(target.parent)

    def read(self, path: str) -> bytes:
        """Read a whole file."""
        return (self._directory / path).read_bytes()

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading."""
        return (self._directory / path).open("rb")

    @contextlib.contextmanager
    def create(self, path: str) -> Iterator[IO[bytes]]:
        """Create a file under its final name, which nobody reads before ``dataset.json`` names it."""
        self.created.append(path)
        target = self._directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        put_on_medium(target.parent)

    def delete(self, path: str) -> None:
        """Delete a file, and its folder if it is empty then."""
        target = self._directory / path
        target.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            target.parent.rmdir()

    def files(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield the files below a folder."""
        for path in (self._directory / folder).rglob("*"):
            if path.is_file():
                yield path.relative_to(self._directory).as_posix(), path.stat().st_mtime_ns // 1_000_000

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the size in bytes of each file below a folder, by its path in that folder."""
        root = self._directory / folder
        return {path.relative_to(root).as_posix(): path.stat().st_size for path in root.rglob("*") if path.is_file()}

    def uri(self, path: str) -> str:
        """Return the absolute path of a file."""
        return str(self._directory / path)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold a lock, which the kernel releases however the process ends."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with locked(self._directory / _LOCK, 0o666):
            yield
