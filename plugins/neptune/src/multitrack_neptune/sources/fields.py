"""The fields of a run: all but the values of series."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from multitrack._text import clean_text
from multitrack.hookspecs import Gap

#: Value of a field.
Value = bool | int | float | str | datetime.datetime


class File(NamedTuple):
    """A file of a run, which stays where it is.

    Attributes:
        place: Its URI, or the path of an artifact as the program gave it.
        kind: ``file``, ``files`` for a pattern, or ``artifact``.
        size: Its size in bytes, if known.
    """

    place: str
    kind: str = "file"
    size: int | None = None


class Fields:
    """The fields of a run.

    Attributes:
        values: Single values by path.
        sets: Sets of strings by path, in the order in which the strings were added.
        files: Files by path.
        changing: Numbers that were assigned several values in turn.
        first: When the first operation was called (ms); None if unknown.
        last: When the last one was.
    """

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.sets: dict[str, dict[str, None]] = {}
        self.files: dict[str, list[File]] = {}
        self.changing: set[str] = set()
        self.first: int | None = None
        self.last: int | None = None
        self._left_out: Counter[tuple[str, str]] = Counter()

    def text(self, path: str) -> str | None:
        """A field's value as text; None if there is none."""
        value = self.values.get(path)
        return None if value is None or value == "" else str(value)

    def seen(self, time: int | None) -> None:
        """Note the time of an operation (ms)."""
        self.first = time if self.first is None else self.first
        self.last = self.last if time is None else time

    def assign(self, path: str, value: Any) -> None:
        """Set a field; a value of another kind than Neptune's is left out."""
        if not isinstance(value, (bool, int, float, str, datetime.datetime)):
            self.leave_out(path, f"a value of type {type(value).__name__}")
            return
        value = clean_text(value) if isinstance(value, str) else value
        before = self.values.get(path)
        if _is_number(before) and _is_number(value) and repr(before) != repr(value):
            self.changing.add(path)
        self.values[path] = value

    def leave_out(self, path: str, what: str, count: int = 1) -> None:
        """Note something that a journal cannot hold."""
        self._left_out[path, what] += count

    def gaps(self) -> Iterator[Gap]:
        """Yield a gap for each kind of thing that was left out."""
        for (path, what), count in self._left_out.items():
            yield Gap(f"{path}: {what} left out ({count})")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
