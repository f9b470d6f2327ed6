"""Write SQLite files as neptune-scale 0.30 does: its tables, and messages of Protocol Buffers by a small encoder.

neptune-scale is not installed beside the other SDKs: it holds Protocol Buffers below version 7, and brings a cloud's
storage client along. The tables are those of its ``sync/operations_repository.py``, version ``v5``, and the messages
those of ``neptune_pb/ingest/v1/common.proto``.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

_TABLES = """
CREATE TABLE run_operations (
    sequence_id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER NOT NULL, operation_type INTEGER NOT NULL,
    operation BLOB NOT NULL, operation_size_bytes INTEGER NOT NULL);
CREATE INDEX idx_run_operations_sequence_size ON run_operations (sequence_id, operation_size_bytes);
CREATE TABLE metadata (
    id INTEGER PRIMARY KEY AUTOINCREMENT, version TEXT NOT NULL, project TEXT NOT NULL, run_id TEXT NOT NULL);
CREATE TABLE run_operation_submission (
    sequence_id INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, request_id TEXT NOT NULL);
CREATE TABLE file_upload_requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT, source_path TEXT NOT NULL, destination TEXT NOT NULL,
    mime_type TEXT NOT NULL, size_bytes INTEGER NOT NULL, is_temporary INTEGER NOT NULL);
CREATE TABLE operation_errors (
    error_id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER NOT NULL, error_type TEXT NOT NULL,
    error_details TEXT NOT NULL, error_body TEXT NOT NULL, sequence_id INTEGER);
"""
UPDATE, CREATE = 0, 1


class Stored(NamedTuple):
    """A file in Neptune."""

    path: str
    size: int


class Milliseconds(int):
    """A time."""


class Bins(NamedTuple):
    """A histogram."""

    edges: list[float]
    counts: list[int]


def write_file(
    path: Path,
    run_id: str,
    operations: Iterable[tuple[int, int, bytes]],
    uploads: Mapping[str, str] = {},
    first: int = 1,
) -> sqlite3.Connection:
    """Write a run's file; closing the connection ends the client.

    Args:
        path: The file.
        run_id: The run.
        operations: Time (ms), kind and message of each operation.
        uploads: Local path of files by their path in Neptune.
        first: Number of the first operation: those before it have been sent.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(_TABLES)
    connection.execute("INSERT INTO metadata (version, project, run_id) VALUES ('v5', 'w/p', ?)", (run_id,))
    for number, (time, kind, body) in enumerate(operations, first):
        connection.execute("INSERT INTO run_operations VALUES (?, ?, ?, ?, ?)", (number, time, kind, body, len(body)))
    for destination, source in uploads.items():
        connection.execute(
            "INSERT INTO file_upload_requests (source_path, destination, mime_type, size_bytes, is_temporary) "
            "VALUES (?, ?, 'text/plain', 2, 0)", (source, destination),
        )  # fmt: skip
    connection.commit()
    return connection


def creation(experiment: str = "", created: int = 0, parent: str = "", fork_step: tuple[int, int] = (0, 0)) -> bytes:
    """The message ``Run``."""
    fork = text(1, "w/p") + text(2, parent) + inner(4, _step(*fork_step)) if parent else b""
    return inner(2, fork) * bool(parent) + inner(3, _timestamp(created)) + text(4, "family") + text(5, experiment)


def update(
    time: int,
    step: tuple[int, int] | None = None,
    assign: Mapping[str, Any] = {},
    sets: Mapping[str, Mapping[str, bool]] = {},
    append: Mapping[str, Any] = {},
    *,
    is_preview: bool = False,
) -> bytes:
    """The message ``UpdateRunSnapshot``."""
    body = b"" if step is None else inner(1, _step(*step))
    body += inner(2, _timestamp(time))
    for key, value in assign.items():
        body += inner(4, text(1, key) + inner(2, _value(value)))
    for key, members in sets.items():
        changes = b"".join(inner(1, text(1, each) + number(2, 1 if added else 2)) for each, added in members.items())
        body += inner(5, text(1, key) + inner(2, inner(1, changes)))
    for key, value in append.items():
        body += inner(8, text(1, key) + inner(2, _value(value)))
    return body + (inner(10, number(1, 1)) if is_preview else b"")


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return number(5, int(value))
    if isinstance(value, Milliseconds):
        return inner(8, _timestamp(value))
    if isinstance(value, int):
        return number(3, value)
    if isinstance(value, float):
        return double(1, value)
    if isinstance(value, str):
        return text(6, value)
    if isinstance(value, Stored):
        return inner(13, text(1, value.path) + number(2, value.size) + text(3, "text/plain"))
    if isinstance(value, Bins):
        edges = b"".join(struct.pack("<d", each) for each in value.edges)
        return inner(14, inner(1, edges) + inner(4, inner(1, bytes(value.counts))))
    return inner(12, b"".join(text(1, each) for each in value))


def _step(whole: int, micro: int) -> bytes:
    return number(1, whole) * bool(whole) + number(2, micro) * bool(micro)  # zeros are left out on the wire


def _timestamp(ms: int) -> bytes:
    # A nanosecond below, as the client's arithmetic with doubles leaves it.
    seconds, nanos = divmod(ms * 1_000_000 - 27, 1_000_000_000)
    return number(1, seconds) + number(2, nanos)


def number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value % 2**64)


def double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def text(field: int, value: str) -> bytes:
    return inner(field, value.encode())


def inner(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
