"""Copy runs into an archive; a copy that was interrupted goes on, and one that is there is left as it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from multitrack.archive.manifest import ArchivedFile, ArchivedRun, digest_of, files_of
from multitrack.archive.place import Archive
from multitrack.errors import ArchiveError, JournalError
from multitrack.journal.layout import check_links
from multitrack.journal.segments import is_live

#: Bytes of a file from which the list is written once it is copied, so that it is not copied again.
_LARGE: Final = 8 << 20
#: Runs that fail one after the other until the rest is not tried.
_FAILURES: Final = 3


class Pushed(msgspec.Struct, frozen=True):
    """The outcome of one run.

    Attributes:
        id: The run's id.
        outcome: ``new``, ``changed`` or ``unchanged``; ``running`` if a process writes the run, which is left for the
            next time; ``failed``.
        size: Bytes that were copied.
        reason: Why it failed.
    """

    id: str
    outcome: Literal["new", "changed", "unchanged", "running", "failed"]
    size: int = 0
    reason: str = ""


class _ChangedError(Exception):
    """A file of the run changed while it was copied."""


def push(
    directories: Iterable[Path], location: str | Path, progress: Callable[[str], object] = lambda _: None
) -> Iterator[Pushed]:
    """Copy runs into an archive, and yield the outcome of each.

    A file is copied if its size or digest differs from that of the copy. The list of a run's files is replaced last, so
    that readers take the run for complete only once it is.

    Args:
        directories: The runs' directories.
        location: The archive, a directory or a URL; made if there is none.
        progress: Called with the id of each run before it is copied.

    Raises:
        ArchiveError: If the place cannot be reached, or several runs failed one after the other.
        ImportError: If the URL needs a package that is not installed.
    """
    archive = Archive(location)
    archive.make()
    failures = 0
    for directory in directories:
        progress(directory.name)
        try:
            pushed = _push_one(archive, directory)
        except (ArchiveError, JournalError, OSError) as error:
            failures += 1
            yield Pushed(directory.name, "failed", reason=str(error))
            if failures == _FAILURES:
                raise ArchiveError(
                    f"{archive.location}: {failures} runs failed one after the other; the rest was not tried"
                ) from error
        else:
            failures = 0
            yield pushed


def _push_one(archive: Archive, directory: Path) -> Pushed:
    check_links(directory)
    if is_live(directory):
        return Pushed(directory.name, "running")
    earlier = archive.files_of(directory.name)
    try:
        files, size = _copy(archive, directory, earlier)
    except _ChangedError:
        return Pushed(directory.name, "running")
    if earlier == (now := ArchivedRun(files, complete=True)):
        return Pushed(directory.name, "unchanged")
    archive.write_list(directory.name, now)
    if earlier is None:
        return Pushed(directory.name, "new", size)
    for name in earlier.files.keys() - files.keys():  # such as a mark of deletion that was removed
        archive.delete(directory.name, name)
    return Pushed(directory.name, "changed", size)


def _copy(archive: Archive, directory: Path, earlier: ArchivedRun | None) -> tuple[dict[str, ArchivedFile], int]:
    """Copy the files that differ; return all files, and the bytes that were copied."""
    copies = {} if earlier is None else dict(earlier.files)
    now: dict[str, ArchivedFile] = {}
    copied = 0
    for name, found in files_of(directory):
        copy, path = copies.get(name), directory / name
        if copy is not None and _is_copy(copy, path, found):
            now[name] = copy
            continue
        copies.pop(name, None)  # what is in the list is whole, also while it is replaced
        if copy is not None:
            archive.write_list(directory.name, ArchivedRun({**copies, **now}, complete=False))
        now[name] = one = archive.upload(directory.name, name, path)
        copied += one.size
        if one.size != found.st_size or one.modified != found.st_mtime_ns:
            raise _ChangedError
        if one.size >= _LARGE:
            archive.write_list(directory.name, ArchivedRun({**copies, **now}, complete=False))
    if is_live(directory):
        raise _ChangedError
    return now, copied


def _is_copy(copy: ArchivedFile, path: Path, found: os.stat_result) -> bool:
    """Return True if the archive has this file. Its digest is computed only if the modification time differs."""
    if copy.size != found.st_size:
        return False
    return copy.modified == found.st_mtime_ns or copy.sha256 == digest_of(path)
