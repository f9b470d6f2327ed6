"""Series made short enough to draw, in one pass and flat memory, with nothing lost that a graph would show.

The points are cut into stretches of equal length; of each, the first, the last, the lowest and the highest point
are kept (M4), and one that is no finite number, as it is a gap in the line. Where stretches become too many, pairs of
neighbours are merged, so what is kept depends on the points alone and not on how they came.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from multitrack.summaries.doubles import finite, is_beyond, is_finite, mean, total

#: Points that a stretch may keep: first, last, lowest, highest, and one that is not finite.
_KEPT: Final = 5


class Curve(msgspec.Struct, frozen=True):
    """Points of a series, in the order they were logged.

    Attributes:
        steps: Their steps.
        times: When they were logged.
        values: Their values.
    """

    steps: list[int]
    times: list[int]
    values: list[int | float]


class Means(msgspec.Struct, frozen=True):
    """The mean of each stretch's finite values, for smoothing.

    Attributes:
        steps: The step of the stretch's last point.
        times: When that was logged.
        values: The mean; NaN, a gap, where no value is finite.
        counts: How many are.
    """

    steps: list[int]
    times: list[int]
    values: list[float]
    counts: list[int]


class Thinned(msgspec.Struct, frozen=True):
    """What is left of a series.

    Attributes:
        count: How many points there were.
        curve: The points kept; all of them, if there were few.
        means: Those of the stretches; ``None`` where all points were kept.
        odd: How many points there were that are no finite doubles.
        below: How many that are 0 or below.
        huge: How many of the odd ones are integers beyond the doubles.
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
    """Neighbouring points, by those that are kept of them."""

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
    """Takes the points of one series as they come, and gives back at most ``points`` of them at any time.

    Args:
        points: How many to keep at most; 10 or more.
    """

    def __init__(self, points: int = 1200) -> None:
        if points < 2 * _KEPT:
            raise ValueError(f"points must be {2 * _KEPT} or more, got {points}")
        self.count = 0
        self._most = points
        self._room = points // (2 * _KEPT) * 2  # stretches; even, so that all have a neighbour to be merged with
        self._stretches: list[_Stretch] = []
        self._length = 0  # of a stretch; 0 while all points are kept
        self._steps: list[int] = []  # what is in no stretch yet
        self._times: list[int] = []
        self._values: list[float] = []

    def extend(self, steps: Sequence[int], times: Sequence[int], values: Sequence[float]) -> None:
        """Take the next points."""
        self.count += len(values)
        self._steps += steps
        self._times += times
        self._values += values
        if self.count <= self._most:
            return
        if not self._length:
            self._length = 2
            while self.count // self._length >= self._room:  # where many come at once, straight to the length they need
                self._length *= 2
        while self._take() == self._room:
            pairs = zip(self._stretches[::2], self._stretches[1::2], strict=True)
            self._stretches = [_merged(one, two) for one, two in pairs]
            self._length *= 2

    def thinned(self) -> Thinned:
        """The series as far as it came."""
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
        """Make stretches of what waits, as far as there is room; how many there are now."""
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
    """How many values are integers beyond the doubles."""
    return sum(map(is_beyond, values))


def _value(point: _Point) -> float:
    return point.value


def _points(stretch: _Stretch) -> list[_Point]:
    """The points kept of a stretch, each once, in order."""
    kept = (stretch.first, stretch.low, stretch.high, stretch.odd, stretch.last)
    by_place = {point.place: point for point in kept if point is not None}
    return [by_place[place] for place in sorted(by_place)]
