"""Numbers and params as cells: a double to calculate with, and a text where the double is not the value."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable
from math import isfinite
from typing import Any, Final

import msgspec

from multitrack.records import ParamType, number_from_text, number_to_json

#: The texts of NaN and ±inf.
NOT_FINITE: Final = frozenset({"NaN", "Infinity", "-Infinity"})
_EPOCH: Final = datetime.datetime.fromtimestamp(0, datetime.UTC)


def number_cells(value: float) -> tuple[float | None, str | None]:
    """Return the columns ``value`` and ``text`` of a number.

    ``text`` is missing if ``value`` is the number. It has the exact number if ``value`` is NaN or ±inf, which some
    readers confuse with a missing value; if it is only the nearest double; and if it is missing, because the number is
    beyond the range of doubles.
    """
    if type(value) is float:
        return value, None if isfinite(value) else str(number_to_json(value))
    try:
        number = float(value)
    except OverflowError:
        return None, str(value)
    return number, None if number == value else str(value)


def param_cells(value: Any, kind: ParamType) -> tuple[float | None, str | None]:
    """Return the columns ``value`` and ``text`` of a param: its number, if it is one, and always its exact text.

    Args:
        value: The param in Python's types.
        kind: Its type.
    """
    if kind in {"int", "float"}:
        number, text = number_cells(value)
        return number, repr(value) if text is None else text
    if kind == "bool":
        return float(value), "true" if value else "false"
    if kind == "none":
        return None, None
    return None, value if isinstance(value, str) else msgspec.json.encode(value).decode()


def number_in(value: float | None, text: str | None) -> int | float | None:
    """Return the number of the columns ``value`` and ``text``, the inverse of :func:`number_cells`.

    Returns None if there is none. If someone changed one of both columns, the one to calculate with counts.
    """
    if text is None:
        return value
    number: int | float | None = _agreed(number_from_text(text), number_cells, value, text)
    return number


def param_in(kind: ParamType, value: float | None, text: str | None) -> Any:
    """Return the param of the columns ``type``, ``value`` and ``text``, the inverse of :func:`param_cells`.

    If someone changed one of the last two columns, the one to calculate with counts.

    Raises:
        ValueError: The text is none of this type.
    """
    if text is None:
        return value
    exact = _PARSERS[kind](text) if kind in _PARSERS else text
    return _agreed(exact, lambda exact: param_cells(exact, kind), value, text)


def _agreed(exact: Any, cells: Callable[[Any], tuple[float | None, str | None]], value: float | None, text: str) -> Any:
    """Return the exact value if both columns are its cells; NaN is itself here."""
    return exact if repr(cells(exact)) == repr((value, text)) else value


_PARSERS: Final[dict[ParamType, Callable[[str], Any]]] = {
    "int": int, "float": float, "bool": lambda text: text == "true", "list": msgspec.json.decode,
}  # fmt: skip


@functools.lru_cache(maxsize=1024)
def utc(ms: int) -> str:
    """Format a time as ISO 8601 text: ``2026-11-21T02:58:28.417Z``."""
    seconds, milliseconds = divmod(ms, 1000)
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"


def moment(text: str) -> int:
    """Return the milliseconds since the epoch of a text that :func:`utc` made.

    Raises:
        ValueError: If it is no time.
    """
    return (datetime.datetime.fromisoformat(text) - _EPOCH) // datetime.timedelta(milliseconds=1)
