"""Tell numbers of any library from other values."""

from __future__ import annotations

from typing import Any

from multitrack.inputs.values import to_number


def number_of(value: Any) -> int | float | None:
    """A number of any library; None for anything else, such as a text of digits."""
    if type(value) is float or type(value) is int:
        return value
    if isinstance(value, (str, bytes)) or value is None:
        return None
    try:
        return to_number(value, "value")
    except TypeError:
        return None
