"""Where a data set is: a local directory, or an object store behind fsspec.

A data file is created once and never changes. ``dataset.json`` is replaced whole, by a rename or by one upload.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, Protocol

from multitrack._hints import to_install
from multitrack.dataset.manifest import FILE
from multitrack.errors import ExportError
from multitrack.journal.fsync import put_on_medium
from multitrack.journal.locks import locked

_LOCK: Final = "_lock"
#: Folder with one object for each export to an object store: who creates it first has the generation.
_COMMITS: Final = "_commits"
#: Number of these objects that are kept.
_KEPT: Final = 3


class GenerationTakenError(Exception):
    """Another export finished first; this one has to begin again."""


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

    def uri(self, path: str) -> str:
        """Return the absolute path or URL of a file."""

    def exclusive(self) -> contextlib.AbstractContextManager[None]:
        """Wait until no other export to this place runs on this machine, and keep others waiting."""


class LocalStore:
    """A directory. See :class:`Store`.

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

    def uri(self, path: str) -> str:
        """Return the absolute path of a file."""
        return str(self._directory / path)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold a lock, which the kernel releases however the process ends."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with locked(self._directory / _LOCK, 0o666):
            yield


class RemoteStore:
    """A place behind fsspec, such as ``s3://bucket/runs``. See :class:`Store`.

    Object stores have no rename and no lock. An export claims its generation by creating an object that must not exist
    yet, with the content of ``dataset.json``; the next export completes one that was killed right after that.

    Args:
        url: The URL.

    Raises:
        ImportError: If fsspec or the package of the protocol is not installed.
        ExportError: If the URL is invalid.
    """

    local = False

    def __init__(self, url: str) -> None:
        try:
            import fsspec  # noqa: PLC0415 - an extra
        except ImportError:
            raise ImportError(f"{url} needs fsspec: {to_install('archive')}") from None
        try:
            found = fsspec.core.url_to_fs(url)
        except ValueError as error:
            raise ExportError(f"{url}: {error}") from error
        self.location = url.rstrip("/")
        self.created: list[str] = []
        self._fs: Any = found[0]
        self._root = str(found[1]).rstrip("/")

    def current(self) -> bytes | None:
        """Return the content of ``dataset.json``, or of a later export that could not replace it any more."""
        self._fs.invalidate_cache()
        try:
            found: bytes | None = self._fs.cat_file(self._path(FILE))
        except FileNotFoundError:
            found = None
        commits = sorted(path for path, _ in self.files(_COMMITS))
        return self.read(commits[-1]) if commits else found

    def commit(self, generation: int, content: bytes) -> None:
        """Claim the generation, then replace ``dataset.json`` by one upload.

        Raises:
            GenerationTakenError: If another process has written this generation.
        """
        claimed = f"{_COMMITS}/{generation:012}.json"
        try:
            self._fs.makedirs(self._path(_COMMITS), exist_ok=True)
            self._fs.pipe_file(self._path(claimed), content, mode="create")
        except FileExistsError:
            raise GenerationTakenError from None
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
            raise GenerationTakenError from None
        self._fs.pipe_file(self._path(FILE), content)
        for path in sorted(path for path, _ in self.files(_COMMITS))[:-_KEPT]:
            self.delete(path)

    def has(self, path: str) -> bool:
        """Return True if there is such a file."""
        self._fs.invalidate_cache()
        return bool(self._fs.exists(self._path(path)))

    def put(self, path: str, content: bytes) -> None:
        """Write a file, or replace it by one upload."""
        self._fs.makedirs(self._path(path.rpartition("/")[0]), exist_ok=True)
        self._fs.pipe_file(self._path(path), content)

    def read(self, path: str) -> bytes:
        """Read a whole file."""
        content: bytes = self._fs.cat_file(self._path(path))
        return content

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading."""
        file: IO[bytes] = self._fs.open(self._path(path), "rb")
        return file

    @contextlib.contextmanager
    def create(self, path: str) -> Iterator[IO[bytes]]:
        """Create a file; it is there once the upload is complete."""
        self.created.append(path)
        self._fs.makedirs(self._path(path.rpartition("/")[0]), exist_ok=True)
        with self._fs.open(self._path(path), "wb") as file:
            yield file

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._path(path))

    def files(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield the files below a folder."""
        try:
            found: dict[str, dict[str, Any]] = self._fs.find(self._path(folder), detail=True)
        except FileNotFoundError:
            return
        for path, info in found.items():
            changed = info.get("LastModified") or info.get("created") or info.get("last_modified")
            time = int(changed.timestamp() * 1000) if isinstance(changed, datetime.datetime) else 0
            yield path[path.index(self._root.lstrip("/")) + len(self._root.lstrip("/")) :].lstrip("/"), time

    def uri(self, path: str) -> str:
        """Return the URL of a file."""
        return f"{self.location}/{path}"

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Do nothing: exports to an object store go on side by side, and the later one begins again."""
        yield

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"


def is_url(location: str | Path) -> bool:
    """Return True for ``s3://…`` and the like."""
    return isinstance(location, str) and "://" in location


def open_store(location: str | Path) -> Store:
    """Open the place of a data set: a directory, which need not exist, or a URL.

    Raises:
        ImportError: If the URL needs a package that is not installed.
        ExportError: If the URL is invalid.
    """
    return RemoteStore(str(location)) if is_url(location) else LocalStore(Path(location).absolute())
