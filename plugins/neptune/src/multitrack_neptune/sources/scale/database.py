"""Open the SQLite files of neptune-scale for reading, and never write beside them.

A file whose client ended is whole by itself. Beside that of a client that was killed or still runs is a ``-wal`` file
with its last operations. SQLite would have to write into the directory to read that, so both are copied.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

_HEADER: Final = b"SQLite format 3\0"
_TABLE: Final = b"run_operations"
#: Bytes at the start of a file in which its tables are named.
_BEGINNING: Final = 64 * 1024
_NAME: Final = "run_operations.sqlite3"
_PATTERNS: Final = ("*.sqlite3", f"*/{_NAME}", f".neptune/*/{_NAME}")


class StoredOperation(NamedTuple):
    """A row of the operations.

    Attributes:
        number: Its number, from 1.
        time: When it was called (ms).
        kind: 0 for an update, 1 for the creation of the run.
        body: The message.
    """

    number: int
    time: int
    kind: int
    body: bytes


def find_databases(place: Path) -> list[Path]:
    """The files of neptune-scale in a place: a file, a run's directory, ``.neptune``, or the directory around it."""
    if place.is_file():
        return [place] if _is_of_runs(place) else []
    for pattern in _PATTERNS:
        found = [path for path in place.glob(pattern) if _is_of_runs(path)]
        if found:
            return sorted(found)
    return []


def is_open(path: Path) -> bool:
    """Return True if its client was killed, or still runs: it removes the ``-wal`` file when it ends."""
    try:
        return _beside(path, "-wal").stat().st_size > 0
    except OSError:
        return False


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file for reading.

    Raises:
        sqlite3.Error, OSError: If it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        if is_open(path) or _beside(path, "-journal").exists():
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="multitrack-")))
            for suffix in ("-wal", "-journal", ""):  # the log first: it may be moved into the file in between
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(_beside(path, suffix), directory / f"{path.name}{suffix}")
            uri = f"file:{quote(str(directory / path.name))}"
        else:
            uri = f"file:{quote(str(path))}?mode=ro&immutable=1"  # SQLite makes no files beside it then
        connection = stack.enter_context(contextlib.closing(sqlite3.connect(uri, uri=True)))
        # SQLite refuses to open a file that ends too early, unless it is told that its user repairs one.
        connection.execute("PRAGMA writable_schema = ON")
        yield connection


def read_operations(connection: sqlite3.Connection, damage: list[str]) -> Iterator[StoredOperation]:
    """Yield the operations in their order, those behind damaged pages included.

    Args:
        connection: The open file.
        damage: Collects a sentence for each damaged part.
    """
    last = 0
    try:
        for row in _rows(connection, "sequence_id > 0 ORDER BY sequence_id"):
            if not last and row.number > 1:
                damage.append(
                    f"operations 1 to {row.number - 1} are not on this disk: the client deletes what the server has"
                )
            last = row.number
            yield row
    except sqlite3.DatabaseError as error:
        following = _after_damage(connection)
        if following is None or following <= last:
            damage.append(f"{error}: nothing after operation {last} can be read")
            return
        damage.append(f"{error}: nothing between operations {last} and {following} can be read")
        try:
            yield from _rows(connection, f"sequence_id >= {following} ORDER BY sequence_id")
        except sqlite3.DatabaseError as second:
            damage.append(f"{second}: nor are all operations after {following}")


def _after_damage(connection: sqlite3.Connection) -> int | None:
    """The first operation from which on all can be read; None if there is none."""
    found = None
    try:
        for row in _rows(connection, "sequence_id > 0 ORDER BY sequence_id DESC"):
            found = row.number
    except sqlite3.DatabaseError:
        return found
    return None


def _rows(connection: sqlite3.Connection, condition: str) -> Iterator[StoredOperation]:
    query = f"SELECT sequence_id, timestamp, operation_type, operation FROM run_operations WHERE {condition}"  # noqa: S608
    for number, time, kind, body in connection.execute(query):
        yield StoredOperation(number, time, kind, body if isinstance(body, bytes) else b"")


def _is_of_runs(path: Path) -> bool:
    """Return True for a file of the client's name, or one whose first pages name its table."""
    if path.name == _NAME:
        return True
    try:
        with path.open("rb") as file:
            beginning = file.read(_BEGINNING)
        if is_open(path):  # the pages may be in the log alone
            with _beside(path, "-wal").open("rb") as file:
                return beginning.startswith(_HEADER) and _TABLE in beginning + file.read(_BEGINNING)
    except OSError:
        return False
    return beginning.startswith(_HEADER) and _TABLE in beginning


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
