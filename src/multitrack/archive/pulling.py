"""Copy runs out of an archive into a journal; every file is checked by its digest before the run is there."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote

import msgspec

from multitrack.archive.checking import LANES, complete_list, missing, warn
from multitrack.archive.going_on import goes_on, is_copy
from multitrack.archive.manifest import ArchivedRun, digest_of
from multitrack.archive.place import Archive
from multitrack.dataset.cache import cache_directory
from multitrack.delivery.lane_state import read_state
from multitrack.errors import ArchiveError
from multitrack.journal.layout import run_directories, runs_directory
from multitrack.journal.locks import locked
from multitrack.journal.segments import is_live
from multitrack.security.directories import private_directory
from multitrack.security.terminal import excerpt

#: Times that a file is copied again whose digest differs: another process may just replace it.
_TRIES: Final = 2


class Pulled(msgspec.Struct, frozen=True):
    """The outcome of one run.

    Attributes:
        id: The run's id.
        outcome: ``new``, or ``changed`` if it went on in the archive; ``unchanged`` if the journal has all of it;
            ``incomplete`` if its copy into the archive has not ended; ``differs`` if the journal has another run of
            this id; ``failed``.
        size: Bytes that were copied.
        reason: Why it failed.
    """

    id: str
    outcome: Literal["new", "changed", "unchanged", "incomplete", "differs", "failed"]
    size: int = 0
    reason: str = ""


def pull(
    location: str | Path,
    journal: Path,
    run_ids: Collection[str] = (),
    progress: Callable[[str], object] = lambda _: None,
) -> Iterator[Pulled]:
    """Copy runs out of an archive into a journal, and yield the outcome of each.

    A run is in the journal once all its files are there and have the right digests. A run that is in the journal
    already is replaced if the archive's goes on from it, and left alone otherwise.

    Args:
        location: The archive, a directory or a URL.
        journal: The journal's directory; made if there is none.
        run_ids: The runs, each by its id, a unique prefix of it, or its unique name; default: all.
        progress: Called with the id of each run before it is copied.

    Raises:
        ArchiveError: If there is no archive, it cannot be reached, or lacks one of the runs.
        ImportError: If the URL needs a package that is not installed.
        OSError: If the journal cannot be written.
    """
    archive = Archive(location)
    if not archive.exists():
        bucket = archive.missing_bucket()
        also = "`multitrack push` makes one" if bucket is None else f"there is no bucket {bucket}"
        raise ArchiveError(f"no archive of runs in {archive.location}; {also}")
    found = archive.runs()
    wanted = sorted({_id_of(archive, found, name) for name in run_ids}) if run_ids else found
    return _pull(archive, private_directory(runs_directory(private_directory(journal))), wanted, progress)


def _pull(
    archive: Archive, runs: Path, run_ids: list[str], progress: Callable[[str], object], *, follows: bool = False
) -> Iterator[Pulled]:
    for run_id in run_ids:
        progress(run_id)
        with locked(runs / ".pull.lock"):
            try:
                found = _pull_one(archive, run_id, runs, follows=follows)
            except ArchiveError as error:
                found = Pulled(run_id, "failed", reason=str(error))
        yield found


def _id_of(archive: Archive, found: list[str], name: str) -> str:
    """Return the id of the run with this id, prefix of an id, or name; manifests are read for a name only."""
    if name in found:
        return name
    matching = [run_id for run_id in found if name and run_id.startswith(name)]
    matching = matching or [run_id for run_id in found if archive.name_of(run_id) == name]
    if not matching:
        raise ArchiveError(
            f"{archive.location} has no run {excerpt(name)!r}; `multitrack runs --journal "
            f"{shlex.quote(archive.location)}` lists its runs"
        )
    if len(matching) > 1:
        raise ArchiveError(
            f"several runs match {excerpt(name)!r} in {archive.location}: {', '.join(matching[:5])}"
            f"{', …' if len(matching) > 5 else ''}"
        )
    return matching[0]


def pulled_journal(location: str, left_out: str) -> Path:
    """Copy the archive at a URL into the user's cache, as far as it changed; return the directory of that journal.

    A run that is damaged in the archive is named in a warning. If the cache has an earlier state of it, that is read.

    Args:
        location: The URL.
        left_out: Attribute of the warning's log record that has the run's id.

    Raises:
        ArchiveError: If the archive cannot be reached.
        OSError: If the cache cannot be written.
    """
    name = hashlib.sha256(location.rstrip("/").encode()).hexdigest()[:32]
    journal = cache_directory("archives") / name
    archive = Archive(location)
    runs = private_directory(runs_directory(private_directory(journal)))
    kept = archive.runs()
    for directory in run_directories(journal):
        if directory.name not in kept:
            shutil.rmtree(directory)
    for one in _pull(archive, runs, kept, lambda _: None, follows=True):
        if one.outcome in ("failed", "incomplete"):
            state = "its earlier state is read" if (runs / one.id).exists() else "it is left out"
            warn(archive, one.id, one.reason or None, state, left_out)
    return journal


def _pull_one(archive: Archive, run_id: str, runs: Path, *, follows: bool) -> Pulled:
    """Copy a run; one that differs is replaced if the journal only follows the archive, so that nobody writes it."""
    wanted = complete_list(archive, run_id)
    if wanted is None:
        return Pulled(run_id, "incomplete")
    target, draft, aside = runs / run_id, runs / f".pull-{run_id}", runs / f".pulled-{run_id}"
    if aside.exists() and not target.exists():  # a pull was killed between its two renames
        aside.rename(target)
    there = target.exists()
    if there:
        if _has(target, wanted):
            return Pulled(run_id, "unchanged")
        if is_live(target):
            return Pulled(run_id, "differs")
        if not follows and not goes_on(archive, wanted, target, archived=True):
            return Pulled(run_id, "unchanged" if goes_on(archive, wanted, target, archived=False) else "differs")
    size = _download(archive, run_id, wanted, draft)
    if there:
        _keep_lanes(target, draft)
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
        draft.rename(target)
        shutil.rmtree(aside)
    else:
        draft.rename(target)
    return Pulled(run_id, "changed" if there else "new", size)


def _keep_lanes(directory: Path, draft: Path) -> None:
    """Copy those lanes of the journal's run that are further on than the archive's."""
    for path in (directory / "lanes").glob("*.json"):
        name = path.name.removesuffix(".json")
        ours, theirs = (read_state(run, unquote(name)) for run in (directory, draft))
        if ours.position < theirs.position:
            continue
        for each in (f"{name}.json", f"{name}.aside.jsonl", name):
            shutil.rmtree(draft / "lanes" / each, ignore_errors=True)
            (draft / "lanes" / each).unlink(missing_ok=True)
            kept = directory / "lanes" / each
            if kept.is_dir():
                shutil.copytree(kept, draft / "lanes" / each)
            elif kept.exists():
                shutil.copy2(kept, draft / "lanes" / each)


def _has(directory: Path, wanted: ArchivedRun) -> bool:
    """Return True if a run has these files; of a large one, size and modification time are enough."""
    for name, file in wanted.files.items():
        if name.startswith(LANES):  # the journal's own deliveries
            continue
        try:
            found = (directory / name).stat()
        except OSError:
            return False
        if not is_copy(file, directory / name, found):
            return False
    return True


def _download(archive: Archive, run_id: str, wanted: ArchivedRun, draft: Path) -> int:
    """Copy files into a draft of the run; those that an earlier call has copied are there. Return the bytes copied."""
    for folder in (draft, draft / "lanes"):
        folder.mkdir(mode=0o700, exist_ok=True)
    copied = 0
    for name, file in wanted.files.items():
        path = draft / name
        for folder in reversed(path.relative_to(draft).parents):
            (draft / folder).mkdir(mode=0o700, exist_ok=True)
        if path.exists() and path.stat().st_size == file.size and digest_of(path) == file.sha256:
            continue
        for left in reversed(range(_TRIES)):
            digest = _fetch(archive, run_id, name, path)
            if digest == file.sha256:
                break
            if not left:
                path.unlink(missing_ok=True)
                if digest is None:
                    raise missing(archive, run_id, name)
                raise ArchiveError(
                    f"{name} of run {run_id} in {archive.location} is damaged: its sha256 is {digest}, "
                    f"not {file.sha256}; push the run again with --verify"
                )
        os.utime(path, ns=(file.modified, file.modified))
        copied += file.size
    return copied


def _fetch(archive: Archive, run_id: str, name: str, path: Path) -> str | None:
    path.touch(mode=0o600)
    try:
        return archive.download(run_id, name, path)
    except FileNotFoundError:
        return None
