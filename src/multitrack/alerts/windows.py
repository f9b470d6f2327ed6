"""Reduce the values of the last seconds, one value after the other, in bounded memory.

The end of a window is the time of its newest value, so the result depends on the records alone and not on when they
are read. A value that is exactly as old as the window is long has left it.
"""

from __future__ import annotations

import bisect
import math
from collections import deque
from typing import Final

from multitrack.summaries.doubles import as_double, is_finite

#: Maximum number of values that a window remembers: of more, only the newest count.
LARGEST: Final = 1 << 16
#: Every double is a whole multiple of 2 to the power of minus this.
_SHIFT: Final = 1074

Number = int | float


class Window:
    """The values of one metric in one window, and their reduction.

    As in the statistics of series, ``count``, ``first`` and ``last`` are of all values; ``min``, ``max``, ``mean`` and
    ``median`` are of the finite ones, and None if there are none.

    Args:
        length: Milliseconds of the window.
        reduction: The reduction to compute.
    """

    def __init__(self, length: int, reduction: str) -> None:
        self._length = length
        self._values: deque[tuple[int, Number]] = deque()
        self._reducer = _REDUCERS.get(reduction, _Ends)(reduction)
        self.newest = 0

    def __len__(self) -> int:
        """The number of values in the window."""
        return len(self._values)

    def add(self, time: int, value: Number) -> Number | None:
        """Add a value, forget those that have left the window, and return the reduction.

        Args:
            time: Its time in milliseconds. A value that arrives late counts as one of the newest time, unless it is too
                old for the window.
            value: The value.
        """
        values = self._values
        if time <= self.newest - self._length and values:
            return self._reducer.result(values)
        self.newest = time = max(time, self.newest)
        while values and (values[0][0] <= time - self._length or len(values) >= LARGEST):
            self._reducer.drop(values.popleft()[1])
        values.append((time, value))
        self._reducer.add(value)
        return self._reducer.result(values)


class _Ends:
    """``first``, ``last`` and ``count``, which need only the values themselves."""

    def __init__(self, reduction: str) -> None:
        self._reduction = reduction

    def add(self, value: Number) -> None:
        """Count a value."""

    def drop(self, value: Number) -> None:
        """Forget the oldest value."""

    def result(self, values: deque[tuple[int, Number]]) -> Number | None:
        """Return the reduction of the values."""
        if self._reduction == "count":
            return len(values)
        return values[0 if self._reduction == "first" else -1][1]


class _Mean(_Ends):
    """The mean, from an exact sum: it does not depend on the values that were added and dropped before."""

    def __init__(self, reduction: str) -> None:
        super().__init__(reduction)
        self._sum = 0  # in units of the smallest double
        self._count = 0

    def add(self, value: Number) -> None:
        if is_finite(value):
            self._sum += _exact(value)
            self._count += 1

    def drop(self, value: Number) -> None:
        if is_finite(value):
            self._sum -= _exact(value)
            self._count -= 1

    def result(self, values: deque[tuple[int, Number]]) -> Number | None:  # noqa: ARG002 - the others'
        return self._sum / (self._count << _SHIFT) if self._count else None


def _exact(value: Number) -> int:
    numerator, denominator = value.as_integer_ratio()
    return numerator << (_SHIFT + 1 - denominator.bit_length())


class _Extreme(_Ends):
    """``min`` or ``max``: the values that no newer one outdoes."""

    def __init__(self, reduction: str) -> None:
        super().__init__(reduction)
        self._sign = 1 if reduction == "max" else -1
        self._kept: deque[list[Number]] = deque()  # value, and the number of values that it outdid, itself included

    def add(self, value: Number) -> None:
        if not is_finite(value):
            return
        outdone = 1
        while self._kept and self._sign * self._kept[-1][0] <= self._sign * value:
            outdone += int(self._kept.pop()[1])
        self._kept.append([value, outdone])

    def drop(self, value: Number) -> None:
        if is_finite(value):
            self._kept[0][1] -= 1
            if not self._kept[0][1]:
                self._kept.popleft()

    def result(self, values: deque[tuple[int, Number]]) -> Number | None:  # noqa: ARG002 - the others'
        return self._kept[0][0] if self._kept else None


class _Median(_Ends):
    """The median, from the values in their order."""

    def __init__(self, reduction: str) -> None:
        super().__init__(reduction)
        self._ordered: list[Number] = []

    def add(self, value: Number) -> None:
        if is_finite(value):
            bisect.insort(self._ordered, value)

    def drop(self, value: Number) -> None:
        if is_finite(value):
            del self._ordered[bisect.bisect_left(self._ordered, value)]

    def result(self, values: deque[tuple[int, Number]]) -> Number | None:  # noqa: ARG002 - the others'
        ordered = self._ordered
        if not ordered:
            return None
        low, high = as_double(ordered[(len(ordered) - 1) // 2]), as_double(ordered[len(ordered) // 2])
        return low if low == high else math.fsum((low / 2, high / 2))


_REDUCERS: Final[dict[str, type[_Ends]]] = {"mean": _Mean, "min": _Extreme, "max": _Extreme, "median": _Median}
