"""Convert values for Trackio's rows and config, with stand-ins for values that they cannot hold.

Trackio stores JSON. It writes NaN and ±inf as the texts ``NaN``, ``Infinity`` and ``-Infinity``, and reads these texts
as numbers. So a text that is one of them is put into an object, and so is an integer beyond 64 bits in the config.
"""

from __future__ import annotations

import datetime
import math
from typing import Any, Final

from multitrack.records import number_to_json

_NUMBER_TEXTS: Final = frozenset({"NaN", "Infinity", "-Infinity"})
_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**64 - 1


def text_value(text: str) -> str | dict[str, str]:
    """Return a text as Trackio keeps it: unchanged, or ``{"text": …}`` if Trackio would read it as a number."""
    return {"text": text} if text in _NUMBER_TEXTS else text


def config_value(value: Any) -> Any:
    """Return a param's or metric's value for the config; large integers become ``{"int": …}``."""
    if isinstance(value, str):
        return text_value(value)
    return value if fits(value) else {"int": str(value)}


def value_of(value: Any) -> Any:
    """Return the value for one of :func:`text_value` or :func:`config_value`."""
    if isinstance(value, dict):
        if value.keys() == {"text"}:
            return value["text"]
        if value.keys() == {"int"}:
            return int(value["int"])
    return value


def fits(value: object) -> bool:
    """Return True unless the value is an integer that Trackio's JSON cannot hold."""
    return not isinstance(value, int) or _SMALLEST <= value <= _LARGEST


def nearest(value: float) -> float:
    """Return the nearest float; ±inf beyond the largest float."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def stored(values: dict[str, Any]) -> dict[str, Any]:
    """Return a row's values as they stand in Trackio's JSON."""
    return {
        key: number_to_json(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }


def utc(ms: int) -> str:
    """Format a time as Trackio does: ISO 8601, UTC; always with milliseconds, so that texts sort like times."""
    moment = datetime.datetime.fromtimestamp(ms // 1000, datetime.UTC).replace(microsecond=ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds")
