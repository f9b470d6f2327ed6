"""A data set in an object store behind fsspec."""

from __future__ import annotations

import contextlib
import datetime
import errno
import re
from collections.abc import Iterator
from typing import IO, Any, Final

from multitrack._hints import to_install
from multitrack.dataset.manifest import FILE
from multitrack.errors import ExportError

#: Folder with one object for each export to an object store: who creates it first has the generation.
_COMMITS: Final = "_commits"
_CLAIM: Final = re.compile(rf"{_COMMITS}/\d{{12}}\.json")
#: Number of these objects that are kept.
_KEPT: Final = 3


class GenerationTakenError(Exception):
    """Another export finished first; this one has to begin again."""


class RemoteStore:
    """A place behind fsspec, such as ``s3://bucket/runs``. See :class:`~multitrack.dataset.stores.Store`.

    Object stores have no rename and no lock. An export claims its generation by creating an object that must not exist
    yet, with the content of ``dataset.json``; the next export completes one that was killed right after that.

    No bucket is ever created: its name may be a typo.

    Args:
        url: The URL.
        extra: The extra with fsspec, for the message if that is not installed.

    Raises:
        ImportError: If fsspec or the package of the protocol is not installed.
        ExportError: If the URL is invalid.
    """

    local = False

    def __init__(self, url: str, extra: str = "archive") -> None:
        try:
            import fsspec  # noqa: PLC0415 - an extra
        except ImportError:
            raise ImportError(f"{url} needs fsspec: {to_install(extra)}") from None
        try:
            found = fsspec.core.url_to_fs(url)
        except ValueError as error:
            raise ExportError(f"{url}: {error}") from error
        self.location = url.rstrip("/")
        self.created: list[str] = []
        self._fs: Any = found[0]
        self._root = str(found[1]).rstrip("/")
        #: The bucket, of a store whose only directories are buckets; other paths begin with a slash.
        self._bucket = "" if self._root.startswith("/") else self._root.partition("/")[0]

    def current(self) -> bytes | None:
        """Return the content of ``dataset.json``, or of a later export that could not replace it any more."""
        self._fs.invalidate_cache()
        try:
            found: bytes | None = self._fs.cat_file(self._path(FILE))
        except FileNotFoundError:
            found = None
        commits = self._commits()
        return self.read(commits[-1]) if commits else found

    def commit(self, generation: int, content: bytes) -> None:
        """Claim the generation, then replace ``dataset.json`` by one upload.

        Raises:
            GenerationTakenError: If another process has written this generation.
        """
        claimed = f"{_COMMITS}/{generation:012}.json"
        try:
            with self._writing(claimed):
                self._fs.pipe_file(self._path(claimed), content, mode="create")
        except FileExistsError:
            raise GenerationTakenError from None
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
            raise GenerationTakenError from None
        with self._writing(FILE):
            self._fs.pipe_file(self._path(FILE), content)
        for path in self._commits()[:-_KEPT]:
            self.delete(path)

    def has(self, path: str) -> bool:
        """Return True if there is such a file."""
        self._fs.invalidate_cache()
        return bool(self._fs.exists(self._path(path)))

    def names(self) -> list[str]:
        """Return the names of the objects and folders below the URL, as they are now; empty if there is nothing."""
        self._fs.invalidate_cache()
        try:
            found = [str(path).rstrip("/") for path in self._fs.ls(self._root, detail=False)]
        except FileNotFoundError:
            return []
        return [path.rpartition("/")[2] for path in found if path != self._root]  # an empty folder lists itself

    def put(self, path: str, content: bytes) -> None:
        """Write a file, or replace it by one upload."""
        with self._writing(path):
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
        with self._writing(path):
            file: IO[bytes] = self._fs.open(self._path(path), "wb")
        try:
            yield file
        finally:
            with self._writing(path):
                file.close()

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._path(path))

    def files(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield the files below a folder."""
        for path, info in self._listed(folder):
            changed = info.get("LastModified") or info.get("created") or info.get("last_modified")
            yield path, int(changed.timestamp() * 1000) if isinstance(changed, datetime.datetime) else 0

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the size in bytes of each file below a folder, by its path in that folder."""
        self._fs.invalidate_cache()
        return {path.removeprefix(f"{folder}/"): int(info["size"]) for path, info in self._listed(folder)}

    def uri(self, path: str) -> str:
        """Return the URL of a file."""
        return f"{self.location}/{path}"

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Do nothing: exports to an object store go on side by side, and the later one begins again."""
        yield

    def _commits(self) -> list[str]:
        """The claimed generations, oldest first, without files of others in their folder."""
        return sorted(path for path, _ in self.files(_COMMITS) if _CLAIM.fullmatch(path))

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _listed(self, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        try:
            found: dict[str, dict[str, Any]] = self._fs.find(self._path(folder), detail=True)
        except FileNotFoundError:
            return
        root = self._root.lstrip("/")
        for path, info in found.items():
            yield path[path.index(root) + len(root) :].lstrip("/"), info

    @contextlib.contextmanager
    def _writing(self, path: str) -> Iterator[None]:
        """Make the directory of a file, where there are directories, and say so if there is no bucket."""
        if not self._bucket:
            self._fs.makedirs(self._path(path.rpartition("/")[0]), exist_ok=True)
        try:
            yield
        except FileNotFoundError as error:
            if not self._bucket:
                raise
            raise ExportError(f"there is no bucket {self._bucket}, and it is not created: check the URL") from error
