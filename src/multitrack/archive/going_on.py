"""Whether one copy of a run goes on from the other: it has all records of that, and perhaps more.

Push and pull replace a copy only by one that goes on from it. The segments decide, because no two writers make the same
one: each begins with its writer's start, host and process.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import IO, Final

from multitrack.archive.manifest import BLOCK, ArchivedFile, ArchivedRun, digest_of
from multitrack.archive.place import Archive
from multitrack.journal.encoding import decode_or_none
from multitrack.records import Segment

_SEGMENT: Final = re.compile(r"[0-9]{6,}\.jsonl")


def goes_on(archive: Archive, listed: ArchivedRun, directory: Path, *, archived: bool) -> bool:
    """Return True if a copy of a run has each segment of the other: the same one, a longer one, or a compacted one.

    Args:
        archive: The archive.
        listed: The files of its copy.
        directory: The run in a journal.
        archived: True if the archive's copy is to go on from the journal's, False if the journal's from the archive's.

    Raises:
        ArchiveError: If the archive cannot be read.
        OSError: If the journal cannot be read.
    """
    here = {path.name for path in directory.iterdir() if _SEGMENT.fullmatch(path.name)}
    there = {name for name in listed.files if _SEGMENT.fullmatch(name)}
    earlier, later = (here, there) if archived else (there, here)
    if earlier - later:
        return False
    for name in sorted(earlier):
        path = directory / name
        if is_copy(listed.files[name], path, path.stat()):
            continue
        try:
            theirs = archive.open(directory.name, name)
        except FileNotFoundError:  # nothing that a push could lose; a pull names what is missing
            continue
        with theirs, path.open("rb") as ours:
            if not (_continues(ours, theirs) if archived else _continues(theirs, ours)):
                return False
    return True


def is_copy(file: ArchivedFile, path: Path, found: os.stat_result) -> bool:
    """Return True if a file of a journal is that of an archive; its digest is computed if its time differs.

    Args:
        file: The archive's.
        path: The journal's.
        found: Its size and times.
    """
    if file.size != found.st_size:
        return False
    return file.modified == found.st_mtime_ns or file.sha256 == digest_of(path)


def _continues(earlier: IO[bytes], later: IO[bytes]) -> bool:
    first, other = earlier.readline(), later.readline()
    if first != other:
        torn = not first.endswith(b"\n") and other.startswith(first)  # a copy that was interrupted at once
        return torn or _is_compacted(first, other)
    while block := earlier.read(BLOCK):
        if later.read(len(block)) != block:
            return False
    return True


def _is_compacted(first: bytes, other: bytes) -> bool:
    """Return True if ``other`` begins a segment that compaction has made of the one that ``first`` begins."""
    before, after = decode_or_none(first), decode_or_none(other)
    if not isinstance(before, Segment) or not isinstance(after, Segment):
        return False
    same_writer = (before.time, before.host, before.pid) == (after.time, after.host, after.pid)
    return same_writer and set(before.compacted) < set(after.compacted)
