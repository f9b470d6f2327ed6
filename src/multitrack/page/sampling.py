"""Limit the size of a written page of many runs: how many points and log lines each run may have, and sampling curves.

A page of few runs is complete. A page of many runs shares a fixed number of points, and of log lines, between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct, structs

from multitrack.reading.recorded_run import RecordedRun
from multitrack.summaries.curves import Curves
from multitrack.summaries.downsample import Means, Thinned, Thinner

#: Maximum number of runs whose curves and log lines are in a page whatever their size.
FEW: Final = 100
#: Maximum number of points of all curves of a written page of more runs, and of log lines.
ALL_POINTS: Final = 500_000
ALL_LINES: Final = 50_000
#: Minimum number of points of a curve: two stretches, of each the first, last, lowest, highest and one not finite.
_LEAST_POINTS: Final = 10
#: Minimum number of log lines of a run: the first and the last.
_LEAST_LINES: Final = 2


class Limits(Struct, frozen=True):
    """Maximum sizes in a page.

    Attributes:
        points: Number of points of a series.
        lines: Number of log lines of a run.
        sampled: Number of points of a series after sampling; None if the curves are not sampled.
    """

    points: int
    lines: int
    sampled: int | None = None


def limits_of(runs: Sequence[RecordedRun], limits: Limits, *, points: bool = True, lines: bool = True) -> Limits:
    """Lower the limits for a written page of many runs.

    Args:
        runs: The runs of the page.
        limits: The limits for a page of few runs.
        points: True if the limit on points may be lowered.
        lines: True if the limit on log lines may be lowered.
    """
    if len(runs) <= FEW or not (points or lines):
        return limits
    lengths: list[int] = []
    logs: list[int] = []
    for run in runs:
        summary = run.summary()
        lengths += (found.count for found in (*summary.series.values(), *summary.lists.values()))
        logs.append(summary.lines)
    each = share(lengths, ALL_POINTS, limits.points, _LEAST_POINTS) if points else limits.points
    return Limits(
        limits.points,
        share(logs, ALL_LINES, limits.lines, _LEAST_LINES) if lines else limits.lines,
        each if each < limits.points else None,
    )


def share(lengths: Iterable[int], room: int, most: int, least: int) -> int:
    """Return the largest limit on each length with which all of them fit.

    Args:
        lengths: The lengths.
        room: Maximum sum of the limited lengths.
        most: Maximum limit, returned if all lengths fit with it.
        least: Minimum limit, also if the lengths do not fit with it; not above ``most``.
    """
    ordered = sorted(min(length, most) for length in lengths)
    for i, length in enumerate(ordered):
        each = room // (len(ordered) - i)
        if length > each:
            return min(most, max(least, each))
        room -= length
    return most


def sampled(curves: Curves, points: int) -> Curves:
    """Return curves of at most so many points, with the extremes of each stretch.

    Args:
        curves: The curves, complete or thinned.
        points: Maximum number of points of each; 10 or more.
    """
    return Curves(
        {name: _sampled(thinned, points) for name, thinned in curves.series.items()},
        {name: _sampled(thinned, points) for name, thinned in curves.lists.items()},
    )


def _sampled(whole: Thinned, points: int) -> Thinned:
    """Return a smaller curve; the counts stay those of all points of the series."""
    curve = whole.curve
    if len(curve.values) <= points:
        return whole
    thinner = Thinner(points)
    thinner.extend(curve.steps, curve.times, curve.values)
    found = thinner.thinned()
    if whole.means is None:  # the curve had all points
        return found
    return structs.replace(whole, curve=found.curve, means=_merged(whole.means, points // 5))


def _merged(means: Means, most: int) -> Means:
    """Join neighbouring stretches so that at most so many remain."""
    length = -(-len(means.values) // max(1, most))
    found = Means([], [], [], [])
    for start in range(0, len(means.values), length):
        stretch = slice(start, start + length)
        weighted = [(value, n) for value, n in zip(means.values[stretch], means.counts[stretch], strict=True) if n]
        count = sum(n for _, n in weighted)
        found.steps.append(means.steps[stretch][-1])
        found.times.append(means.times[stretch][-1])
        found.counts.append(count)
        found.values.append(sum(value * (n / count) for value, n in weighted) if count else math.nan)
    return found
