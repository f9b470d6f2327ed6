"""Convert values for Neptune's fields and series, with text stand-ins for values that Neptune cannot hold."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from math import isfinite
from typing import Any

import msgspec

from multitrack_neptune.offline import ENTRY_LENGTH, LARGEST_INT


def is_plain(value: Any) -> bool:
    """Return True if a Neptune field can hold a param's value unchanged."""
    if isinstance(value, int) and not isinstance(value, bool):
        return -LARGEST_INT - 1 <= value <= LARGEST_INT
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, (bool, str))


def text_of(value: Any) -> str:
    """Return a param's journal value as text: ``NaN``, ``None``, ``4294967296``, or a list's JSON."""
    if isinstance(value, list):
        return msgspec.json.encode(value).decode()
    return str(value)


def exact_float(value: float) -> float | None:
    """Return the finite float equal to the number, or ``None``."""
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) and number == value else None


def exact_stand_in(what: str, value: object, path: str) -> str:
    """Return the report's message about numbers that are kept as text."""
    return f"{what}: Neptune's floats cannot hold {value}; such values are kept as text in {path}"


def parts_of(text: str) -> Iterator[str]:
    """Split ``text`` into parts that fit an entry of a string series; an empty text is one part."""
    for start in range(0, len(text) or 1, ENTRY_LENGTH):
        yield text[start : start + ENTRY_LENGTH]


def label_of(key: str, value: str) -> str:
    """Return a tag as an entry of ``sys/tags``."""
    return f"{key}:{value}" if value else key


def utc(ms: int) -> str:
    """Format a time as ISO 8601 text. Neptune's own date fields are a millisecond off for some values."""
    moment = datetime.datetime.fromtimestamp(ms // 1000, datetime.UTC).replace(microsecond=ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds")
