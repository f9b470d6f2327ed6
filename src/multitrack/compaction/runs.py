"""Compact the runs of a journal, each as its config said when it was recorded, or all alike."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from multitrack.compaction.due import due_segments
from multitrack.compaction.segment import rewrite
from multitrack.errors import JournalError
from multitrack.journal.locks import Hold
from multitrack.journal.manifest import Compaction, read_manifest

#: The lock of the process that compacts a run.
_LOCK = "compact.lock"


class Compacting(msgspec.Struct):
    """The outcome for one run.

    Attributes:
        id: The run's id.
        name: Its name.
        segments: Number of segments that were compacted.
        records: Number of records that were replaced.
        before: Bytes of these segments before.
        after: Bytes of them now.
        waiting: Number of old segments that have to wait, by reason.
    """

    id: str
    name: str
    segments: int = 0
    records: int = 0
    before: int = 0
    after: int = 0
    waiting: Counter[str] = msgspec.field(default_factory=Counter)


def compact_runs(
    directories: list[Path],
    how: Compaction | None = None,
    *,
    dry_run: bool = False,
    pause: Callable[[float], None] = lambda _: None,
) -> Iterator[Compacting]:
    """Compact runs, and yield the outcome of each that has old records.

    Args:
        directories: The directories of the runs.
        how: The age and the kinds of records; default: those of the run's config, and runs without any are left alone.
        dry_run: True to change nothing, and say what would come out.
        pause: Called after each stretch of lines with the seconds that it took.

    Raises:
        JournalError: If a run cannot be read, or a segment not be written; earlier ones stay compacted.
        ConfigError: If ddsketch is not installed.
    """
    for directory in directories:
        manifest = read_manifest(directory)
        chosen = how or manifest.compact
        if chosen is None:
            continue
        found = Compacting(manifest.id, manifest.name)
        until = round((time.time() - chosen.after) * 1000)
        lock = Hold(directory / _LOCK)
        try:
            held = lock.take()
            if not held:
                found.waiting["another process compacts the run"] += 1
            for due in due_segments(directory, manifest, chosen.kinds, until) if held else ():
                if due.reason is not None:
                    found.waiting[due.reason] += 1
                elif lock.is_current():
                    rewritten = rewrite(due.path, chosen.kinds, pause, dry_run=dry_run)
                    if rewritten.records:
                        found.segments += 1
                        found.records += rewritten.records
                        found.before += rewritten.before
                        found.after += rewritten.after
        except OSError as error:
            if isinstance(error, JournalError):
                raise
            raise JournalError(
                error.errno, f"cannot compact run {manifest.id}: {error.strerror}", str(directory)
            ) from error
        finally:
            lock.release()
        if found.segments or found.waiting:
            yield found
