"""Parquet files, by PyArrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from multitrack.tables import parquet
from multitrack.tables.schema import Row, TableSchema
from multitrack_files.schema import SCHEMA_VERSION


class ParquetFormat:
    """Writes Parquet. The metadata of each file names its table and the schema's version."""

    name = "parquet"
    suffix = ".parquet"

    def encode(self, table: TableSchema, rows: Sequence[Row]) -> pa.Table:
        """Convert rows to an Arrow table."""
        return parquet.encode(_schema(table), rows)

    def write(self, table: TableSchema, chunks: Iterable[pa.Table], file: BinaryIO) -> None:
        """Write a whole file; small chunks share a row group."""
        parquet.write(_schema(table), chunks, file)

    def read(self, path: Path, before: int | None = None) -> Iterator[pa.Table]:
        """Yield a file's row groups, or their rows whose ordinal is below ``before``."""
        for rows in parquet.groups(path):
            yield rows if before is None else rows.filter(pc.less(rows["ordinal"], before))

    def rows(self, table: TableSchema, path: Path) -> Iterator[Row]:
        """Yield a file's rows; a row group is in memory at a time, and a small part of it as cells."""
        return parquet.rows(table, parquet.groups(path))

    def last_ordinal(self, path: Path) -> int:
        """Return the ordinal of a file's last row, from its statistics."""
        footer = pq.read_metadata(path)
        column = footer.row_group(footer.num_row_groups - 1).column(footer.num_columns - 1)
        return int(column.statistics.max)


def _schema(table: TableSchema) -> Any:
    return parquet.arrow_schema(
        table, {"multitrack.schema_version": str(SCHEMA_VERSION), "multitrack.table": table.name}
    )
