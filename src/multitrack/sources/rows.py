"""Rows of a tracker as JSON objects: nested values by one key, and the numbers among them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

#: Texts that stand for numbers that JSON has no form for.
NUMBERS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def flat_row(
    row: Mapping[str, Any], is_value: Callable[[dict[str, Any]], bool], above: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield the values of a row by key, nested ones as ``a.b``.

    Args:
        row: The row.
        is_value: Whether a mapping in it is a value, such as an image, and not a level of nesting.
        above: What stands in front of the keys.
    """
    for key, value in row.items():
        if isinstance(value, dict) and not is_value(value):
            yield from flat_row(value, is_value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def number_in(value: Any) -> int | float | None:
    """The number that a value is, or stands for; a bool is 0 or 1. None for any other value."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    return NUMBERS.get(value) if isinstance(value, str) else None
