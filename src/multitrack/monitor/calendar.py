"""Cut time into windows of one length: 5 minutes, an hour, a day.

Windows shorter than a day are equally long and counted from 1970 in UTC, so that ``1h`` begins at the full hour there.
Windows of whole days begin at midnight in local time, those of whole weeks on Monday. A day on which the clock is
changed has 23 or 25 hours. ``TZ=UTC`` in the environment makes the local time UTC.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Final

from multitrack.errors import QueryError
from multitrack.query.times import parse_duration

_DAY: Final = 86_400_000
#: The last Monday before 1970.
_MONDAY: Final = datetime.date(1969, 12, 29).toordinal()
#: Lengths to choose from.
_USUAL: Final = ("1s", "5s", "15s", "1min", "5min", "15min", "1h", "3h", "6h", "12h", "1d", "1w")


class Calendar:
    """Windows of one length.

    Args:
        every: The length: seconds, or a text such as ``5min``, ``1h``, ``1d`` or ``1w``.

    Attributes:
        milliseconds: The length; of days, as if no clock were changed.

    Raises:
        QueryError: The text is no duration, or the length is below a millisecond or above 500 years.
    """

    def __init__(self, every: str | float) -> None:
        try:
            seconds = parse_duration(every) if isinstance(every, str) else float(every)
        except ValueError as error:
            raise QueryError(str(error)) from None
        if not 0.001 <= seconds <= 500 * 365 * 86_400:
            raise QueryError(f"windows last from 1 ms to 500 years, not {seconds:g} s")
        self.milliseconds = round(seconds * 1000)
        self._days = self.milliseconds // _DAY if self.milliseconds % _DAY == 0 else 0

    def window(self, time: int) -> tuple[int, int]:
        """Return the start and the end of the window that a time is in; the end is the next one's start."""
        if not self._days:
            start = time - time % self.milliseconds
            return start, start + self.milliseconds
        ordinal = datetime.datetime.fromtimestamp(time / 1000).toordinal()
        first = ordinal - (ordinal - _MONDAY) % self._days
        return _midnight(first), _midnight(first + self._days)

    def windows(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield the windows from the one that a time is in to the one that another is in."""
        start, end = self.window(first)
        while start <= last:
            yield start, end
            start, end = self.window(end)

    def count(self, first: int, last: int) -> int:
        """Return about how many windows there are between two times."""
        return (last - first) // self.milliseconds + 1


def fitting(first: int, last: int, most: int, least: int = 0) -> Calendar:
    """Return the calendar of the shortest usual windows of which at most so many lie between two times.

    Args:
        first: The first time (ms since the epoch).
        last: The last time.
        most: Maximum number of windows.
        least: Minimum length of a window in milliseconds.
    """
    for every in _USUAL:
        calendar = Calendar(every)
        if calendar.milliseconds >= least and calendar.count(first, last) <= most:
            return calendar
    return Calendar(604_800 * ((last - first) // (most * 7 * _DAY) + 1))


def _midnight(ordinal: int) -> int:
    """Return the start of a day in local time."""
    return round(datetime.datetime.combine(datetime.date.fromordinal(ordinal), datetime.time()).timestamp() * 1000)
