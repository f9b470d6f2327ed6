"""The data files of a data set: new ones are created, and those with rows that no longer count are written anew."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from multitrack.dataset.manifest import FileState
from multitrack.dataset.schema import TABLES, VERSION
from multitrack.dataset.stores import Store
from multitrack.tables import merging, parquet
from multitrack.tables.schema import Row, TableSchema

#: Rows that are turned into Arrow tables at once.
_ROWS_AT_ONCE: Final = 16 * 1024
BY_NAME: Final = {table.name: table for table in TABLES}


def schema_of(table: TableSchema) -> Any:
    """Return the Arrow schema of a table; each file's metadata names the table and the version."""
    return parquet.arrow_schema(table, {"multitrack.dataset_version": str(VERSION), "multitrack.table": table.name})


class TableWriter:
    """Writes rows of one table and project into new files, each of a bounded size.

    Args:
        store: The place.
        table: The table.
        project: The project of all rows.
        folder: The project's folder name.
        generation: Number of the export, which begins the files' names.
    """

    def __init__(self, store: Store, table: TableSchema, project: str, folder: str, generation: int) -> None:
        self._store = store
        self._table = table
        self._project = project
        self._folder = f"{table.name}/{folder}/{generation:06}"
        self._schema = schema_of(table)
        self._waiting: list[Row] = []
        self._runs: set[int] = set()
        self._open = contextlib.ExitStack()
        self._file: Any = None
        self._writer: parquet.Writer | None = None
        self._path = ""
        self.files: list[FileState] = []

    def add(self, number: int, rows: Sequence[Row]) -> None:
        """Add rows of a run."""
        if rows:
            self._runs.add(number)
            self._waiting += rows
            if len(self._waiting) >= _ROWS_AT_ONCE:
                self._flush()

    def add_table(self, numbers: Iterable[int], rows: Any) -> None:
        """Add rows of some runs as an Arrow table."""
        if len(rows):
            self._flush()
            self._runs.update(numbers)
            self._write(rows)

    def close(self) -> list[FileState]:
        """Complete the last file, and return all of them."""
        self._flush()
        self._finish()
        return self.files

    def abandon(self) -> None:
        """Close what is open; its content is of no use."""
        with contextlib.suppress(Exception):
            if self._writer is not None:
                self._writer.close()
        with contextlib.suppress(OSError):
            self._open.close()

    def _flush(self) -> None:
        rows, self._waiting = self._waiting, []
        if rows:
            self._write(parquet.encode(self._schema, rows))

    def _write(self, rows: Any) -> None:
        if self._writer is None:
            self._path = f"{self._folder}-{secrets.token_hex(6)}.parquet"
            self._file = self._open.enter_context(self._store.create(self._path))
            self._writer = parquet.Writer(self._file, self._schema)
        self._writer.add(rows)
        if self._file.tell() >= merging.LARGEST:
            self._finish()

    def _finish(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        size = self._file.tell()
        self._open.close()
        self.files.append(
            FileState(self._path, self._table.name, self._project, self._writer.rows, size, sorted(self._runs))
        )
        self._writer, self._runs = None, set()


def surviving(store: Store, file: FileState, gone: Sequence[str]) -> Iterator[Any]:
    """Yield the rows of a file as Arrow tables, without those of some runs.

    Args:
        store: The place.
        file: The file.
        gone: Values of the column ``run``.
    """
    schema = schema_of(BY_NAME[file.table])
    runs = pa.array(gone, pa.string())
    with store.open(file.path) as opened:
        for rows in parquet.groups(opened):
            kept = rows.filter(pc.invert(pc.is_in(rows["run"], runs))) if gone else rows
            yield _with_columns(kept, schema)


def _with_columns(rows: Any, schema: Any) -> Any:
    """Return rows of an earlier release with the columns of this one."""
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
