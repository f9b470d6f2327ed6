"""Values as Neptune's fields and series hold them, and their text where they hold no such value."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from math import isfinite
from typing import Any

import msgspec

from multitrack_neptune.offline import ENTRY_LENGTH, LARGEST_INT


def is_plain(value: Any) -> bool:
    """Whether Neptune has a field for a param's value as it is."""
    if isinstance(value, int) and not isinstance(value, bool):
        return -LARGEST_INT - 1 <= value <= LARGEST_INT
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, (bool, str))


def text_of(value: Any) -> str:
    """A param as the journal has it, as text: ``NaN``, ``None``, ``4294967296``, or a list's JSON."""
    if isinstance(value, list):
        return msgspec.json.encode(value).decode()
    return str(value)


def exact_float(value: float) -> float | None:
    """The finite float that is this very number, or ``None``."""
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) and number == value else None


def exact_stand_in(what: str, value: object, path: str) -> str:
    """The report's sentence on numbers that are kept as text."""
    return f"{what}: Neptune's floats hold no {value}; such values are kept as text in {path}"


def parts_of(text: str) -> Iterator[str]:
    """``text`` in parts that fit an entry of a string series; an empty one is one part."""
    for start in range(0, len(text) or 1, ENTRY_LENGTH):
        yield text[start : start + ENTRY_LENGTH]


def label_of(key: str, value: str) -> str:
    """A tag as an entry of ``sys/tags``."""
    return f"{key}:{value}" if value else key


def utc(ms: int) -> str:
    """A time as ISO 8601 text: Neptune's own date fields are a millisecond off for some values."""
    moment = datetime.datetime.fromtimestamp(ms // 1000, datetime.UTC).replace(microsecond=ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds")
