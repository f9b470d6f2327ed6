"""Where an archive is: a directory, or an object store behind fsspec."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from multitrack.archive.manifest import BLOCK, LIST, ArchivedFile, ArchivedRun, decode, encode
from multitrack.dataset.stores import Store, is_url, open_store
from multitrack.errors import ArchiveError
from multitrack.journal.run_ids import is_run_id

#: Marks an archive; in its root.
MARK: Final = "multitrack-archive.json"


class Archive:
    """The runs of an archive.

    Args:
        location: The directory or URL, such as ``s3://bucket/runs``.

    Raises:
        ImportError: If the URL needs a package that is not installed.
        ArchiveError: If the URL is invalid.
    """

    def __init__(self, location: str | Path) -> None:
        with _troubles(str(location)):
            self._store: Store = open_store(location)
        self.location = self._store.location

    def exists(self) -> bool:
        """Return True if there is an archive in this place."""
        with _troubles(self.location):
            return self._store.has(MARK)

    def make(self) -> None:
        """Mark the place as an archive."""
        if not self.exists():
            with _troubles(self.location):
                self._store.put(MARK, b'{"version": 1}\n')

    def runs(self) -> list[str]:
        """The ids of all runs, sorted; those of which a copy has begun included."""
        with _troubles(self.location):
            paths = [path.split("/") for path, _ in self._store.files("runs")]
        return sorted(parts[1] for parts in paths if len(parts) == 3 and parts[2] == LIST and is_run_id(parts[1]))

    def files_of(self, run_id: str) -> ArchivedRun | None:
        """Read the list of a run's files; None if there is none."""
        path = f"runs/{run_id}/{LIST}"
        with _troubles(self._store.uri(path)):
            try:
                content = self._store.read(path)
            except FileNotFoundError:
                return None
        return decode(content, self._store.uri(path))

    def write_list(self, run_id: str, files: ArchivedRun) -> None:
        """Replace the list of a run's files."""
        path = f"runs/{run_id}/{LIST}"
        with _troubles(self._store.uri(path)):
            self._store.put(path, encode(files))

    def upload(self, run_id: str, name: str, source: Path) -> ArchivedFile:
        """Copy a file into the archive; return its size and digest, as they were copied.

        Raises:
            OSError: If ``source`` cannot be read.
        """
        path = f"runs/{run_id}/{name}"
        digest, size = hashlib.sha256(), 0
        with source.open("rb") as file:
            modified = source.stat().st_mtime_ns
            with _troubles(self._store.uri(path)):
                self._store.delete(path)
                with self._store.create(path) as target:
                    while block := file.read(BLOCK):
                        digest.update(block)
                        size += target.write(block)
        return ArchivedFile(size, digest.hexdigest(), modified)

    def download(self, run_id: str, name: str, target: Path) -> str:
        """Copy a file out of the archive; return its digest.

        Raises:
            OSError: If ``target`` cannot be written.
        """
        path = f"runs/{run_id}/{name}"
        digest = hashlib.sha256()
        with target.open("wb") as file:
            with _troubles(self._store.uri(path)):
                opened = self._store.open(path)
            with opened:
                while True:
                    with _troubles(self._store.uri(path)):
                        block = opened.read(BLOCK)
                    if not block:
                        return digest.hexdigest()
                    digest.update(block)
                    file.write(block)

    def delete(self, run_id: str, name: str) -> None:
        """Delete a file of a run, if it is there."""
        path = f"runs/{run_id}/{name}"
        with _troubles(self._store.uri(path)):
            self._store.delete(path)


def is_archive(location: str | Path) -> bool:
    """Return True for a URL with an archive of runs. A directory with one is a journal, and read as such.

    Raises:
        ImportError: If the URL needs a package that is not installed.
        ArchiveError: If the place cannot be reached.
    """
    return is_url(location) and Archive(location).exists()


@contextlib.contextmanager
def _troubles(place: str) -> Iterator[None]:
    """Raise the errors of an object store's package, which are of any class, as one of ours.

    ``FileNotFoundError`` passes.
    """
    try:
        yield
    except (FileNotFoundError, ImportError, MemoryError):
        raise
    except Exception as error:
        raise ArchiveError(f"{place}: {error or type(error).__name__}") from error
