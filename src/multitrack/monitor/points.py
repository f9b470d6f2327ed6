"""The values of a metric in many runs, with their times, and the value of the column that the runs are grouped by."""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from multitrack.errors import QueryError
from multitrack.query.cells import Value
from multitrack.query.columns import GROUPS, METADATA, Column, parse_column
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.terminal import excerpt
from multitrack.summaries.cache import stamp_of
from multitrack.summaries.cached_runs import cached_run
from multitrack.summaries.summary import Summary
from multitrack.summaries.writes import DigestWindow, WriteReader


class Range(NamedTuple):
    """A range of times, both ends included; None for no limit (ms since the epoch)."""

    since: int | None = None
    until: int | None = None

    def contains(self, time: int) -> bool:
        """Return True if a time is in the range."""
        return (self.since is None or time >= self.since) and (self.until is None or time <= self.until)

    def overlaps(self, started: int, ended: int | None) -> bool:
        """Return True if something that began and ended then was there within the range."""
        return (self.until is None or started <= self.until) and (
            self.since is None or ended is None or ended >= self.since
        )


class RunPoints(NamedTuple):
    """The values of a metric in one run.

    Attributes:
        run: The run's id.
        by: Its value of the column that runs are grouped by; None if it has none.
        times: The time of each value (ms since the epoch), in order.
        values: The values.
        windows: Figures of values that were compacted, in order.
    """

    run: str
    by: Any
    times: array[int]
    values: array[float]
    windows: Sequence[DigestWindow] = ()

    @property
    def span(self) -> tuple[int, int]:
        """The times of the first and of the last value."""
        first = [*self.times[:1], *(window.since for window in self.windows[:1])]
        last = [*self.times[-1:], *(window.until for window in self.windows[-1:])]
        return min(first), max(last)

    @property
    def total(self) -> int:
        """Number of values."""
        return len(self.times) + sum(window.digest.count for window in self.windows)


def read_points(runs: Iterable[RecordedRun], metric: str, by: Column | None, within: Range) -> Iterator[RunPoints]:
    """Read a metric of runs; those without a value of it in the range are left out.

    Args:
        runs: The runs, also ones that are running.
        metric: The metric's name.
        by: The column that runs are grouped by.
        within: The range of times.
    """
    for run in runs:
        if within.until is not None and run.facts.created > within.until:
            continue
        known = cached_run(run.directory, stamp_of(run.directory))  # of a run that has ended; reading one takes longer
        if known is not None and not (
            within.overlaps(known.facts.created, known.summary.ended) and has_metric(known.summary, metric)
        ):
            continue
        reader = WriteReader(run.directory, metric, within.since)
        reader.read_on()
        writes = reader.writes(metric)
        first = 0 if within.since is None else bisect_left(writes.times, within.since)
        last = len(writes.times) if within.until is None else bisect_right(writes.times, within.until)
        windows = [window for window in writes.windows if within.contains(window.since)]
        if first < last or windows:
            group = group_of(run, reader.tags, by)
            yield RunPoints(run.id, group, writes.times[first:last], writes.values[first:last], windows)


def has_metric(summary: Summary, name: str) -> bool:
    """Return True if a run has a metric or list of this name."""
    return name in summary.simple or name in summary.series or name in summary.lists


def group_of(run: RecordedRun, tags: dict[str, str], by: Column | None) -> Any:
    """Return a run's value of the column that runs are grouped by; tags, of a running run too, are known already."""
    if by is None:
        return None
    value = tags.get(by.name) if by.group == "tags" else run.get(by)
    if isinstance(value, Value):
        value = value.value
    return str(value) if isinstance(value, (list, dict)) else value


def metric_name(text: str) -> str:
    """Return the name of a metric given by name or as a column (``score``, ``metrics.score``, ``lists.latency``).

    Raises:
        QueryError: The column is of another group, or has a reduction.
    """
    try:
        column = parse_column(text if text.partition(".")[0] in GROUPS else f"metrics.{text}")
    except QueryError:
        return text  # a name with spaces or colons
    if column.group not in ("metrics", "lists"):
        raise QueryError(f"{excerpt(text)!r} is no metric; say score, metrics.score or lists.latency")
    if column.reduction is not None:
        raise QueryError(f"{excerpt(text)!r}: windows are of all values; leave out :{column.reduction}")
    return column.name


def grouping(text: str) -> Column:
    """Return the column that runs are grouped by: ``deployment`` for the tag, or any column, as ``params.model``.

    Raises:
        QueryError: The text is no column.
    """
    plain = text.partition(".")[0] not in GROUPS and text not in METADATA
    return parse_column(f"tags.{text}" if plain else text)


def now() -> int:
    """The current time (ms since the epoch)."""
    return time.time_ns() // 1_000_000
