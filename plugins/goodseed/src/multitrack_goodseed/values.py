"""Convert values and times to the forms that goodseed stores."""

from __future__ import annotations

import datetime
import json
import math
from typing import Final

import msgspec

from multitrack.journal.prepared import prepared
from multitrack.records import number_from_text, number_to_json

ConfigValue = bool | int | float | str | frozenset[str] | None
"""A single value in goodseed: these types read back as they were."""

_EPOCH: Final = datetime.datetime.fromtimestamp(0, datetime.UTC)


class ExactPoint(msgspec.Struct, frozen=True):
    """A point that a series cannot hold.

    Attributes:
        step: Its step.
        value: Its number, with a text for what JSON has no number for.
        shown_at: Where the series has the nearest number; None if it has none.
    """

    step: int
    value: int | float | str
    shown_at: float | None = None

    @property
    def number(self) -> int | float:
        """The number."""
        return number_from_text(self.value) if isinstance(self.value, str) else self.value


def typed_text(value: ConfigValue) -> tuple[str, str]:
    """Return a single value as goodseed stores it: a word for its type, and a text."""
    if value is None:
        return "null", ""
    if isinstance(value, bool):
        return "bool", "true" if value else "false"
    if isinstance(value, frozenset):
        return "string_set", json.dumps(sorted(value))
    if isinstance(value, str):
        return "str", value
    return ("int" if isinstance(value, int) else "float"), str(value)


def value_of(kind: str, text: str) -> ConfigValue:
    """Return the single value of a word for its type and a text, the inverse of :func:`typed_text`.

    Raises:
        ValueError: The text is none of this type.
    """
    if kind == "null":
        return None
    if kind == "bool":
        return text == "true"
    if kind == "string_set":
        return frozenset(json.loads(text))
    if kind in {"int", "float"}:
        return int(text) if kind == "int" else float(text)
    return text


def drawn(value: float) -> float | None:
    """Return the number that a series shows for a value: the nearest one; None if there is none, as for NaN."""
    try:
        number = float(value)
    except OverflowError:
        return None
    return None if math.isnan(number) else number


def is_exact(value: float) -> bool:
    """Return True if a series holds exactly this number."""
    return drawn(value) == value


def exact_text(step: int, value: float, shown_at: float | None) -> str:
    """Return a point that a series cannot hold as JSON text.

    Args:
        step: Its step.
        value: Its number; NaN, ±inf and integers beyond 2⁵³ become strings, as in the journal.
        shown_at: Where the series has the nearest number; ``None`` if it has none.
    """
    facts: dict[str, object] = {"step": step, "value": number_to_json(value)}
    return json.dumps(facts if shown_at is None else {**facts, "shown_at": shown_at})


def exact_point(text: str) -> ExactPoint:
    """Return the point of a text that :func:`exact_text` made.

    Raises:
        ValueError: It is none.
    """
    return msgspec.json.decode(text, type=prepared(ExactPoint))


def seconds(ms: int) -> float:
    """Return a time as goodseed stores it, in seconds, so that it can be turned back into the same milliseconds.

    goodseed's API writes whole seconds. Its file and its readers also take fractions. ``goodseed upload`` cuts off what
    is below a millisecond, so the nearest number must not be below the true one.
    """
    time = ms / 1000
    if int(time * 1000) < ms:
        time = math.nextafter(time, math.inf)
    return int(time) if time.is_integer() else time


def milliseconds(time: float) -> int:
    """Return the milliseconds of a time in seconds, the inverse of :func:`seconds`."""
    return round(time * 1000)


def moment(text: str) -> int:
    """Return the milliseconds since the epoch of a text that :func:`utc` made.

    Raises:
        ValueError: It is no time.
    """
    return (datetime.datetime.fromisoformat(text) - _EPOCH) // datetime.timedelta(milliseconds=1)


def utc(ms: int) -> str:
    """Format a time as goodseed does: ISO 8601, UTC; always with milliseconds."""
    moment = datetime.datetime.fromtimestamp(ms // 1000, datetime.UTC).replace(microsecond=ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds")
