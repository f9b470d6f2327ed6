"""Convert numbers to doubles, with one rule for integers beyond their range, and sums that overflow on the way.

Recorded integers stay exact: they are shown, sorted and compared as Python integers. As a double, an integer
beyond the range of doubles is infinite, and so not finite: statistics, the best run and graphs skip it as they skip
±inf.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

Number = int | float

#: The range of doubles, for display.
RANGE: Final = "±1.8e308"


def as_double(number: Number) -> float:
    """The nearest double; infinite for an integer beyond the range of doubles."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def is_finite(number: Number) -> bool:
    """Return True if a number is finite as a double."""
    return math.isfinite(as_double(number))


def is_beyond(number: Number) -> bool:
    """Return True if a number is an integer beyond the range of doubles."""
    return isinstance(number, int) and not is_finite(number)


def finite(numbers: Sequence[Number]) -> list[Number]:
    """The numbers that are finite as doubles."""
    try:
        return [number for number in numbers if math.isfinite(number)]
    except OverflowError:  # rare, so the usual case costs no function call
        return [number for number in numbers if is_finite(number)]


def total(numbers: Iterable[Number]) -> Number:
    """The sum of finite numbers: a double, or an integer if a double would overflow."""
    numbers = list(numbers)
    try:
        found = float(sum(numbers))
    except OverflowError:
        found = math.inf
    return found if math.isfinite(found) else sum(map(int, numbers))


def mean(numbers: Number, count: int) -> float:
    """The mean of ``count`` finite numbers, from their :func:`total`."""
    return numbers / count
