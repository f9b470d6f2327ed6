"""The list of a run's files in an archive, each with its size and digest.

An archive has the layout of a journal: ``runs/<id>/`` with the run's own files, and this list beside them. So a copy of
it on a disk, however it was made, is a journal, and a program needs no multitrack to read it.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from multitrack.errors import ArchiveError
from multitrack.journal.prepared import prepared
from multitrack.security.terminal import excerpt

#: Name of the list, in the run's folder.
LIST: Final = "archive.json"
_VERSION: Final = 1
#: Locks and leases in a run's folder.
_LOCK: Final = re.compile(r"(?:(?:compact\.)?lock|lanes/[^/]*\.lock)(?:\.\d+)?|\d+\.lease")
#: Bytes that are read at once.
BLOCK: Final = 1 << 20


class DamagedListError(ArchiveError):
    """A list cannot be read, and can be made anew from the files."""


class ArchivedFile(msgspec.Struct, frozen=True):
    """A file of a run.

    Attributes:
        size: Its size in bytes.
        sha256: Its digest, in hexadecimal.
        modified: Modification time of the file that was copied (ns).
    """

    size: int
    sha256: str
    modified: int


class ArchivedRun(msgspec.Struct):
    """The list of a run's files.

    Attributes:
        files: The files, by their path in the run's folder.
        complete: False while the run is being copied; the files in the list are whole all the same.
        version: Format of the list.
    """

    files: dict[str, ArchivedFile]
    complete: bool
    version: int = _VERSION


def encode(run: ArchivedRun) -> bytes:
    """The content of a list."""
    return msgspec.json.format(msgspec.json.encode(run)) + b"\n"


def decode(content: bytes, place: str) -> ArchivedRun:
    """Read a list, which may come from anybody.

    Args:
        content: The content.
        place: Its path or URL, for errors.

    Raises:
        DamagedListError: If it is invalid, or has a path that leads out of the run's folder.
        ArchiveError: If it is of a later version.
    """
    try:
        found = msgspec.json.decode(content, type=prepared(ArchivedRun))
    except (ValueError, RecursionError) as error:
        raise DamagedListError(f"{place} is damaged: {error}; push the run again") from None
    if found.version > _VERSION:
        raise ArchiveError(f"{place} has version {found.version}; this release of multitrack reads {_VERSION}")
    for name in found.files:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or any(part.startswith(".") for part in parts) or "\0" in name:
            raise DamagedListError(f"{place} has a file with an invalid name: {excerpt(name)!r}; push the run again")
    return found


def files_of(directory: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files of a run that an archive has: all but locks, drafts and caches, which are made again.

    Args:
        directory: The run's directory, without symbolic links.
    """
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or any(part.startswith(".") for part in name.split("/")):
            continue
        if name == LIST or _LOCK.fullmatch(name) or ("/" not in name and path.suffix == ".msgpack"):
            continue
        yield name, found


def digest_of(path: Path) -> str:
    """The digest of a file.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
