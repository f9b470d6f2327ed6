"""Numbers as doubles: the one rule for integers beyond their range, and sums that leave it on the way.

A recorded integer is exact wherever Python's own integers are: it is shown, sorted and compared as what it is. Where a
double is needed, one beyond the doubles is infinite, and so it is no finite value: statistics, the best run and graphs
pass it over as they do with ±inf.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

Number = int | float

#: The range of the doubles, as people read it.
RANGE: Final = "±1.8e308"


def as_double(number: Number) -> float:
    """The nearest double; of an integer beyond all of them an infinite one."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def is_finite(number: Number) -> bool:
    """Whether a number is a finite double."""
    return math.isfinite(as_double(number))


def is_beyond(number: Number) -> bool:
    """Whether a number is an integer beyond the doubles."""
    return isinstance(number, int) and not is_finite(number)


def finite(numbers: Sequence[Number]) -> list[Number]:
    """Those of some numbers that are finite doubles."""
    try:
        return [number for number in numbers if math.isfinite(number)]
    except OverflowError:  # seldom, so the usual case costs no call
        return [number for number in numbers if is_finite(number)]


def total(numbers: Iterable[Number]) -> Number:
    """The sum of finite numbers: a double, or where that has no room for it, an integer."""
    numbers = list(numbers)
    try:
        found = float(sum(numbers))
    except OverflowError:
        found = math.inf
    return found if math.isfinite(found) else sum(map(int, numbers))


def mean(numbers: Number, count: int) -> float:
    """The mean of ``count`` finite numbers, from their :func:`total`."""
    return numbers / count
