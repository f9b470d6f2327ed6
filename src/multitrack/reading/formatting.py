"""Values as people read them, in terminals, Markdown and HTML alike."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from multitrack.query.cells import ABSENT, Value
from multitrack.query.columns import Column

#: Digits of numbers: six, and more where numbers would look the same; 17 tell all doubles apart.
_DIGITS: Final = (6, 9, 12, 15, 17)
#: Characters of a text in a table.
LONGEST = 200


def moment(milliseconds: int, precision: str = "seconds") -> str:
    """A time, local."""
    try:
        local = datetime.datetime.fromtimestamp(milliseconds / 1000)
    except (ValueError, OverflowError, OSError):
        return "?"  # a damaged manifest's
    return local.isoformat(sep=" ", timespec=precision)


def iso(milliseconds: int) -> str:
    """A time for machines, UTC."""
    try:
        exact = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return exact.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def took(milliseconds: int) -> str:
    """A duration."""
    seconds = max(0, milliseconds) / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {seconds:02} s"


def value_text(value: Any, digits: int = 6) -> str:
    """A param, metric or option; numbers with six digits, or however many, long texts cut."""
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, (list, dict)):
        value = msgspec.json.encode(value).decode()
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}... ({len(text)} characters)"


def column_texts(column: Column, values: Iterable[Any]) -> list[str]:
    """The cells of a comparison's column, with as many digits as it takes to tell its numbers apart."""
    values = list(values)
    numbers = [value.value if isinstance(value, Value) else value for value in values]
    floats = {number for number in numbers if isinstance(number, float)}
    for digits in _DIGITS:
        if len({value_text(number, digits) for number in floats}) == len({repr(number) for number in floats}):
            break
    return [cell_text(column, value, digits) for value in values]


def cell_text(column: Column, value: Any, digits: int = 6) -> str:
    """A cell of a comparison; ``None`` is a value, and what a run does not have is nothing."""
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
