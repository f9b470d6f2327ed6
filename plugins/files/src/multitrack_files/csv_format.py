"""CSV files as in RFC 4180, except that lines end with a newline alone.

Every text is quoted, and an empty field without quotes is a missing value: so an empty text, ``NA`` and ``NaN`` can be
told from a missing value. The last column, the ordinal, is never quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, Final

from multitrack.records import number_to_json
from multitrack.tables.schema import Cell, ColumnType, Row, TableSchema
from multitrack.tables.values import moment, utc

#: Bytes of a chunk, when a file is copied.
_BLOCK: Final = 1 << 20
#: More bytes than an ordinal has.
_LAST_FIELD: Final = 40
#: A field and its end: a comma, the line's end, or that of a cut file.
_FIELD: Final = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",\n]*))(,|\n|\Z)')
_MISSING: Final = "", False


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

    def rows(self, table: TableSchema, path: Path) -> Iterator[Row]:
        """Yield a file's rows."""
        with path.open("rb") as file:
            header = [name for name, _ in _fields(file.readline())]
            for number, row in enumerate(_rows(file), 2):
                fields = _fields(row)
                if len(fields) != len(header):
                    raise ValueError(f"row {number} has {len(fields)} fields, not {len(header)}")
                found = dict(zip(header, fields, strict=True))
                yield tuple(_cell(column.type, *found.get(column.name, _MISSING)) for column in table.columns)

    def last_ordinal(self, path: Path) -> int:
        """Return the ordinal of a file's last row."""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LAST_FIELD))
            return _ordinal(file.read())


def _rows(file: BinaryIO) -> Iterator[bytes]:
    """Yield rows; a line's end within quotes does not end a row. What is left of a cut file is the last one."""
    row, quotes = b"", 0
    for line in file:
        row += line
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            yield row
            row, quotes = b"", 0
    if row:
        yield row


def _ordinal(row: bytes) -> int:
    return int(row.rpartition(b",")[2])


def _text(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def _number(cell: float) -> str:
    return repr(cell) if isfinite(cell) else str(number_to_json(cell))


def _flag(cell: bool) -> str:
    return "true" if cell else "false"


def _fields(row: bytes) -> list[tuple[str, bool]]:
    """The texts of a row's fields, and whether each one is quoted.

    Raises:
        ValueError: If it is no row.
    """
    text, position = row.decode(), 0
    fields = []
    while True:
        match = _FIELD.match(text, position)
        if match is None:
            raise ValueError(f"{text[position : position + 40]!r} is no field")
        quoted, plain, end = match.groups()
        fields.append((plain, False) if quoted is None else (quoted.replace('""', '"'), True))
        position = match.end()
        if end != ",":
            return fields


def _cell(kind: ColumnType, text: str, is_quoted: bool) -> Cell:
    return _READERS[kind](text) if text or is_quoted else None


def _flag_in(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(f"{text!r} is no flag")
    return text == "true"


_WRITERS: Final[dict[ColumnType, Any]] = {"text": _text, "integer": str, "number": _number, "flag": _flag, "time": utc}
_READERS: Final[dict[ColumnType, Callable[[str], Cell]]] = {
    "text": str, "integer": int, "number": float, "flag": _flag_in, "time": moment,
}  # fmt: skip
