"""Read back the recorded state of a run that is resumed, and cache it, so that a long journal is read once.

A process that ends a run knows its state, unless other processes recorded into it as well; a process that resumes a run
has read it. Both leave it in a file beside the run. The next one reads only the segments that were added since.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from multitrack.recording.history import Past

if TYPE_CHECKING:
    from multitrack.summaries.cache import CacheFile

#: Number of records from which the state is cached. Reading fewer takes some milliseconds.
_WORTH: Final = 10_000


def past_of(directory: Path) -> Past:
    """Read the recorded state of the run in ``directory``; the caller holds it, so that no other process opens it."""
    from multitrack.summaries.cache import stamp_of  # noqa: PLC0415 - new runs have no past

    segments = stamp_of(directory)[1:]
    past = _cache().read(directory, [])
    if past is None or past.segments != segments[: len(past.segments)]:
        past = Past()
    read = len(past.segments)
    past.segments = segments
    if read < len(segments):
        _read_on(directory, past, read + 1)
        _write(directory, past)
    return past


def _read_on(directory: Path, past: Past, segment: int) -> None:
    """Add the records of this segment and all later ones to a state."""
    from multitrack.summaries.builder import MetricKinds, SummaryBuilder  # noqa: PLC0415 - see above

    metrics = MetricKinds()
    builder = SummaryBuilder(directory, metrics, segment)
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


def _cache() -> CacheFile[Past]:
    from multitrack.summaries.cache import CacheFile  # noqa: PLC0415 - see above

    return CacheFile("past.msgpack", 1, Past)
