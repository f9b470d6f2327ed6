"""The interface of the file formats, and how to get one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

from multitrack.tables.schema import Row, TableSchema

Chunk = Any
"""Some rows of a table, in a form of their format: an Arrow table, or the bytes of CSV rows."""


class Format(Protocol):
    """Reads and writes the files of one format. Rows go through in bounded chunks, however large a file is.

    Attributes:
        name: The format's name in the options.
        suffix: Suffix of its files.
    """

    name: str
    suffix: str

    def encode(self, table: TableSchema, rows: Sequence[Row]) -> Chunk:
        """Convert rows to a chunk."""

    def write(self, table: TableSchema, chunks: Iterable[Chunk], file: BinaryIO) -> None:
        """Write a whole file; without chunks, one without rows."""

    def read(self, path: Path, before: int | None = None) -> Iterator[Chunk]:
        """Yield the rows of a file, or only those whose ordinal is below ``before``."""

    def rows(self, table: TableSchema, path: Path) -> Iterator[Row]:
        """Yield a file's rows as cells; a column that the file does not have is missing in all of them.

        Raises:
            OSError: The file cannot be read.
            ValueError: The file is damaged.
        """

    def last_ordinal(self, path: Path) -> int:
        """Return the ordinal of a file's last row."""


def format_named(name: Literal["parquet", "csv"]) -> Format:
    """Return a format. Parquet imports PyArrow."""
    if name == "csv":
        from multitrack_files.csv_format import CsvFormat  # noqa: PLC0415 - in the courier only

        return CsvFormat()
    from multitrack_files.parquet_format import ParquetFormat  # noqa: PLC0415 - PyArrow takes 0.3 s

    return ParquetFormat()
