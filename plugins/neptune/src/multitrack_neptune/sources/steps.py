"""Steps of Neptune's series, which may have decimals, as a journal's integers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal

from multitrack.hookspecs import Gap

#: Beyond this, SQLite and other readers hold no integers.
_LARGEST = 2**63 - 1


class Steps:
    """Converts the steps of one run's series, and counts those that are no whole numbers."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._odd: dict[str, tuple[str, int, int]] = {}  # the first one, what it became, and the number of them

    def whole(self, name: str, step: float | Decimal | None) -> int:
        """The step as an integer.

        Args:
            name: The series.
            step: The step; None for the one after the step before it, as in Neptune.
        """
        if step is None:
            found = self._last.get(name, -1) + 1
        elif not -_LARGEST <= step <= _LARGEST:  # nor is NaN
            found = self._last.get(name, -1) + 1
            self._note(name, str(step), found)
        else:
            found = math.floor(step)
            if found != step:
                self._note(name, f"{step.normalize():f}" if isinstance(step, Decimal) else str(step), found)
        self._last[name] = found
        return found

    def gaps(self) -> Iterator[Gap]:
        """Yield a gap for each series with steps that are no whole numbers."""
        for name, (first, kept, count) in self._odd.items():
            if count == 1:
                yield Gap(f"metric {name}: step {first} is no whole number, kept as step {kept}")
            else:
                yield Gap(
                    f"metric {name}: {count} steps are no whole numbers, kept as the integer below: {first} as {kept}"
                )

    def _note(self, name: str, step: str, kept: int) -> None:
        first, became, count = self._odd.get(name, (step, kept, 0))
        self._odd[name] = first, became, count + 1
