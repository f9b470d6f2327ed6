"""Read back the recorded state of a run that is resumed, and cache it, so that a long journal is read once.

A process that ends a run knows its state, unless other processes recorded into it as well; a process that resumes a run
has read it. Both leave it in a file beside the run, and so does a process that records, now and then
(:mod:`multitrack.recording.checkpoint`). The next one reads only what was added since.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from multitrack.journal.segments import segment_path
from multitrack.recording.history import Mark, Past

if TYPE_CHECKING:
    from multitrack.summaries.cache import CacheFile

#: Number of records from which the state is cached. Reading fewer takes some milliseconds.
_WORTH: Final = 10_000
#: Bytes by which an open segment is recognized: about two records, of which no other has time and values.
_TAIL: Final = 200


def past_of(directory: Path) -> Past:
    """Read the recorded state of the run in ``directory``; the caller holds it, so that no other process opens it."""
    from multitrack.summaries.cache import stamp_of  # noqa: PLC0415 - new runs have no past

    segments = stamp_of(directory)[1:]
    past = _cache().read(directory, [])
    if past is None or past.segments != segments[: len(past.segments)] or not _is_there(directory, past):
        past = Past()
    read, offset = len(past.segments), 0 if past.open is None else past.open.size
    past.segments, past.open = segments, None
    if read < len(segments):
        _read_on(directory, past, read + 1, offset)
        _write(directory, past)
    return past


def _is_there(directory: Path, past: Past) -> bool:
    """Return True if the segment that a state includes in part is still the same, or there is none."""
    return past.open is None or past.open == mark_of(directory, len(past.segments) + 1, past.open.size)


def mark_of(directory: Path, segment: int, size: int | None = None) -> Mark | None:
    """Mark the first ``size`` bytes of a segment; default: all of them.

    Returns:
        None if the segment is missing or shorter, or its last byte is no newline.
    """
    try:
        fd = os.open(segment_path(directory, segment), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(fd)
        size = found.st_size if size is None else size
        tail = os.pread(fd, min(size, _TAIL), max(size - _TAIL, 0))
    except OSError:
        return None
    finally:
        os.close(fd)
    return Mark(found.st_ino, size, tail) if size <= found.st_size and tail.endswith(b"\n") else None


def _read_on(directory: Path, past: Past, segment: int, offset: int) -> None:
    """Add the records of this segment, from a byte on, and of all later ones to a state."""
    from multitrack.summaries.builder import MetricKinds, SummaryBuilder  # noqa: PLC0415 - see above

    metrics = MetricKinds()
    builder = SummaryBuilder(directory, metrics, segment, offset)
    builder.read_on()
    past.params.update({name: (kind, value) for name, (kind, value) in builder.params.items() if kind is not None})
    past.objects.update(builder.objects)
    past.kinds.update(metrics.kinds)
    past.count += builder.records
    past.lost += builder.lost
    past.redacted += builder.redacted
    past.trainings = max(past.trainings, builder.trainings)
    past.skipped_epochs += builder.skipped_epochs
    past.skipped_batches += builder.skipped_batches
    past.last_time = max(past.last_time, builder.cursor.last_time)
    past.writes_models |= builder.writes_models


def cache_past(directory: Path, past: Past, own: set[int]) -> None:
    """Cache the state of a run that has just ended, unless other processes recorded into it, too.

    Args:
        directory: The run's directory.
        past: The state, with all records of this process.
        own: The numbers of the segments that this process has written and closed.
    """
    if past.count < _WORTH:
        return
    from multitrack.summaries.cache import stamp_of  # noqa: PLC0415 - short runs do without

    segments = stamp_of(directory)[1:]
    read = len(past.segments)
    if segments[:read] == past.segments and own == set(range(read + 1, len(segments) + 1)):
        past.segments = segments
        past.objects.update(past.own_objects)
        past.own_objects = {}
        _write(directory, past)


def _write(directory: Path, past: Past) -> None:
    if past.count >= _WORTH:
        _cache().write(directory, [], past)


def write_open(directory: Path, segment: int, past: Past) -> None:
    """Cache the state of a run that is open, with all records of its segments up to this one."""
    from multitrack.summaries.cache import stamp_of  # noqa: PLC0415 - see above

    past.segments, past.open = stamp_of(directory)[1:segment], mark_of(directory, segment)
    if past.open is not None and len(past.segments) == segment - 1:
        _cache().write(directory, [], past)


@functools.cache
def _cache() -> CacheFile[Past]:
    from multitrack.summaries.cache import CacheFile  # noqa: PLC0415 - see above

    return CacheFile("past.msgpack", 2, Past)
