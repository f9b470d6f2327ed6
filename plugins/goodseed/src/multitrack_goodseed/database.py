"""A run's file: the statements that read and write goodseed's tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from multitrack_goodseed.rows import Single, Text
from multitrack_goodseed.values import seconds, typed_text, utc

#: The tables of what was recorded.
_RECORDS: Final = ("configs", "metric_points", "metric_series", "string_points", "string_series")
#: Seconds to wait for another process that writes, such as ``goodseed upload``.
_PATIENCE: Final = 30.0


class RunFile:
    """A run's file, open for one transaction; an error rolls it back. It must exist.

    Args:
        path: Its path.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._series: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Self:
        self._connection = sqlite3.connect(
            f"{self._path.resolve().as_uri()}?mode=rw", uri=True, timeout=_PATIENCE, isolation_level=None
        )
        try:
            # A commit survives a power cut, too.
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._connection.execute("COMMIT")
            elif self._connection.in_transaction:  # SQLite itself has ended it where the disk is full
                self._connection.execute("ROLLBACK")
        finally:
            self._connection.close()

    def meta(self) -> dict[str, str]:
        """Return the facts of the run."""
        return dict(self._connection.execute("SELECT key, value FROM run_meta"))

    def set_meta(self, facts: Mapping[str, str | None]) -> None:
        """Set facts of the run; ``None`` removes one."""
        for key, value in facts.items():
            if value is None:
                self._connection.execute("DELETE FROM run_meta WHERE key = ?", (key,))
            else:
                self._connection.execute("INSERT OR REPLACE INTO run_meta (key, value) VALUES (?, ?)", (key, value))

    def clear(self) -> None:
        """Remove all values and series."""
        for table in _RECORDS:
            self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - one of the names above

    def set_singles(self, singles: Iterable[Single]) -> None:
        """Set single values; later ones replace earlier ones."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO configs (path, type_tag, value, updated_at) VALUES (?, ?, ?, ?)",
            [(single.path, *typed_text(single.value), utc(single.time)) for single in singles],
        )

    def remove(self, paths: Iterable[str]) -> None:
        """Remove single values."""
        self._connection.executemany("DELETE FROM configs WHERE path = ?", [(path,) for path in paths])

    def texts_below(self, namespace: str) -> dict[str, str]:
        """Return the single values in a namespace, as texts."""
        query = "SELECT path, value FROM configs WHERE substr(path, 1, ?) = ?"
        return dict(self._connection.execute(query, (len(namespace), namespace)))

    def series(self, path: str) -> int:
        """Return the number of a series; create it if there is none."""
        return self._numbered("metric_series", path)

    def last_step(self, series: int, step: int) -> float | None:
        """Return the highest step in goodseed of the points with a recorded step; ``None`` if there are none."""
        query = "SELECT MAX(step) FROM metric_points WHERE series_id = ? AND step >= ? AND step < ?"
        ((found,),) = self._connection.execute(query, (series, float(step), float(step) + 1)).fetchall()
        return None if found is None else float(found)

    def add_number(self, series: int, step: float, number: float, time: int) -> None:
        """Add a point to a series."""
        self._connection.execute(
            "INSERT OR REPLACE INTO metric_points (series_id, step, y, ts) VALUES (?, ?, ?, ?)",
            (series, step, number, seconds(time)),
        )

    def add_text(self, text: Text) -> None:
        """Add a text to its series."""
        self._connection.execute(
            "INSERT OR REPLACE INTO string_points (series_id, step, value, ts) VALUES (?, ?, ?, ?)",
            (self._numbered("string_series", text.path), text.step, text.text, seconds(text.time)),
        )

    def series_between_steps(self) -> list[str]:
        """Return the paths of the series with points at repeated steps."""
        query = (
            "SELECT path FROM metric_series WHERE EXISTS (SELECT 1 FROM metric_points "
            "WHERE series_id = id AND step <> round(step)) ORDER BY path"
        )
        return [path for (path,) in self._connection.execute(query)]

    def _numbered(self, table: str, path: str) -> int:
        number = self._series.get((table, path))
        if number is None:
            self._connection.execute(f"INSERT OR IGNORE INTO {table} (path) VALUES (?)", (path,))  # noqa: S608 - as above
            query = f"SELECT id FROM {table} WHERE path = ?"  # noqa: S608 - as above
            ((number,),) = self._connection.execute(query, (path,)).fetchall()
            self._series[table, path] = number
        return int(number)
