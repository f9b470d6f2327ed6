"""Questions to a project's database that Trackio's storage layer has no function for.

The file is Trackio's: one SQLite database per project, with the tables ``metrics`` and ``configs``. The only changes
made here are those that Trackio's own renaming of a run makes necessary: it drops the ids of the rows.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

_TABLES: Final = ("metrics", "configs", "system_metrics", "alerts", "traces")
#: Seconds to wait for another process that writes.
_PATIENCE: Final = 30.0


class Database:
    """A project's file.

    Args:
        path: Its path.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def knows_run_ids(self) -> bool:
        """Return False for a layout from before Trackio 0.24, in which a run is told by its name only."""
        with self._connected() as connection:
            return any(column == "run_id" for _, column, *_ in connection.execute("PRAGMA table_info(metrics)"))

    def names(self, run_id: str) -> list[str]:
        """Return the names under which a run has rows, the newest last."""
        query = "SELECT run_name FROM metrics WHERE run_id = ? GROUP BY run_name ORDER BY MAX(id)"
        with self._connected() as connection:
            return [name for (name,) in connection.execute(query, (run_id,))]

    def has_row(self, row_id: str) -> bool:
        """Return True if there is a row with this id."""
        with self._connected() as connection:
            return connection.execute("SELECT 1 FROM metrics WHERE log_id = ?", (row_id,)).fetchone() is not None

    def rename(self, run_id: str, name: str) -> None:
        """Change a run's name everywhere, and keep the ids of its rows."""
        with self._connected() as connection:
            for table in _TABLES:
                with contextlib.suppress(sqlite3.OperationalError):  # a table that this release lacks
                    connection.execute(
                        f"UPDATE {table} SET run_name = ? WHERE run_id = ? AND run_name <> ?",  # noqa: S608 - ours
                        (name, run_id, name),
                    )

    def has_unmarked(self, run_id: str) -> bool:
        """Return True if rows have lost their ids, because the run was renamed in Trackio."""
        query = "SELECT 1 FROM metrics WHERE run_id = ? AND log_id IS NULL LIMIT 1"
        with self._connected() as connection:
            return connection.execute(query, (run_id,)).fetchone() is not None

    def remove_unmarked(self, run_id: str, rows: Iterable[tuple[str, int, dict[str, Any]]]) -> None:
        """Remove rows without id that have this time, step and values; each removes one row at most."""
        query = "SELECT id, metrics FROM metrics WHERE run_id = ? AND timestamp = ? AND step = ? AND log_id IS NULL"
        with self._connected() as connection:
            for time, step, values in rows:
                for number, metrics in connection.execute(query, (run_id, time, step)).fetchall():
                    if json.loads(metrics) == values:
                        connection.execute("DELETE FROM metrics WHERE id = ?", (number,))
                        break

    def texts(self, run_name: str, key: str) -> Iterator[str]:
        """Yield the texts that a run, told by its name, has under a key."""
        if not self._path.exists():
            return
        with self._connected() as connection:
            try:
                found = connection.execute("SELECT metrics FROM metrics WHERE run_name = ?", (run_name,)).fetchall()
            except sqlite3.OperationalError:  # a new file, still without tables
                return
        for (metrics,) in found:
            values = json.loads(metrics)
            if key in values:
                yield values[key]

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=_PATIENCE)
        try:
            with connection:
                yield connection
        finally:
            connection.close()
