"""Make text of the values that Neptune has no type for."""

from __future__ import annotations

import datetime
from typing import Any

__all__ = ["StringifyValue", "stringify_unsupported"]


class StringifyValue:
    """A value whose unsupported parts become text when they are recorded.

    Attributes:
        value: The value.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return repr(self.value)


def stringify_unsupported(value: Any) -> StringifyValue:
    """Mark a value: lists, ``None`` and objects in it are recorded as their text, numbers and texts as they are."""
    return StringifyValue(value)


def text_of_unsupported(value: Any) -> Any:
    """A leaf of a marked value: itself if Neptune has a type for it, or its text."""
    return value if isinstance(value, (bool, int, float, str, datetime.datetime)) else str(value)
