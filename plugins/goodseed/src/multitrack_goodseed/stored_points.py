"""The series and lines of a run in goodseed, read one by one.

A point that a series cannot hold is a text in ``exact/``, which also names the point that is shown for it, if there is
one. Where goodseed's own times are those of the delivery, the recorded ones are texts in ``times/``.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator
from typing import Final

from multitrack.hookspecs import SourceRecord
from multitrack.records import Lines, Metric
from multitrack_goodseed.names import EXACT, LOGS, TIMES, name_of
from multitrack_goodseed.steps import recorded
from multitrack_goodseed.values import drawn, exact_point, milliseconds, moment

_NUMBERS: Final = (
    "SELECT points.step, points.y, points.ts, times.value FROM metric_points AS points "
    "LEFT JOIN string_series AS names ON names.path = ? "
    "LEFT JOIN string_points AS times ON times.series_id = names.id AND times.step = points.step "
    "WHERE points.series_id = ? ORDER BY points.step"
)
_TEXTS: Final = (
    "SELECT points.step, points.value, points.ts, times.value FROM string_points AS points "
    "LEFT JOIN string_series AS names ON names.path = ? "
    "LEFT JOIN string_points AS times ON times.series_id = names.id AND times.step = points.step "
    "WHERE points.series_id = (SELECT id FROM string_series WHERE path = ?) ORDER BY points.step"
)


def records_of_series(connection: sqlite3.Connection) -> Iterator[SourceRecord]:
    """Yield the points of each series.

    Raises:
        ValueError: A text is no point.
    """
    paths: dict[str, int | None] = dict(connection.execute("SELECT path, id FROM metric_series").fetchall())
    for path in _series_of_texts(connection, EXACT):
        paths.setdefault(path.removeprefix(EXACT), None)  # all of its points are texts
    for path, series in paths.items():
        yield from _points(connection, path, series)


def records_of_lines(connection: sqlite3.Connection) -> Iterator[SourceRecord]:
    """Yield the lines of all streams, in their order."""
    streams = [_lines(connection, path) for path in _series_of_texts(connection, LOGS)]
    for _, record in heapq.merge(*streams, key=lambda line: line[0]):
        yield record


def _lines(connection: sqlite3.Connection, path: str) -> Iterator[tuple[float, Lines]]:
    """Yield the lines of one stream, each with its number."""
    stream = name_of(path.removeprefix(LOGS))
    for number, text, time, recorded_at in connection.execute(_TEXTS, (f"{TIMES}{path}", path)):
        yield number, Lines(time=_time(time, recorded_at), lines=[text], stream=stream)


def _points(connection: sqlite3.Connection, path: str, series: int | None) -> Iterator[SourceRecord]:
    """Yield the points of one series. A number that someone changed is not that of its text: it counts."""
    name = name_of(path)
    shown: dict[float, int | float] = {}  # integers that no double holds
    exact = f"{EXACT}{path}"
    for _, text, time, recorded_at in connection.execute(_TEXTS, (f"{TIMES}{exact}", exact)):
        point = exact_point(text)
        if point.shown_at is None:
            yield Metric(time=_time(time, recorded_at), values={name: point.number}, step=point.step)
        else:
            shown[point.shown_at] = point.number
    for step, value, time, recorded_at in connection.execute(_NUMBERS, (f"{TIMES}{path}", series)):
        number = shown.get(step, value)
        if drawn(number) != value:
            number = value
        yield Metric(time=_time(time, recorded_at), values={name: number}, step=recorded(step))


def _series_of_texts(connection: sqlite3.Connection, namespace: str) -> list[str]:
    query = "SELECT path FROM string_series WHERE substr(path, 1, ?) = ? ORDER BY id"
    return [path for (path,) in connection.execute(query, (len(namespace), namespace))]


def _time(shown: float, recorded_at: str | None) -> int:
    return milliseconds(shown) if recorded_at is None else moment(recorded_at)
