"""Parquet files, by PyArrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from multitrack_files.schema import SCHEMA_VERSION, Row, TableSchema

#: A row group is complete at either size. The bytes bound the memory of a merge: rows may hold lines of any length.
ROWS_A_GROUP: Final = 64 * 1024
BYTES_A_GROUP: Final = 8 * 1024**2

_TYPES: Final = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "time": pa.timestamp("ms", "UTC"),
}


class ParquetFormat:
    """Writes Parquet with zstd compression. The metadata of each file names its table and the schema's version."""

    name = "parquet"
    suffix = ".parquet"

    def encode(self, table: TableSchema, rows: Sequence[Row]) -> pa.Table:
        """Convert rows to an Arrow table."""
        columns = zip(*rows, strict=True) if rows else [()] * len(table.columns)
        schema = _schema(table)
        return pa.Table.from_arrays(
            [pa.array(cells, field.type) for cells, field in zip(columns, schema, strict=True)], schema=schema
        )

    def write(self, table: TableSchema, chunks: Iterable[pa.Table], file: BinaryIO) -> None:
        """Write a whole file; small chunks share a row group."""
        with pq.ParquetWriter(file, _schema(table), compression="zstd") as writer:
            group: list[pa.Table] = []
            for chunk in chunks:
                group.append(chunk)
                if sum(map(len, group)) >= ROWS_A_GROUP or sum(part.nbytes for part in group) >= BYTES_A_GROUP:
                    writer.write_table(pa.concat_tables(group))
                    group = []
            if group:
                writer.write_table(pa.concat_tables(group))

    def read(self, path: Path, before: int | None = None) -> Iterator[pa.Table]:
        """Yield a file's row groups, or their rows whose ordinal is below ``before``."""
        with pq.ParquetFile(path) as file:
            for i in range(file.num_row_groups):
                rows = file.read_row_group(i, use_threads=False)
                yield rows if before is None else rows.filter(pc.less(rows["ordinal"], before))

    def last_ordinal(self, path: Path) -> int:
        """Return the ordinal of a file's last row, from its statistics."""
        footer = pq.read_metadata(path)
        column = footer.row_group(footer.num_row_groups - 1).column(footer.num_columns - 1)
        return int(column.statistics.max)


def _schema(table: TableSchema) -> pa.Schema:
    metadata = {"multitrack.schema_version": str(SCHEMA_VERSION), "multitrack.table": table.name}
    return pa.schema([(column.name, _TYPES[column.type]) for column in table.columns], metadata)
