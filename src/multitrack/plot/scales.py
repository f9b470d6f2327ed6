"""Axes of pictures for any doubles.

matplotlib adds, subtracts and multiplies what it draws, which leaves the range of doubles for values near its ends. So
such values are drawn as others that it can place, and their ticks say what they stand for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from multitrack.plot.parallel_axis import finite

if TYPE_CHECKING:
    from matplotlib.axis import Axis

#: Sizes that matplotlib can compute with; on a logarithmic axis, whose margins are factors.
_LEAST, MOST = 1e-290, 1e300
_LEAST_LOG, _MOST_LOG = 1e-200, 1e200
_SHIFT: Final = 300


class Scale:
    """One axis: where each value is drawn on it.

    Args:
        runs: The values of each run that is drawn; those that are not finite are gaps.
        log: Whether it is logarithmic; then those of 0 and below are gaps as well.

    Attributes:
        kind: ``linear`` or ``log``, as matplotlib's own scales.
        log: Whether the axis is logarithmic.
    """

    def __init__(self, runs: Iterable[Iterable[float]], *, log: bool = False) -> None:
        sizes = [
            [abs(value) for value in map(finite, values) if value == value and (value > 0 or not log)]
            for values in runs
        ]
        largest = [max(run) for run in sizes if any(run)]
        least = min((size for run in sizes for size in run if size), default=1.0)
        self.log = log
        # Beside runs that have none of them, values that size are what infinite ones are: they leave the others flat.
        self._limit = MOST if not log and any(size <= MOST for size in largest) else math.inf
        most = max((size for size in largest if size <= self._limit), default=1.0)
        self._logarithms = log and (most > _MOST_LOG or least < _LEAST_LOG)
        self._exponent = 0 if log else _SHIFT if most > MOST else -_SHIFT if most < _LEAST else 0
        self.kind = "log" if log and not self._logarithms else "linear"

    def is_beyond(self, value: float) -> bool:
        """Whether a finite value is not drawn as it is so large."""
        return abs(finite(value)) > self._limit

    def places(self, values: Sequence[float]) -> list[float]:
        """Where values are drawn; NaN is a gap."""
        return [self._place(finite(value)) for value in values]

    def _place(self, value: float) -> float:
        if abs(value) > self._limit or (self.log and not value > 0):
            return math.nan
        if self._logarithms:
            return math.log10(value)
        return value * 10.0**-self._exponent if self._exponent else value

    def tell(self, axis: Axis) -> None:
        """Have an axis say what its ticks stand for, where that is something else than where they are."""
        if self._logarithms or self._exponent:
            axis.set_major_formatter(lambda tick, _: self.text(tick))

    def text(self, place: float) -> str:
        """What stands at a place."""
        number = Decimal(f"{place:.6g}")
        number = Decimal(10) ** number if self._logarithms else number.scaleb(self._exponent)
        return f"{+number.normalize():.6g}" if number else "0"
