"""Parse times and durations given by callers."""

from __future__ import annotations

import datetime
import numbers
import re
import time
from typing import Final

from multitrack.errors import QueryError
from multitrack.security.terminal import excerpt

#: A time: milliseconds since the epoch, a datetime, or a text in ISO 8601 or such as ``7d`` (ago).
Moment = int | float | str | datetime.datetime

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(s|min|h|d|w)")
_SECONDS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def milliseconds(moment: Moment | None) -> int | None:
    """Convert a time to milliseconds since the epoch; None stays None.

    Raises:
        QueryError: The text is not a time.
        TypeError: The value is not of a type that a time can have.
    """
    if moment is None:
        return None
    if isinstance(moment, datetime.datetime):
        return round(moment.timestamp() * 1000)
    if isinstance(moment, numbers.Real) and not isinstance(moment, bool):  # numpy's, too
        return int(moment)
    if not isinstance(moment, str):
        raise TypeError(f"a time is milliseconds since the epoch, a datetime, or a text such as '7d', not {moment!r}")
    try:
        return parse_time(moment)
    except ValueError as error:
        raise QueryError(str(error)) from None


def parse_time(text: str) -> int:
    """Parse a time into milliseconds since the epoch.

    Args:
        text: ISO 8601, local without an offset; or a duration before now: ``7d``, ``12h``, ``30min``.

    Raises:
        ValueError: The text is neither.
    """
    try:
        if _DURATION.fullmatch(text):
            return int((time.time() - parse_duration(text)) * 1000)
        return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{excerpt(text)!r} is not a time, such as 2026-11-21T09:30 or 7d (ago)") from None


def parse_duration(text: str) -> float:
    """Parse a duration into seconds.

    Args:
        text: A number with a unit: ``90s``, ``15min``, ``2h``, ``7d`` or ``1w``.

    Raises:
        ValueError: The text is not a duration.
    """
    parts = _DURATION.fullmatch(text)
    if parts is None:
        raise ValueError(f"{excerpt(text)!r} is not a duration, such as 90s, 15min or 2h; a number is seconds")
    return float(parts[1]) * _SECONDS[parts[2]]
