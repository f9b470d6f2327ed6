"""The directory of a run below TensorBoard's log directory.

TensorBoard names a run by its directory. ``<project>/<name>-<end of the run id>`` is readable and nearly always unique;
a trial's directory is below that of its search. A hidden file in the directory says whose it is, so that runs of two
journals that have the same id and name do not meet.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from multitrack.errors import BackendError, JournalError
from multitrack.hookspecs import RunInfo
from multitrack.journal.manifest import read_manifest
from multitrack.journal.prepared import prepared
from multitrack_tensorboard.note import Note, note_of

CLAIM: Final = ".multitrack.json"
_ODD: Final = re.compile(r"[^\w .,=+@()-]")
_MADE_ID: Final = re.compile(r"\d{8}-\d{6}-\d{3}-([0-9a-f]{6})")


class Claim(msgspec.Struct, frozen=True):
    """Content of the hidden file: the owner of a run's directory.

    Attributes:
        run_id: The run id.
        token: Chance, repeated in the owner's :class:`Note`.
        lane: Digest of the path of the owner's lane, for an owner whose note is lost.
    """

    run_id: str
    token: str
    lane: str


def take_place(run: RunInfo, note: Note | None) -> tuple[str, Note]:
    """Find or make the run's directory, and claim it.

    Args:
        run: The run.
        note: The lane's note, if there is one.

    Returns:
        The directory, relative to the log directory, and the note, which has it. A new note begins at position 0.

    Raises:
        BackendError: All directories with names for this run belong to others.
        OSError: The directory cannot be made.
    """
    logdir = Path(run.options.directory)
    lane = hashlib.sha256(os.fsencode(run.directory)).hexdigest()[:16]
    if note is not None and _is_inside(note.directory):
        claim = _claim_of(logdir / note.directory)
        if claim is not None and (claim.run_id, claim.token) == (run.id, note.token):
            return note.directory, note
    wanted = Claim(run.id, secrets.token_hex(8), lane)
    base = _base(run)
    for directory in (base, f"{base}-{lane[:6]}", f"{base}-{lane}"):
        claim = _take(logdir / directory, wanted)
        if claim is not None and (claim.run_id, claim.lane) == (run.id, lane):
            return directory, Note(directory=directory, token=claim.token)
    raise BackendError(f"{logdir / base} belongs to another run, and so do its variants: delete those not needed")


def ancestors_of(place: Path, logdir: Path) -> Iterator[Path]:
    """Yield the directories of a run's parent, of its parent, and so on."""
    for path in place.parents:
        if path == logdir:
            return
        if (path / CLAIM).exists():
            yield path


def _base(run: RunInfo) -> str:
    own = part(run.name, run.id)
    if run.parent is None:
        return f"{plain(run.project) or 'project'}/{own}"
    return f"{_parent_directory(run.directory, run.parent, run.project)}/{own}"


def _parent_directory(lane: Path, parent: str, project: str) -> str:
    """Return the directory of a parent, from its note, or as it will be once the parent is opened."""
    runs = lane.parents[2]  # <journal>/runs/<run id>/lanes/<backend>
    ancestors: list[str] = []
    while True:
        note = note_of(runs / parent / lane.parent.name / lane.name)
        if note is not None and _is_inside(note.directory):
            return "/".join((note.directory, *reversed(ancestors)))
        try:
            manifest = read_manifest(runs / parent)
        except JournalError:  # in another machine's journal
            ancestors.append(part("", parent))
            break
        project = manifest.project
        ancestors.append(part(manifest.name, manifest.id))
        if manifest.parent is None or len(ancestors) > 20:
            break
        parent = manifest.parent
    return "/".join((plain(project) or "project", *reversed(ancestors)))


def part(name: str, run_id: str) -> str:
    """Return the last part of a run's directory."""
    made = _MADE_ID.fullmatch(run_id)
    shown = plain(name)
    tail = made[1] if made else run_id
    return f"{shown}-{tail}" if shown and shown != tail else tail if shown else run_id


def plain(name: str) -> str:
    """Return a name without the characters that are unsafe or confusing in a path, of at most 120 bytes."""
    text = _ODD.sub("_", name).strip(" .-")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:  # a locale without UTF-8
        text = text.encode("ascii", "replace").decode().replace("?", "_")
    return text.encode()[:120].decode(errors="ignore").rstrip(" .-")


def _take(place: Path, wanted: Claim) -> Claim | None:
    """Claim a directory that nobody owns; return its owner's claim, None if that is damaged."""
    place.mkdir(parents=True, exist_ok=True)
    try:
        with (place / CLAIM).open("xb") as file:
            file.write(msgspec.json.encode(wanted))
    except FileExistsError:
        return _claim_of(place)
    return wanted


def _claim_of(place: Path) -> Claim | None:
    try:
        return msgspec.json.decode((place / CLAIM).read_bytes(), type=prepared(Claim))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _is_inside(directory: str) -> bool:
    """Return True if a relative path of a note, which may come from somebody else's journal, stays in its root."""
    path = PurePosixPath(directory)
    return bool(directory) and not path.is_absolute() and ".." not in path.parts and "\\" not in directory
