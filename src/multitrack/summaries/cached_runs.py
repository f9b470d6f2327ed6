"""Cache the manifest and the summary of each run, so that thousands of runs are listed without reading their journals.

They are cached once no process writes the run any more: by the courier before it exits, or by the first reader.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from multitrack.errors import JournalError
from multitrack.journal.manifest import Manifest, read_manifest
from multitrack.journal.segments import is_live
from multitrack.summaries.cache import CacheFile, Stamp, stamp_of
from multitrack.summaries.summary import Summary

#: Maximum bytes of a journal that a courier reads for the cache; takes well below a second.
_SMALL: Final = 1 << 25


class CachedRun(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The cached parts of a run.

    Attributes:
        facts: The manifest without backends and packages, which take most of its space.
        summary: The summary.
        closed: True if the run's records have its end. A run without one may be written by another host where locks do
            not work.
        backends: The names of its backends.
    """

    facts: Manifest
    summary: Summary
    closed: bool
    backends: list[str]


CACHE: Final = CacheFile("summary.msgpack", 6, CachedRun)


def facts_of(manifest: Manifest) -> Manifest:
    """Copy a manifest without backends, packages, code and hardware: the part that tables show."""
    context = manifest.context and msgspec.structs.replace(
        manifest.context, packages={}, urls={}, code=None, hardware=None
    )
    return msgspec.structs.replace(manifest, context=context, backends=[])


def cached_run(directory: Path, stamp: Stamp) -> CachedRun | None:
    """Return the cached parts of the run in ``directory``; None if there are no valid ones."""
    found = CACHE.read(directory, stamp)
    return found if found is not None and found.facts.id == directory.name else None


def read_run(directory: Path, stamp: Stamp, manifest: Manifest) -> CachedRun:
    """Read the journal of the run in ``directory``, and cache the result if no process writes the run.

    Args:
        directory: The run's directory.
        stamp: The stamp of its files before this call.
        manifest: The run's manifest.
    """
    summary, at_rest, closed = Summary.with_rest(directory)
    if manifest.redacted:
        summary = msgspec.structs.replace(summary, redacted=summary.redacted + manifest.redacted)
    found = CachedRun(facts_of(manifest), summary, closed, [entry.name for entry in manifest.backends])
    if at_rest:
        CACHE.write(directory, stamp, found)
    return found


def cache_ended_runs(directories: Iterable[Path], seconds: float) -> None:
    """Cache summaries and curves of the runs that have ended; long journals are left to their first reader.

    Args:
        directories: The runs' directories.
        seconds: Time limit; the remaining runs are skipped.
    """
    from multitrack.summaries.curves import LONG, curves_of  # noqa: PLC0415 - listings do not need them

    deadline = time.monotonic() + seconds
    for directory in directories:
        if time.monotonic() > deadline:
            return
        with contextlib.suppress(OSError, JournalError):
            stamp = stamp_of(directory)
            size = sum(size for size, _ in stamp)
            if size >= _SMALL or is_live(directory):
                continue
            if cached_run(directory, stamp) is None:
                read_run(directory, stamp, read_manifest(directory))
            if size >= LONG:
                curves_of(directory)
