"""Format values for people, in terminals, Markdown and HTML alike."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec

from multitrack.query.cells import ABSENT, Value
from multitrack.query.columns import Column

#: Significant digits to try: six, and more if different numbers would look the same; 17 distinguish all doubles.
_DIGITS: Final = (6, 9, 12, 15, 17)
#: Maximum characters of a text in a table.
LONGEST = 200


def moment(milliseconds: int, precision: str = "seconds") -> str:
    """Format a time (ms since the epoch) in local time; ``?`` if it is out of range."""
    try:
        local = datetime.datetime.fromtimestamp(milliseconds / 1000)
    except (ValueError, OverflowError, OSError):
        return "?"  # from a damaged manifest
    return local.isoformat(sep=" ", timespec=precision)


def iso(milliseconds: int) -> str:
    """Format a time (ms since the epoch) as ISO 8601 in UTC; empty if it is out of range."""
    try:
        exact = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return exact.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def took(milliseconds: int) -> str:
    """Format a duration."""
    seconds = max(0, milliseconds) / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {seconds:02} s"


def value_text(value: Any, digits: int = 6) -> str:
    """Format a param, metric or option: floats with ``digits`` significant digits, long texts cut."""
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, (list, dict)):
        value = msgspec.json.encode(value).decode()
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}... ({len(text)} characters)"


def column_texts(column: Column, values: Iterable[Any]) -> list[str]:
    """Format the cells of a comparison's column, with enough digits to distinguish its numbers."""
    values = list(values)
    kinds = set(map(type, values))
    if column.kind not in ("time", "seconds") and len(kinds) == 1 and (texts := _texts_of(kinds.pop(), values)):
        return texts
    numbers = (value.value if isinstance(value, Value) else value for value in values)
    digits = _digits_of({number for number in numbers if isinstance(number, float) and number == number})
    return [cell_text(column, value, digits) for value in values]


def _texts_of(kind: type, values: list[Any]) -> list[str]:
    """Format values of one type as :func:`cell_text` does, but without a call for each; empty for other types."""
    if kind is float:
        form = f".{_digits_of({number for number in values if number == number})}g"
        return [format(value, form) for value in values]
    if kind is str and max(map(len, values)) <= LONGEST:
        return values
    return list(map(str, values)) if kind is int else []


def _digits_of(floats: Collection[float]) -> int:
    """Return the number of digits with which different numbers have different texts."""
    return next((digits for digits in _DIGITS if _are_apart(floats, digits)), _DIGITS[-1])


def _are_apart(floats: Collection[float], digits: int) -> bool:
    """Return True if different numbers have different texts; of many that have not, two are soon found."""
    form, texts = f".{digits}g", set[str]()
    for i, number in enumerate(floats):
        texts.add(format(number, form))
        if len(texts) <= i:
            return False
    return True


def cell_text(column: Column, value: Any, digits: int = 6) -> str:
    """Format a cell of a comparison; an absent value is empty, whereas ``None`` is a value."""
    if value is ABSENT:
        return ""
    if isinstance(value, Value):
        came = f", {value.source}" if value.source else ""
        return f"{value_text(value.value, digits)} ({value.type}{came})"
    if column.kind == "time":
        return moment(value)
    if column.kind == "seconds":
        return took(round(value * 1000))
    return value_text(value, digits)
