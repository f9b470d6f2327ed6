"""acme itself: an SQLite file. For a tracker, call its SDK or its HTTP API here, and keep the functions.

Every function may be called again with the same arguments, and then changes nothing.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from multitrack.errors import DeniedError, RetryableError
from multitrack_acme.rows import Row

#: Values of the columns of ``runs``, by their names.
Facts = Mapping[str, str | int | None]

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, run_id TEXT, project TEXT, name TEXT, status TEXT, started INTEGER, ended INTEGER,
    parent TEXT, user TEXT, host TEXT, program TEXT
);
CREATE TABLE IF NOT EXISTS rows (
    id TEXT, ordinal INTEGER, item INTEGER, kind TEXT, name TEXT, step INTEGER, time INTEGER, value TEXT,
    PRIMARY KEY (id, ordinal, item)
) WITHOUT ROWID;
"""


def create_run(file: str, acme_id: str, run_id: str, facts: Facts) -> bool:
    """Create a run, or set the facts of one that exists.

    Args:
        file: The file.
        acme_id: The run's id in acme.
        run_id: The run's id in its journal.
        facts: Values of columns, by their names.

    Returns:
        True if acme has rows of the run.
    """
    with _transaction(file) as connection:
        connection.executescript(_TABLES)
        connection.execute("INSERT OR IGNORE INTO runs (id, run_id) VALUES (?, ?)", (acme_id, run_id))
        _update(connection, acme_id, facts)
        (held,) = connection.execute("SELECT EXISTS (SELECT 1 FROM rows WHERE id = ?)", (acme_id,)).fetchone()
        return bool(held)


def update_run(file: str, acme_id: str, facts: Facts) -> None:
    """Set facts of a run, such as its status."""
    with _transaction(file) as connection:
        _update(connection, acme_id, facts)


def find_run(file: str, project: str, run_id: str) -> str | None:
    """Return acme's id of a project's run by its id in a journal; ``None`` if there is none."""
    with _transaction(file) as connection:
        query = "SELECT id FROM runs WHERE project = ? AND run_id = ?"
        found = connection.execute(query, (project, run_id)).fetchone()
    return None if found is None else str(found[0])


def write_rows(file: str, acme_id: str, rows: Iterable[Row]) -> None:
    """Write rows; one that is there already is replaced."""
    values = [(acme_id, *row[:-1], json.dumps(row.value)) for row in rows]
    with _transaction(file) as connection:
        connection.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def _update(connection: sqlite3.Connection, acme_id: str, facts: Facts) -> None:
    columns = ", ".join(f"{name} = ?" for name in facts)
    connection.execute(f"UPDATE runs SET {columns} WHERE id = ?", (*facts.values(), acme_id))  # noqa: S608 - our names


@contextlib.contextmanager
def _transaction(file: str) -> Iterator[sqlite3.Connection]:
    """Open the file; commit at the end, or roll back after an error.

    Raises:
        RetryableError: The same call may succeed later: another process holds the file, or the disk is full.
        DeniedError: A person must look at the file first, as it is no SQLite file. No record is at fault.
    """
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(file, timeout=30)) as connection, connection:
            yield connection
    except sqlite3.OperationalError as error:
        raise RetryableError(f"{file}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise DeniedError(f"{file}: {error}") from error
