"""CSV files as in RFC 4180, except that lines end with a newline alone.

Every text is quoted, and an empty field without quotes is a missing value: so an empty text, ``NA`` and ``NaN`` can be
told from a missing value. The last column, the ordinal, is never quoted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, Final

from multitrack.records import number_to_json
from multitrack_files.schema import ColumnType, Row, TableSchema
from multitrack_files.values import utc

#: Bytes of a chunk, when a file is copied.
_BLOCK: Final = 1 << 20
#: More bytes than an ordinal has.
_LAST_FIELD: Final = 40


class CsvFormat:
    """Writes UTF-8 with a header. Its rows are bytes that can be copied between files as they are."""

    name = "csv"
    suffix = ".csv"

    def encode(self, table: TableSchema, rows: Sequence[Row]) -> bytes:
        """Convert rows to CSV."""
        writers = [_WRITERS[column.type] for column in table.columns]
        lines = [
            ",".join("" if cell is None else write(cell) for cell, write in zip(row, writers, strict=True)) + "\n"
            for row in rows
        ]
        return "".join(lines).encode()

    def write(self, table: TableSchema, chunks: Iterable[bytes], file: BinaryIO) -> None:
        """Write a whole file."""
        file.write((",".join(column.name for column in table.columns) + "\n").encode())
        file.writelines(chunks)

    def read(self, path: Path, before: int | None = None) -> Iterator[bytes]:
        """Yield a file's rows, or only those whose ordinal is below ``before``."""
        with path.open("rb") as file:
            file.readline()  # the header
            if before is None:
                while block := file.read(_BLOCK):
                    yield block
            else:
                yield from (row for row in _rows(file) if _ordinal(row) < before)

    def last_ordinal(self, path: Path) -> int:
        """Return the ordinal of a file's last row."""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LAST_FIELD))
            return _ordinal(file.read())


def _rows(file: BinaryIO) -> Iterator[bytes]:
    """Yield rows; a line's end within quotes does not end a row."""
    row, quotes = b"", 0
    for line in file:
        row += line
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            yield row
            row, quotes = b"", 0


def _ordinal(row: bytes) -> int:
    return int(row.rpartition(b",")[2])


def _text(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def _number(cell: float) -> str:
    return repr(cell) if isfinite(cell) else str(number_to_json(cell))


def _flag(cell: bool) -> str:
    return "true" if cell else "false"


_WRITERS: Final[dict[ColumnType, Any]] = {"text": _text, "integer": str, "number": _number, "flag": _flag, "time": utc}
