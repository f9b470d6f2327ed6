"""Downsample series for graphs (M4), in one pass and constant memory, without a visible difference.

The points are divided into stretches of equal length. Of each stretch, the first, last, lowest and highest
points are kept, and one point that is not finite, because it is a gap in the line. When there are too many stretches,
pairs of neighbours are merged, so the result depends only on the points and not on how they were passed in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from multitrack.summaries.doubles import finite, is_beyond, is_finite, mean, total

#: Maximum number of points kept of a stretch: first, last, lowest, highest, and one that is not finite.
_KEPT: Final = 5


class Curve(msgspec.Struct, frozen=True):
    """Points of a series, in the order they were logged.

    Attributes:
        steps: The step of each point.
        times: The time of each point (ms since the epoch).
        values: The value of each point.
    """

    steps: list[int]
    times: list[int]
    values: list[int | float]


class Means(msgspec.Struct, frozen=True):
    """The mean of each stretch's finite values, for smoothing.

    Attributes:
        steps: The step of each stretch's last point.
        times: The time of each stretch's last point (ms since the epoch).
        values: The mean of each stretch; NaN, a gap, if no value is finite.
        counts: The number of finite values in each stretch.
    """

    steps: list[int]
    times: list[int]
    values: list[float]
    counts: list[int]


class Thinned(msgspec.Struct, frozen=True):
    """A downsampled series.

    Attributes:
        count: Number of points in the series.
        curve: The points kept; all of them, if there were few.
        means: The means of the stretches; ``None`` if all points were kept.
        odd: Number of values in the series that are not finite doubles.
        below: Number of finite values that are 0 or below.
        huge: Number of integers beyond the range of doubles; they are counted in ``odd`` as well.
    """

    count: int
    curve: Curve
    means: Means | None = None
    odd: int = 0
    below: int = 0
    huge: int = 0


class _Point(NamedTuple):
    place: int
    step: int
    time: int
    value: float


class _Stretch(NamedTuple):
    """A stretch of neighbouring points: the points kept, and its counts."""

    first: _Point
    last: _Point
    low: _Point | None
    high: _Point | None
    odd: _Point | None
    total: int | float
    finite: int
    below: int
    huge: int


class Thinner:
    """Downsamples one series as its points are added; keeps at most ``points`` of them.

    Args:
        points: Maximum number of points to keep; 10 or more.
    """

    def __init__(self, points: int = 1200) -> None:
        if points < 2 * _KEPT:
            raise ValueError(f"points must be {2 * _KEPT} or more, got {points}")
        self.count = 0
        self._most = points
        self._room = points // (2 * _KEPT) * 2  # maximum stretches; even, so that all can be merged in pairs
        self._stretches: list[_Stretch] = []
        self._length = 0  # points in a stretch; 0 while all points are kept
        self._steps: list[int] = []  # points in no stretch yet
        self._times: list[int] = []
        self._values: list[float] = []

    def extend(self, steps: Sequence[int], times: Sequence[int], values: Sequence[float]) -> None:
        """Add the next points."""
        self.count += len(values)
        self._steps += steps
        self._times += times
        self._values += values
        if self.count <= self._most:
            return
        if not self._length:
            self._length = 2
            while self.count // self._length >= self._room:  # for many at once, directly to the final length
                self._length *= 2
        while self._take() == self._room:
            pairs = zip(self._stretches[::2], self._stretches[1::2], strict=True)
            self._stretches = [_merged(one, two) for one, two in pairs]
            self._length *= 2

    def thinned(self) -> Thinned:
        """The downsampled series of all points so far."""
        if not self._length:
            known = finite(self._values)
            below = sum(value <= 0 for value in known)
            curve = Curve(self._steps[:], self._times[:], self._values[:])
            odd = self.count - len(known)
            return Thinned(self.count, curve, None, odd, below, _huge(self._values) if odd else 0)
        stretches = [*self._stretches]
        if self._values:
            stretches.append(self._stretch(0, len(self._values)))
        points = [point for stretch in stretches for point in _points(stretch)]
        return Thinned(
            self.count,
            Curve([p.step for p in points], [p.time for p in points], [p.value for p in points]),
            Means(
                [stretch.last.step for stretch in stretches],
                [stretch.last.time for stretch in stretches],
                [mean(stretch.total, stretch.finite) if stretch.finite else math.nan for stretch in stretches],
                [stretch.finite for stretch in stretches],
            ),
            self.count - sum(stretch.finite for stretch in stretches),
            sum(stretch.below for stretch in stretches),
            sum(stretch.huge for stretch in stretches),
        )

    def _take(self) -> int:
        """Make stretches of the waiting points, up to the maximum; return the number of stretches."""
        length = self._length
        ready = min(len(self._values) // length, self._room - len(self._stretches))
        self._stretches += [self._stretch(i * length, (i + 1) * length) for i in range(ready)]
        del self._steps[: ready * length], self._times[: ready * length], self._values[: ready * length]
        return len(self._stretches)

    def _stretch(self, start: int, end: int) -> _Stretch:
        values = self._values[start:end]
        base = self.count - len(self._values) + start

        def point(i: int) -> _Point:
            return _Point(base + i, self._steps[start + i], self._times[start + i], values[i])

        low = high = odd = None
        huge, known = 0, finite(values)
        if len(known) < len(values):
            huge = _huge(values)
            odd = point(next(i for i, value in enumerate(values) if not is_finite(value)))
        if known:
            low, high = point(values.index(min(known))), point(values.index(max(known)))
        below = sum(value <= 0 for value in known) if low is not None and low.value <= 0 else 0
        last = end - start - 1
        return _Stretch(point(0), point(last), low, high, odd, total(known), len(known), below, huge)


def _merged(one: _Stretch, two: _Stretch) -> _Stretch:
    return _Stretch(
        one.first, two.last,
        min((p for p in (one.low, two.low) if p), key=_value, default=None),
        max((p for p in (one.high, two.high) if p), key=_value, default=None),
        one.odd or two.odd, total((one.total, two.total)), one.finite + two.finite, one.below + two.below,
        one.huge + two.huge,
    )  # fmt: skip


def _huge(values: Sequence[float]) -> int:
    """The number of integers beyond the range of doubles."""
    return sum(map(is_beyond, values))


def _value(point: _Point) -> float:
    return point.value


def _points(stretch: _Stretch) -> list[_Point]:
    """The points kept of a stretch, without duplicates, in order."""
    kept = (stretch.first, stretch.low, stretch.high, stretch.odd, stretch.last)
    by_place = {point.place: point for point in kept if point is not None}
    return [by_place[place] for place in sorted(by_place)]
