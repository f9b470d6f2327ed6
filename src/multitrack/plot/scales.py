"""Axes of pictures for any doubles.

matplotlib adds, subtracts and multiplies the values it draws, which overflows for values near the limits of doubles. So
such values are drawn scaled, and their ticks show the original numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from multitrack.plot.parallel_axis import finite

if TYPE_CHECKING:
    from matplotlib.axis import Axis

#: Range of absolute values that matplotlib can compute with; smaller on a logarithmic axis, whose margins are factors.
_LEAST, MOST = 1e-290, 1e300
_LEAST_LOG, _MOST_LOG = 1e-200, 1e200
_SHIFT: Final = 300


class Scale:
    """The scale of one axis.

    Args:
        runs: The values of each drawn run; those that are not finite are gaps.
        log: True for a logarithmic axis; then values of 0 and below are gaps, too.

    Attributes:
        kind: matplotlib's scale, ``linear`` or ``log``.
        log: True if the axis is logarithmic.
    """

    def __init__(self, runs: Iterable[Iterable[float]], *, log: bool = False) -> None:
        sizes = [
            [abs(value) for value in map(finite, values) if value == value and (value > 0 or not log)]
            for values in runs
        ]
        largest = [max(run) for run in sizes if any(run)]
        least = min((size for run in sizes for size in run if size), default=1.0)
        self.log = log
        # Beside runs without such values, values of this size are treated as infinite: they would flatten the others.
        self._limit = MOST if not log and any(size <= MOST for size in largest) else math.inf
        most = max((size for size in largest if size <= self._limit), default=1.0)
        self._logarithms = log and (most > _MOST_LOG or least < _LEAST_LOG)
        self._exponent = 0 if log else _SHIFT if most > MOST else -_SHIFT if most < _LEAST else 0
        self.kind = "log" if log and not self._logarithms else "linear"

    def is_beyond(self, value: float) -> bool:
        """Return True if a finite value is too large to be drawn."""
        return abs(finite(value)) > self._limit

    def places(self, values: Sequence[float]) -> list[float]:
        """Return the drawn places of values; NaN is a gap."""
        return [self._place(finite(value)) for value in values]

    def _place(self, value: float) -> float:
        if abs(value) > self._limit or (self.log and not value > 0):
            return math.nan
        if self._logarithms:
            return math.log10(value)
        return value * 10.0**-self._exponent if self._exponent else value

    def tell(self, axis: Axis) -> None:
        """Set the tick texts of an axis, if the places are scaled."""
        if self._logarithms or self._exponent:
            axis.set_major_formatter(lambda tick, _: self.text(tick))

    def text(self, place: float) -> str:
        """Return the tick text for a place: the original number."""
        number = Decimal(f"{place:.6g}")
        number = Decimal(10) ** number if self._logarithms else number.scaleb(self._exponent)
        return f"{+number.normalize():.6g}" if number else "0"
