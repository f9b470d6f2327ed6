"""Tables as Parquet files, by PyArrow, with zstd compression. Rows go through in bounded chunks."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from multitrack.tables.schema import Cell, Row, TableSchema

#: A row group is complete at either size. The bytes bound the memory of a merge: rows may hold lines of any length.
ROWS_A_GROUP: Final = 64 * 1024
BYTES_A_GROUP: Final = 8 * 1024**2
#: Rows that are turned into cells at once.
_ROWS_AT_ONCE: Final = 4096

_TYPES: Final = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "time": pa.timestamp("ms", "UTC"),
}


def arrow_schema(table: TableSchema, metadata: Mapping[str, str] | None = None) -> Any:
    """Return the Arrow schema of a table, with metadata for each file."""
    return pa.schema([(column.name, _TYPES[column.type]) for column in table.columns], metadata)


def encode(schema: Any, rows: Sequence[Row]) -> Any:
    """Convert rows to an Arrow table."""
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(cells, field.type) for cells, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


class Writer:
    """Writes a Parquet file, a chunk at a time; small chunks share a row group.

    Args:
        file: The open file.
        schema: The Arrow schema.

    Attributes:
        rows: Number of rows so far.
    """

    def __init__(self, file: IO[bytes], schema: Any) -> None:
        self._file = pq.ParquetWriter(file, schema, compression="zstd")
        self._group: list[Any] = []
        self.rows = 0

    def add(self, chunk: Any) -> None:
        """Add an Arrow table."""
        self.rows += len(chunk)
        self._group.append(chunk)
        if sum(map(len, self._group)) >= ROWS_A_GROUP or sum(part.nbytes for part in self._group) >= BYTES_A_GROUP:
            self._write()

    def close(self) -> None:
        """Write the rest and the footer; the file stays open."""
        self._write()
        self._file.close()

    def _write(self) -> None:
        if self._group:
            self._file.write_table(pa.concat_tables(self._group))
            self._group = []


def write(schema: Any, chunks: Iterable[Any], file: IO[bytes]) -> None:
    """Write a whole file."""
    writer = Writer(file, schema)
    for chunk in chunks:
        writer.add(chunk)
    writer.close()


def groups(path: Path | IO[bytes]) -> Iterator[Any]:
    """Yield a file's row groups as Arrow tables, one at a time."""
    with pq.ParquetFile(path) as file:
        for i in range(file.num_row_groups):
            yield file.read_row_group(i, use_threads=False)


def groups_of(path: Path | IO[bytes], runs: Sequence[str]) -> Iterator[Any]:
    """Yield the rows of some runs; row groups that have none of them, by their statistics, are not read.

    Args:
        path: The file.
        runs: Values of the first column, sorted.
    """
    wanted = pa.array(runs, pa.string())
    with pq.ParquetFile(path) as file:
        for i in range(file.num_row_groups):
            known = file.metadata.row_group(i).column(0).statistics
            if known is not None and known.has_min_max:
                first = bisect.bisect_left(runs, known.min)
                if first == len(runs) or runs[first] > known.max:
                    continue
            rows = file.read_row_group(i, use_threads=False)
            yield rows.filter(pc.is_in(rows["run"], wanted))


def rows(table: TableSchema, chunks: Iterable[Any]) -> Iterator[Row]:
    """Yield the rows of Arrow tables, a small part of them as cells at a time; a column that is not there is missing.

    Times are milliseconds since the epoch.
    """
    for group in chunks:
        for batch in group.to_batches(max_chunksize=_ROWS_AT_ONCE):
            columns = [
                _cells(batch.column(column.name)) if column.name in batch.schema.names else [None] * len(batch)
                for column in table.columns
            ]
            yield from zip(*columns, strict=True)


def _cells(column: Any) -> list[Cell]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(_TYPES["time"]).cast(pa.int64())
    cells: list[Cell] = column.to_pylist()
    return cells
