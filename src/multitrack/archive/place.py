"""Where an archive is: a directory, or an object store behind fsspec."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final

import msgspec

from multitrack.archive.manifest import BLOCK, LIST, ArchivedFile, ArchivedRun, decode, encode
from multitrack.archive.store import store_of
from multitrack.dataset.stores import is_url
from multitrack.errors import ArchiveError, ExportError
from multitrack.journal.layout import ARCHIVE_MARK
from multitrack.journal.prepared import prepared
from multitrack.journal.run_ids import is_run_id

_VERSION: Final = 1


class _Mark(msgspec.Struct):
    version: int


class _Named(msgspec.Struct):
    name: str


class Archive:
    """The runs of an archive.

    Args:
        location: The directory or URL, such as ``s3://bucket/runs``.

    Raises:
        ImportError: If the URL needs a package that is not installed.
        ArchiveError: If the location is empty, or an invalid URL.
    """

    def __init__(self, location: str | Path) -> None:
        with _troubles(str(location)):
            self._store = store_of(location)
        self.location = self._store.location

    def exists(self) -> bool:
        """Return True if there is an archive in this place.

        Raises:
            ArchiveError: If it cannot be reached, its mark is damaged, or it is of a later version.
        """
        with _troubles(self.location):
            if not self._store.has(ARCHIVE_MARK):  # which drops what this process knew of an object store
                return False
            content = self._store.read(ARCHIVE_MARK)
        try:
            version = msgspec.json.decode(content, type=prepared(_Mark)).version
        except (ValueError, RecursionError) as error:
            raise ArchiveError(
                f'{self._store.uri(ARCHIVE_MARK)} is damaged: {error}; write {{"version": {_VERSION}}} into it'
            ) from None
        if version > _VERSION:
            raise ArchiveError(f"{self.location} has version {version}; this release of multitrack reads {_VERSION}")
        return True

    def make(self) -> None:
        """Mark the place as an archive, unless it is one.

        Raises:
            ArchiveError: If the place cannot be reached, has something else, or is in a bucket that is missing.
        """
        if not self.exists():
            with _troubles(self.location):
                self._store.check_new()
                self._store.put(ARCHIVE_MARK, b'{"version": %d}\n' % _VERSION)

    def missing_bucket(self) -> str | None:
        """Return the bucket of the URL if it is missing; None if it is there, or the place has none."""
        with _troubles(self.location):
            return self._store.missing_bucket()

    def holds(self, directory: Path) -> bool:
        """Return True if a directory is in the archive itself."""
        return not is_url(self.location) and directory.resolve().is_relative_to(Path(self.location).resolve())

    def runs(self) -> list[str]:
        """The ids of all runs, sorted; those of which a copy has begun included."""
        with _troubles(self.location):
            paths = [path.split("/") for path, _ in self._store.files("runs")]
        return sorted({parts[1] for parts in paths if len(parts) > 2 and is_run_id(parts[1])})

    def name_of(self, run_id: str) -> str | None:
        """The name of a run; None if its manifest is missing or damaged."""
        path = f"runs/{run_id}/manifest.json"
        with _troubles(self._store.uri(path)):
            try:
                return msgspec.json.decode(self._store.read(path), type=prepared(_Named)).name
            except (FileNotFoundError, ValueError):
                return None

    def sizes(self, run_id: str) -> dict[str, int]:
        """The size of each file of a run that is there, the list included."""
        with _troubles(self._store.uri(f"runs/{run_id}")):
            found = self._store.sizes(f"runs/{run_id}")
        return {path.removeprefix(f"runs/{run_id}/"): size for path, size in found.items()}

    def files_of(self, run_id: str) -> ArchivedRun | None:
        """Read the list of a run's files; None if there is none."""
        path = f"runs/{run_id}/{LIST}"
        with _troubles(self._store.uri(path)):
            try:
                content = self._store.read(path)
            except FileNotFoundError:
                return None
        return decode(content, self._store.uri(path))

    def listed_anew(self, run_id: str, sizes: Mapping[str, int]) -> ArchivedRun:
        """List the files of a run that are there, of which no list can be read, by reading each."""
        names = [name for name in sizes if name != LIST and not any(part.startswith(".") for part in name.split("/"))]
        files = {name: ArchivedFile(sizes[name], self.digest_of(run_id, name), 0) for name in names}
        return ArchivedRun(files, complete=False)

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

    def open(self, run_id: str, name: str) -> IO[bytes]:
        """Open a file of a run for reading.

        Raises:
            FileNotFoundError: If it is not there.
        """
        path = f"runs/{run_id}/{name}"
        with _troubles(self._store.uri(path)):
            return self._store.open(path)

    def digest_of(self, run_id: str, name: str) -> str:
        """Read a file of a run, and return its digest.

        Raises:
            FileNotFoundError: If it is not there.
        """
        with self.open(run_id, name) as opened, _troubles(self._store.uri(f"runs/{run_id}/{name}")):
            digest = hashlib.sha256()
            while block := opened.read(BLOCK):
                digest.update(block)
            return digest.hexdigest()

    def download(self, run_id: str, name: str, target: Path) -> str:
        """Copy a file out of the archive; return its digest.

        Raises:
            OSError: If ``target`` cannot be written.
        """
        path = f"runs/{run_id}/{name}"
        digest = hashlib.sha256()
        with target.open("wb") as file, self.open(run_id, name) as opened:
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
    """Return True for a URL with an archive of runs. A directory with one is read in place, as a journal.

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
    except (ArchiveError, FileNotFoundError, ImportError, MemoryError):
        raise
    except ExportError as error:  # of an invalid URL, which it names
        raise ArchiveError(str(error)) from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ArchiveError(f"{place}: {reason}") from error
