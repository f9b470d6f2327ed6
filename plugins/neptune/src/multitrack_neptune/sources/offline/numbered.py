"""Sort values by their numbers, on disk: values of a list metric by index, parts of lines by line and part."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any


class NumberedValues:
    """Values with a name, and a number by which they are sorted within it."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE row (name, number, time, value, stream)")
        self._database.execute("BEGIN")

    def add(self, name: str, number: float, time: int, value: float | str, stream: str = "") -> None:
        """Add a value."""
        self._database.execute("INSERT INTO row VALUES (?, ?, ?, ?, ?)", (name, number, time, value, stream))

    def rows(self) -> Iterator[tuple[str, float, int, Any, str]]:
        """Yield name, number, time, value and stream, sorted."""
        yield from self._database.execute("SELECT name, number, time, value, stream FROM row ORDER BY name, number")

    def close(self) -> None:
        """Remove the temporary database."""
        self._database.close()
