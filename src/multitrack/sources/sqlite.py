"""Look into an SQLite file of another program without changing it."""

from __future__ import annotations

import contextlib
import shlex
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

#: The first bytes of every such file (sqlite.org/fileformat.html, 1.3).
_HEADER: Final = b"SQLite format 3\0"
#: Seconds to wait for a program that writes.
_PATIENCE: Final = 2.0


def columns_of(path: Path, table: str) -> set[str]:
    """The columns of a table; none if there is no such table, or the file cannot be read."""
    try:
        with contextlib.closing(_open(path)) as connection:
            query = "SELECT name FROM pragma_table_info(?)"
            return {str(name) for (name,) in connection.execute(query, (table,))}
    except sqlite3.Error:
        return set()


def problem_of(path: Path) -> str | None:
    """A sentence that says why an SQLite file cannot be read; None if it can, or the file is of another kind."""
    try:
        with path.open("rb") as file:
            if file.read(len(_HEADER)) != _HEADER:
                return None
        with contextlib.closing(_open(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    except sqlite3.OperationalError as error:
        return f"{path} cannot be read now: {error}; import again when the program that writes it has ended"
    except sqlite3.DatabaseError as error:
        mended = path.with_name(f"{path.stem}-mended{path.suffix}")
        command = f"sqlite3 {shlex.quote(str(path))} .recover | sqlite3 {shlex.quote(str(mended))}"
        return f"{path} is damaged, or copied in part: {error}; copy it again, or save the rest of it with `{command}`"
    return None


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_PATIENCE)
