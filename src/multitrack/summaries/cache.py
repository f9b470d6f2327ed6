"""What a run is and holds, kept beside it, so that thousands of runs are listed without reading their journals.

It is kept once nobody writes the run any more, by whoever reads it first: a listing, or the courier as it goes. It
holds for as long as the manifest and the journal's segments are what they were, which a look at their sizes and times
tells; a resumed run has a segment more. The file can be deleted at any time, and where it cannot be written its
content is made each time.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from multitrack.journal.atomic import write_whole
from multitrack.journal.manifest import Manifest
from multitrack.summaries.summary import Summary

#: Its name in the run's directory.
FILE: Final = "summary.msgpack"  # not JSON: it has NaN, and nobody looks here for what the journal says

#: To be raised whenever a summary comes to mean something else.
_VERSION: Final = 2

Stamp = list[tuple[int, int]]
"""Size and time of change of the manifest and of each segment."""


class Kept(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is kept of a run.

    Attributes:
        version: What it is to be understood by.
        stamp: What the files were like.
        facts: The manifest, without what takes most of its room.
        summary: What the run holds.
    """

    version: int
    stamp: Stamp
    facts: Manifest
    summary: Summary


_decoder: Final = msgspec.msgpack.Decoder(Kept)


def stamp_of(directory: Path) -> Stamp:
    """What the files of the run in ``directory`` look like from outside."""
    stamp: Stamp = []
    base = str(directory)  # for thousands of runs: pathlib takes longer than the kernel
    try:
        found = os.stat(f"{base}/manifest.json")  # noqa: PTH116
        while True:
            stamp.append((found.st_size, found.st_mtime_ns))
            found = os.stat(f"{base}/{len(stamp):06}.jsonl")  # noqa: PTH116
    except OSError:
        return stamp


def facts_of(manifest: Manifest) -> Manifest:
    """A manifest without backends and packages: what tables show of it."""
    context = manifest.context and msgspec.structs.replace(manifest.context, packages={}, urls={})
    return msgspec.structs.replace(manifest, context=context, backends=[])


def recall(directory: Path, stamp: Stamp) -> Kept | None:
    """What is kept of the run in ``directory``, if that still holds."""
    try:
        with open(f"{directory}/{FILE}", "rb", buffering=0) as file:  # noqa: PTH123 - as above
            kept = _decoder.decode(file.read())
    except (OSError, ValueError):  # not there, another user's, of another version, damaged
        return None
    holds = kept.version == _VERSION and kept.stamp == stamp and kept.facts.id == directory.name
    return kept if holds else None


def read(directory: Path, stamp: Stamp, manifest: Manifest) -> Kept:
    """Read the journal of the run in ``directory``, and keep what came out if that is final.

    Args:
        directory: The run's directory.
        stamp: As it was just now: what is written meanwhile makes it void.
        manifest: The run's.
    """
    summary, at_rest = Summary.with_rest(directory)
    if manifest.redacted:
        summary = msgspec.structs.replace(summary, redacted=summary.redacted + manifest.redacted)
    kept = Kept(_VERSION, stamp, facts_of(manifest), summary)
    if at_rest and not directory.is_symlink():  # which we never make, and which leads to somebody else's files
        with contextlib.suppress(OSError, OverflowError):  # a journal that is only read; a param beyond 64 bits
            write_whole(directory / FILE, msgspec.msgpack.encode(kept))
    return kept
