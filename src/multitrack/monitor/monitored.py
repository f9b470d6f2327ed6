"""``monitor``: a metric over time, in windows, by deployment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from multitrack.errors import QueryError
from multitrack.monitor.calendar import Calendar, fitting
from multitrack.monitor.points import Range, RunPoints, grouping, has_metric, metric_name, now, read_points
from multitrack.monitor.windows import STATISTICS, Buckets, Window, check_statistics
from multitrack.query.columns import Column
from multitrack.query.selection import Known
from multitrack.query.times import Moment, milliseconds
from multitrack.reading.formatting import moment
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.terminal import excerpt
from multitrack.summaries.dataframes import Framed
from multitrack.summaries.digests import WINDOW

#: Maximum number of windows of all groups; they would fill the memory otherwise.
_MOST: Final = 200_000
#: Maximum number of windows of a group if no length is given.
_FITTING: Final = 48


class Monitored(Framed):
    """A metric over time; as a frame, one row a window and group.

    Attributes:
        metric: The metric's name.
        by: The column that runs are grouped by, or None.
        every: The length of the windows in seconds.
        statistics: The names of the statistics.
        groups: The windows of each group, by the value of the column; None for runs without it. All groups have the
            same windows: from the first to the last in which any group has a value.
        compacted_until: The time (ms) of the last value that was compacted; None if none was.
    """

    def __init__(
        self, metric: str, by: str | None, calendar: Calendar, statistics: Sequence[str],
        groups: dict[Any, list[Window]], compacted_until: int | None = None,
    ) -> None:  # fmt: skip
        self.metric = metric
        self.by = by
        self.every = calendar.milliseconds / 1000
        self.statistics = list(statistics)
        self.groups = groups
        self.compacted_until = compacted_until

    def _columns(self) -> dict[str, list[Any]]:
        rows = [(by, window) for by, windows in self.groups.items() for window in windows]
        return {
            "by": [by for by, _ in rows],
            "time": [window.start for _, window in rows],
            **{name: [window.statistics[name] for _, window in rows] for name in self.statistics},
        }


def monitor(
    runs: Iterable[RecordedRun],
    metric: str,
    *,
    by: str | None = "deployment",
    every: str | float | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    statistics: Sequence[str] = STATISTICS,
) -> Monitored:
    """Follow a metric over time: statistics of its values in each window.

    The values are all writes of a simple metric, all points of a series and all numbers of a list, with the times of
    their calls.

    Args:
        runs: The runs, from :meth:`~multitrack.reading.reader.JournalReader.runs`; those that are running, too.
        metric: The metric's name, or its column.
        by: The tag, or another column, to group the runs by; None for one group.
        every: Length of the windows: seconds, or a text such as ``5min``, ``1h``, ``1d`` or ``1w``. Default: a usual
            length of which at most 48 cover the values. Whole days begin at midnight in local time.
        since: Only values from this time on: milliseconds since the epoch, a datetime, or a text as in filters.
        until: Only values up to this time.
        statistics: Any of ``count``, ``rate``, ``mean``, ``min``, ``max``, and percentiles such as ``p50``, ``p99.9``.

    Returns:
        The windows by group; no groups if no run has a value in the range.

    Raises:
        QueryError: If an argument is invalid, no run has the metric, or there would be more than 200,000 windows.
    """
    name = metric_name(metric)
    column = None if by is None else grouping(by)
    names = check_statistics(statistics)
    calendar = None if every is None else Calendar(every)
    within = Range(milliseconds(since), milliseconds(until))
    known = list(runs)
    points = list(read_points(known, name, column, within))
    if not points and known:
        _check_known(known, name)
    return windowed(points, name, None if column is None else str(column), calendar, within, names)


def windowed(
    points: Sequence[RunPoints], metric: str, by: str | None, calendar: Calendar | None, within: Range,
    statistics: Sequence[str], most: int = _FITTING,
) -> Monitored:  # fmt: skip
    """Put values into windows.

    Args:
        points: The values of each run.
        metric: The metric's name.
        by: The column that the runs are grouped by.
        calendar: The windows; None for a usual length.
        within: The range of times that was read.
        statistics: The names of the statistics.
        most: Maximum number of windows of a usual length.

    Raises:
        QueryError: If there would be too many windows.
    """
    if not points:
        return Monitored(metric, by, calendar or Calendar("1h"), statistics, {})
    first, last = min(each.span[0] for each in points), max(each.span[1] for each in points)
    compacted = [each.windows[-1].until for each in points if each.windows]
    if calendar is None:
        counts: Counter[Any] = Counter()
        for each in points:
            counts[each.by] += each.total
        least = WINDOW if compacted else 0
        calendar = fitting(first, last, min(most, max(counts.values())), least)  # shorter ones would mostly be empty
    elif compacted and calendar.milliseconds % WINDOW:
        raise QueryError(
            f"values up to {moment(max(compacted))} were compacted to windows of {WINDOW // 60_000} minutes: use "
            "windows of 5min, 10min, 1h or other multiples (--every), or later values (--since)"
        )
    elif (count := calendar.count(first, last) * len({each.by for each in points})) > _MOST:
        raise QueryError(
            f"{excerpt(metric)} has values from {moment(first)} to {moment(last)}, which is {count:,} windows of "
            f"{calendar.milliseconds / 1000:g} s: use longer ones (--every), or fewer values (--since, --until)"
        )
    groups: dict[Any, Buckets] = {}
    for each in points:
        groups.setdefault(each.by, Buckets(calendar)).add(each)
    spans = [buckets.span() for buckets in groups.values()]
    windows = list(calendar.windows(min(start for start, _ in spans), max(start for _, start in spans)))
    here = now()  # the window that is not over has the rate until now
    until = here if within.until is None or within.until > here else within.until
    seen = Range(within.since, until if until >= last else None)
    ordered = sorted(groups, key=lambda value: (value is None, str(value)))
    return Monitored(metric, by, calendar, statistics, {
        value: [groups[value].window(start, end, statistics, seen) for start, end in windows] for value in ordered
    }, max(compacted, default=None))  # fmt: skip


def _check_known(runs: Sequence[RecordedRun], name: str) -> None:
    """Check that some run has the metric.

    Raises:
        QueryError: No run has it.
    """
    summaries = [run.summary() for run in runs]
    if not any(has_metric(summary, name) for summary in summaries):
        Known(summaries).check(Column.of("metrics", name))
