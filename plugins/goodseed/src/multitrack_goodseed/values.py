"""Convert values and times to the forms that goodseed stores."""

from __future__ import annotations

import datetime
import json
import math

from multitrack.records import number_to_json

ConfigValue = bool | int | float | str | frozenset[str] | None
"""A single value in goodseed: these types read back as they were."""


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


def seconds(ms: int) -> float:
    """Return a time as goodseed stores it, in seconds, so that it can be turned back into the same milliseconds.

    goodseed's API writes whole seconds. Its file and its readers also take fractions. ``goodseed upload`` cuts off what
    is below a millisecond, so the nearest number must not be below the true one.
    """
    time = ms / 1000
    if int(time * 1000) < ms:
        time = math.nextafter(time, math.inf)
    return int(time) if time.is_integer() else time


def utc(ms: int) -> str:
    """Format a time as goodseed does: ISO 8601, UTC; always with milliseconds."""
    moment = datetime.datetime.fromtimestamp(ms // 1000, datetime.UTC).replace(microsecond=ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds")
