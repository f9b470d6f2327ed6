"""The files of an archive: private ones in a directory, or objects in a bucket that is there already."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

from multitrack.dataset.manifest import FILE
from multitrack.dataset.stores import LocalStore, RemoteStore, open_store
from multitrack.errors import ArchiveError
from multitrack.journal.fsync import put_on_medium
from multitrack.journal.layout import ARCHIVE_MARK

#: Protocols whose paths begin with a bucket, which their packages make if it is missing.
_WITH_BUCKETS: Final = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss"}


class Directory(LocalStore):
    """A directory whose files only this user can read, like those of a journal."""

    def put(self, path: str, content: bytes) -> None:
        """Write a file, or replace it by a rename."""
        target = self._with_parents(path)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        with _private(draft, os.O_TRUNC) as file:
            file.write(content)
        draft.replace(target)
        put_on_medium(target.parent)

    @contextlib.contextmanager
    def create(self, path: str) -> Iterator[IO[bytes]]:
        """Create a file under its final name, which counts once the run's list names it."""
        target = self._with_parents(path)
        with _private(target, os.O_EXCL) as file:
            yield file
        put_on_medium(target.parent)

    def missing_bucket(self) -> None:
        """Return None: a directory is in no bucket."""

    def check_new(self) -> None:
        """Refuse a directory with anything in it but the draft of a mark."""
        _refuse_others(self.location, (name for name in self.names() if not name.startswith(f".{ARCHIVE_MARK}.")))

    def _with_parents(self, path: str) -> Path:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self._directory / path
        for folder in reversed(target.relative_to(self._directory).parents):
            (self._directory / folder).mkdir(mode=0o700, exist_ok=True)
        return target


class Bucket(RemoteStore):
    """A place behind fsspec."""

    def missing_bucket(self) -> str | None:
        """Return the bucket of the URL if it cannot be found; None if it is there, or the protocol has none."""
        bucket = self._root.split("/")[0]
        protocol = self.location.partition("://")[0]
        return bucket if protocol in _WITH_BUCKETS and not self._fs.exists(bucket) else None

    def check_new(self) -> None:
        """Refuse a bucket that is missing, a prefix that has objects, and memory."""
        if self.location.startswith("memory:"):
            raise ArchiveError(f"{self.location} is lost when this process ends")
        if (bucket := self.missing_bucket()) is not None:
            raise ArchiveError(f"{self.location}: no bucket {bucket}; `multitrack push` makes none")
        _refuse_others(self.location, self.names())


def store_of(location: str | Path) -> Directory | Bucket:
    """Open the place of an archive: a directory, which need not exist, or a URL.

    Raises:
        ImportError: If the URL needs a package that is not installed.
        ExportError: If the location is empty, or an invalid URL.
    """
    text = str(location)  # of a Path, too: as one, a URL has lost a slash
    return Directory(Path(text).absolute()) if open_store(text).local else Bucket(text)


@contextlib.contextmanager
def _private(path: Path, flag: int) -> Iterator[IO[bytes]]:
    """Open a file for writing that only this user can read; it is durable when the context ends."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | flag, 0o600)
    with os.fdopen(fd, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _refuse_others(location: str, names: Iterable[str]) -> None:
    found = set(names)
    if not found:
        return
    kind = "a data set" if FILE in found else "a journal" if "runs" in found else "not empty"
    raise ArchiveError(f"{location} is {kind}, and no archive of runs; name a new or an empty place")
