"""Copy runs into an archive; a copy that was interrupted goes on, and one that is there is left as it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from multitrack.archive.going_on import goes_on, is_copy
from multitrack.archive.manifest import LIST, ArchivedFile, ArchivedRun, DamagedListError, files_of
from multitrack.archive.place import Archive
from multitrack.errors import ArchiveError, JournalError
from multitrack.journal.layout import check_links, is_run
from multitrack.journal.run_ids import is_run_id
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
            next time; ``differs`` if the archive has a run of this id that this one does not go on from, which is left
            alone; ``failed``.
        size: Bytes that were copied.
        reason: Why it failed.
    """

    id: str
    outcome: Literal["new", "changed", "unchanged", "running", "differs", "failed"]
    size: int = 0
    reason: str = ""


class _ChangedError(Exception):
    """A file of the run changed while it was copied."""


def push(
    directories: Iterable[str | Path],
    location: str | Path,
    progress: Callable[[str], object] = lambda _: None,
    *,
    verify: bool = False,
) -> Iterator[Pushed]:
    """Copy runs into an archive, and yield the outcome of each.

    A file is copied if its size or digest differs from that of the copy. The list of a run's files is replaced last, so
    that readers take the run for complete only once it is. A run that the archive has is replaced only by one that goes
    on from it.

    Args:
        directories: The runs' directories, such as ``[run.directory for run in open_journal().runs()]``.
        location: The archive, a directory or a URL; made if there is none.
        progress: Called with the id of each run before it is copied.
        verify: True to read all copies in the archive, and copy again what is damaged. Otherwise only files that are
            missing or have another size are.

    Raises:
        TypeError: If ``directories`` is a single path.
        ArchiveError: If the place cannot be reached, or has something else; or, later, if several runs failed one after
            the other.
        ImportError: If the URL needs a package that is not installed.
    """
    if isinstance(directories, (str, bytes, os.PathLike)):
        raise TypeError(
            f"directories must be an iterable of runs' directories, such as [run.directory for run in "
            f"open_journal().runs()], and not {directories!r}"
        )
    archive = Archive(location)
    archive.make()
    return _push(archive, map(Path, directories), progress, verify)


def _push(
    archive: Archive, directories: Iterable[Path], progress: Callable[[str], object], verify: bool
) -> Iterator[Pushed]:
    failures = 0
    for directory in directories:
        progress(directory.name)
        try:
            pushed = _push_one(archive, directory, verify)
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


def _push_one(archive: Archive, directory: Path, verify: bool) -> Pushed:
    run_id = directory.name
    if not is_run_id(run_id) or not is_run(directory):
        raise JournalError(f"{directory} is no run's directory: it has no manifest.json")
    if archive.holds(directory):
        raise JournalError(f"{directory} is in the archive itself; name the journal that it came from")
    check_links(directory)
    if is_live(directory):
        return Pushed(run_id, "running")
    there = archive.sizes(run_id)
    earlier = _listed(archive, run_id, there)
    if not goes_on(archive, earlier, directory, archived=False):
        reason = (
            f"{directory} does not go on from the run of this id in {archive.location}, which was left alone; pull "
            f"that one, or delete its folder, runs/{run_id}, and push again"
        )
        return Pushed(run_id, "differs", reason=reason)
    whole = _whole(archive, run_id, earlier, there, verify)
    try:
        files, size = _copy(archive, directory, whole)
    except _ChangedError:
        return Pushed(run_id, "running")
    now = ArchivedRun(files, complete=True)
    if earlier == now and whole == earlier.files:
        return Pushed(run_id, "unchanged")
    archive.write_list(run_id, now)
    for name in earlier.files.keys() - files.keys():  # such as a mark of deletion that was removed
        archive.delete(run_id, name)
    return Pushed(run_id, "changed" if LIST in there else "new", size)


def _listed(archive: Archive, run_id: str, there: dict[str, int]) -> ArchivedRun:
    """Return the list of the files that the archive has of a run, made anew if it is missing or damaged."""
    if LIST in there:
        try:
            if (found := archive.files_of(run_id)) is not None:
                return found
        except DamagedListError:  # this push replaces it
            pass
    return archive.listed_anew(run_id, there)


def _whole(
    archive: Archive, run_id: str, listed: ArchivedRun, there: dict[str, int], verify: bool
) -> dict[str, ArchivedFile]:
    """Leave out the files of a list that are missing in the archive, or damaged."""
    return {
        name: file
        for name, file in listed.files.items()
        if there.get(name) == file.size and (not verify or archive.digest_of(run_id, name) == file.sha256)
    }


def _copy(archive: Archive, directory: Path, whole: dict[str, ArchivedFile]) -> tuple[dict[str, ArchivedFile], int]:
    """Copy the files that differ from those in the archive; return all files, and the bytes that were copied."""
    copies = dict(whole)
    now: dict[str, ArchivedFile] = {}
    copied = 0
    for name, found in files_of(directory):
        copy, path = copies.get(name), directory / name
        if copy is not None and is_copy(copy, path, found):
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
