"""Sort the points and lines of a run by time, in bounded memory.

Neptune's formats keep each series for itself, or all of them in the order of the calls. A journal is written by time,
and its readers need times that seldom go back. So the values go through a temporary database, which SQLite keeps on
disk beyond a few MiB, and removes when it is closed.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from multitrack.hookspecs import EmbeddedFile
from multitrack.records import Lines, ListMetric, Metric

_POINT, _SIMPLE, _LIST, _LINE, _IMAGE = range(5)
_IMAGES: Final = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif"}
#: Rows that are written at once, and the most values of one record.
_ROWS: Final = 1000


class TimeOrder:
    """The points, simple metrics, list metrics, lines and images of one run.

    A series keeps its own order, whatever its times are: an import that is repeated counts on it. Among several series,
    the order is that of the largest time so far.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE row (key, rank, kind, name, time, step, value)")
        self._rows: list[tuple[Any, ...]] = []
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._latest: dict[tuple[int, int, int], int] = {}

    def point(self, name: str, time: int, step: int, value: float, rank: int = 0) -> None:
        """Add a point of a series.

        Args:
            name: The series.
            time: Its time (ms).
            step: Its step.
            value: Its value.
            rank: Values of one series that are kept in two places have a rank each. Each rank keeps its own order.
        """
        self._add(_POINT, name, time, step, _stored(value), rank)

    def simple(self, name: str, time: int, value: float) -> None:
        """Add a value of a simple metric."""
        self._add(_SIMPLE, name, time, 0, _stored(value), 0)

    def item(self, name: str, time: int, value: float) -> None:
        """Add the next value of a list metric."""
        self._add(_LIST, name, time, 0, _stored(value), 0)

    def line(self, time: int, text: str, stream: str) -> None:
        """Add the next line. All streams are one series."""
        self._add(_LINE, stream, time, 0, text, 0)

    def image(self, name: str, time: int, content: bytes) -> None:
        """Add an image."""
        self._add(_IMAGE, name, time, 0, content, 0)
        self._write()  # a thousand images need not fit in memory

    def records(self) -> Iterator[Metric | ListMetric | Lines | EmbeddedFile]:
        """Yield everything by time; values of one time that belong together become one record."""
        self._write()
        rows = self._database.execute("SELECT kind, name, time, step, value FROM row ORDER BY key, rank, rowid")
        group: tuple[Any, ...] = ()
        values: Any = None
        for kind, number, time, step, stored in rows:
            name = self._names[number]
            if kind == _IMAGE:
                if values is not None:
                    yield _record(group, values, self._names)
                group, values = (), None
                yield EmbeddedFile(time=time, name=name, content=stored, suffix=_suffix(stored), kind="figure")
                continue
            own = (kind, time, step, number if kind in (_LIST, _LINE) else None)
            if own != group or len(values) == _ROWS or (isinstance(values, dict) and name in values):
                if values is not None:
                    yield _record(group, values, self._names)
                group, values = own, {} if kind in (_POINT, _SIMPLE) else []
            if isinstance(values, dict):
                values[name] = _value(stored)
            else:
                values.append(stored if kind == _LINE else _value(stored))
        if values is not None:
            yield _record(group, values, self._names)

    def close(self) -> None:
        """Remove the temporary database."""
        self._database.close()

    def _add(self, kind: int, name: str, time: int, step: int, value: Any, rank: int) -> None:
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._names)
            self._names.append(name)
        place = kind, -1 if kind == _LINE else number, rank
        key = self._latest[place] = max(time, self._latest.get(place, time))
        self._rows.append((key, rank, kind, number, time, step, value))
        if len(self._rows) == _ROWS:
            self._write()

    def _write(self) -> None:
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?)", self._rows)
        self._database.execute("COMMIT")
        self._rows.clear()


def _record(group: tuple[Any, ...], values: Any, names: list[str]) -> Metric | ListMetric | Lines:
    kind, time, step, number = group
    if kind == _LINE:
        return Lines(time=time, lines=values, stream=names[number])
    if kind == _LIST:
        return ListMetric(time=time, name=names[number], values=values)
    return Metric(time=time, values=values, step=step if kind == _POINT else None)


def _suffix(content: bytes) -> str:
    """The end of an image's name, by its first bytes."""
    return next((suffix for begin, suffix in _IMAGES.items() if content.startswith(begin)), "")


def _stored(value: float) -> float | str | None:
    """The value as SQLite keeps it: it has no NaN, and no integers beyond 64 bits."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    return value if -(2**63) <= value < 2**63 else str(value)


def _value(stored: float | str | None) -> int | float:
    if stored is None:
        return math.nan
    return int(stored) if isinstance(stored, str) else stored
