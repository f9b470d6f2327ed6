"""Compute statistics of series and lists in one pass; tables offer them as reductions."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from multitrack.summaries.doubles import as_double, finite, total

Reduction = Literal["last", "first", "min", "max", "mean", "median", "count", "best"]
REDUCTIONS: Final = ("last", "first", "min", "max", "mean", "median", "count", "best")

#: Maximum numbers for the median; of a longer series, an even sample of at least half as many is used.
SAMPLE: Final = 1 << 16
#: Numbers gathered before they are counted at once, so that Python's fast built-in loops are used.
STRETCH: Final = 4096


class Statistics(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Statistics of a series or a list, in the order in which it was logged.

    ``count``, ``first`` and ``last`` are of all numbers; ``min``, ``max``, ``mean`` and ``median`` are of the finite
    doubles among them, and ``None`` if there are none. The median of more than 65,536 numbers is that of an
    evenly spaced sample.
    """

    count: int
    first: int | float
    last: int | float
    min: int | float | None
    max: int | float | None
    mean: float | None
    median: float | None

    def reduce(self, name: str, best: Literal["min", "max"] | None = None) -> int | float | None:
        """Return one statistic by its name.

        Args:
            name: One of :data:`REDUCTIONS`.
            best: The statistic that ``best`` stands for.

        Raises:
            ValueError: If the reduction is unknown, or is ``best`` without a direction.
        """
        if name == "best":
            if best is None:
                raise ValueError("which value is the best one, min or max?")
            name = best
        if name not in REDUCTIONS:
            raise ValueError(f"no reduction {name!r}; there are {', '.join(REDUCTIONS)}")
        value: int | float | None = getattr(self, name)
        return value


class RunningStatistics:
    """Computes the statistics of one series in constant memory, as its numbers are added.

    Attributes:
        waiting: Numbers to be counted. The caller appends to it, and calls :meth:`count` at :data:`STRETCH` numbers.
    """

    def __init__(self) -> None:
        self.waiting: list[int | float] = []
        self._count = self._finite = 0
        self._first: int | float = 0
        self._last: int | float = 0
        self._min: int | float | None = None
        self._max: int | float | None = None
        self._sum: int | float = 0.0
        self._even: list[int | float] = []  # every n-th finite number, for the median
        self._stride = 1

    def count(self) -> None:
        """Count the waiting numbers."""
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        if not self._count:
            self._first = waiting[0]
        self._last = waiting[-1]
        self._count += len(waiting)
        known = finite(waiting)
        if not known:
            return
        least, most = min(known), max(known)
        self._min = least if self._min is None else min(least, self._min)
        self._max = most if self._max is None else max(most, self._max)
        self._sum = total((self._sum, total(known)))
        self._even += known[-self._finite % self._stride :: self._stride]
        self._finite += len(known)
        while len(self._even) > SAMPLE:
            self._even = self._even[::2]
            self._stride *= 2

    def result(self) -> Statistics:
        """Return the statistics of all numbers so far."""
        self.count()
        mean = median = None
        if self._finite:
            mean, median = self._sum / self._finite, _median(self._even)
        return Statistics(self._count, self._first, self._last, self._min, self._max, mean, median)


def _median(numbers: list[int | float]) -> float:
    ordered = sorted(numbers)
    low, high = map(as_double, (ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]))
    return low if low == high else low / 2 + high / 2
