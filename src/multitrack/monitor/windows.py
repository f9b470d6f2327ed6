"""Statistics of the values in each window of time: exact from the values, or from the figures of compacted ones."""

from __future__ import annotations

import math
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from multitrack._hints import did_you_mean
from multitrack.errors import QueryError
from multitrack.monitor.calendar import Calendar
from multitrack.monitor.points import Range, RunPoints
from multitrack.records import Digest
from multitrack.security.terminal import excerpt
from multitrack.summaries.digests import Merged
from multitrack.summaries.doubles import finite, total

#: Statistics by name; beside them ``p`` and any percentile: ``p90``, ``p99.9``.
STATISTICS: Final = ("count", "rate", "mean", "min", "max", "p50", "p95", "p99")
_PERCENTILE: Final = re.compile(r"p(\d{1,3}(?:\.\d+)?)")


class Window(msgspec.Struct, frozen=True):
    """A window of time.

    ``count`` and ``rate`` are of all values. The others are of the finite ones, and None if there are none. In an empty
    window all but ``count`` are None.

    Attributes:
        start: Its start (ms since the epoch).
        end: Its end, which is the next one's start.
        count: Number of values.
        statistics: The statistics asked for, by name; ``rate`` is in values per second.
        runs: The ids of the runs that the values are of.
    """

    start: int
    end: int
    count: int
    statistics: dict[str, float | int | None]
    runs: list[str]


def check_statistics(names: Iterable[str]) -> list[str]:
    """Check names of statistics.

    Raises:
        QueryError: One is none, or there are none.
    """
    checked = list(dict.fromkeys(names))
    if not checked:
        raise QueryError(f"name a statistic: {', '.join(STATISTICS)}")
    for name in checked:
        percentile = _PERCENTILE.fullmatch(name)
        if name not in STATISTICS and not (percentile and float(percentile[1]) <= 100):
            near = did_you_mean(name, STATISTICS)
            raise QueryError(
                f"no statistic {excerpt(name)!r}{near}; there are {', '.join(STATISTICS)} and any p0 to p100"
            )
    return checked


class _Bucket:
    """The values of a window."""

    def __init__(self) -> None:
        self.values: list[array[float]] = []
        self.digests: list[Digest] = []
        self.runs: list[str] = []


class Buckets:
    """The values of one group by window.

    Args:
        calendar: The windows.
    """

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._held: dict[int, _Bucket] = {}

    def add(self, points: RunPoints) -> None:
        """Add the values of a run."""
        times, place = points.times, 0
        while place < len(times):
            start, end = self._calendar.window(times[place])
            after = max(place + 1, bisect_left(times, end, place))
            self._bucket(start, points.run).values.append(points.values[place:after])
            place = after
        for each in points.windows:
            self._bucket(self._calendar.window(each.since)[0], points.run).digests.append(each.digest)

    def _bucket(self, start: int, run: str) -> _Bucket:
        bucket = self._held.setdefault(start, _Bucket())
        if run not in bucket.runs[-1:]:
            bucket.runs.append(run)
        return bucket

    def span(self) -> tuple[int, int]:
        """The starts of the first and of the last window."""
        return min(self._held), max(self._held)

    def window(self, start: int, end: int, names: Sequence[str], within: Range) -> Window:
        """Return a window, with statistics by these names.

        Args:
            start: The window's start.
            end: Its end.
            names: The statistics.
            within: The range of times that were read; a window that it cuts has the rate of the part in the range.
        """
        if start not in self._held:
            return Window(start, end, 0, {name: 0 if name == "count" else None for name in names}, [])
        bucket = self._held[start]
        pieces = bucket.values
        first, last = max(start, within.since or start), min(end, end if within.until is None else within.until)
        seconds = max(1, last - first) / 1000
        if bucket.digests:
            merged = Merged()
            for digest in bucket.digests:
                merged.add(digest)
            for piece in pieces:
                merged.add_values(piece)
            return Window(start, end, merged.count, of_merged(merged, names, seconds), bucket.runs)
        values = pieces[0] if len(pieces) == 1 else array("d", (value for piece in pieces for value in piece))
        return Window(start, end, len(values), reduced(values, names, seconds), bucket.runs)


def reduced(values: Sequence[float], names: Sequence[str], seconds: float) -> dict[str, float | int | None]:
    """Return the statistics of some values, by name.

    Args:
        values: The values, at least one.
        names: The names of the statistics.
        seconds: The time that the values are of, for the rate.
    """
    found: dict[str, float | int | None] = {}
    known: Sequence[float] = values
    if not math.isfinite(sum(values)):
        known = finite(values)
    ordered: list[float] | None = None
    for name in names:
        if name == "count":
            found[name] = len(values)
        elif name == "rate":
            found[name] = len(values) / seconds
        elif not known:
            found[name] = None
        elif name == "mean":
            found[name] = total(known) / len(known)
        elif name in ("min", "max"):
            found[name] = min(known) if name == "min" else max(known)
        else:
            ordered = sorted(known) if ordered is None else ordered
            found[name] = percentile(ordered, float(name[1:]))
    return found


def of_merged(merged: Merged, names: Sequence[str], seconds: float) -> dict[str, float | int | None]:
    """Return the statistics of values of which some were compacted, as :func:`reduced` does."""
    found: dict[str, float | int | None] = {}
    for name in names:
        if name in ("count", "rate"):
            found[name] = merged.count if name == "count" else merged.count / seconds
        elif not merged.finite:
            found[name] = None
        elif name == "mean":
            found[name] = merged.mean()
        elif name in ("min", "max"):
            found[name] = merged.min if name == "min" else merged.max
        else:
            found[name] = merged.percentile(float(name[1:]))
    return found


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return a percentile of sorted numbers, between two of them by linear interpolation, as numpy does."""
    place = (len(ordered) - 1) * percent / 100
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    part = place - math.floor(place)
    return low if low == high else low * (1 - part) + high * part


def label(value: Any, by: str | None) -> str:
    """Return a group's name for people."""
    if value is not None:
        return str(value)
    return "all" if by is None else f"no {by.removeprefix('tags.')}"
