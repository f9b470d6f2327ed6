"""Read runs from Parquet files. PyArrow is an extra, and is imported when one is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from multitrack._hints import to_install
from multitrack.errors import SourceError
from multitrack.hookspecs import Source
from multitrack.markers import hookimpl
from multitrack.migration.formats.files import open_tables

_NAME: Final = "parquet"
#: Rows that are turned into Python's objects at once.
_ROWS: Final = 10_000


class ParquetPlugin:
    """Opens Parquet files."""

    name = _NAME

    @hookimpl
    def open_source(self, address: str, tracker: str | None, columns: Mapping[str, str]) -> Source | None:
        """Open a file, or, if Parquet was chosen, the files of a directory."""
        return open_tables(_NAME, (".parquet", ".pq"), address, tracker, columns, ParquetRows)


class ParquetRows:
    """The rows of one Parquet file; a position is the number of a row. Holds one row group in memory.

    Args:
        path: The file.

    Raises:
        SourceError: If it is no Parquet file, or PyArrow is missing.
    """

    start = 0

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra
            import pyarrow.parquet as pq  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise SourceError(f"{error}; reading Parquet needs PyArrow: {to_install('parquet')}") from error
        self._arrow = pa
        self.path = path
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"it cannot be read as Parquet: {error}") from error
        self.header: list[str] = self._file.schema_arrow.names
        sizes = [self._file.metadata.row_group(each).num_rows for each in range(self._file.num_row_groups)]
        self._ends = [sum(sizes[: each + 1]) for each in range(len(sizes))]
        self._group: tuple[int, Any] = (-1, None)  # the one that was read last

    def read(self, start: int, stop: int | None = None) -> Iterator[tuple[int, Sequence[Any]]]:
        """See :meth:`~multitrack.migration.formats.table.Rows.read`."""
        end = (self._ends or [0])[-1] if stop is None else stop
        while start < end:
            group = next(number for number, last in enumerate(self._ends) if start < last)
            first = self._ends[group - 1] if group else 0
            count = min(end, self._ends[group], start + _ROWS) - start
            table = self._read_group(group).slice(start - first, count)
            for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
                start += 1
                yield start, row

    def _read_group(self, number: int) -> Any:
        if self._group[0] != number:
            try:
                self._group = number, self._in_milliseconds(self._file.read_row_group(number))
            except (self._arrow.ArrowException, OSError) as error:
                raise SourceError(f"damaged in row group {number}: {error}") from error
        return self._group[1]

    def _in_milliseconds(self, table: Any) -> Any:
        """Times of nanoseconds have no type in Python."""
        for index, field in enumerate(table.schema):
            if self._arrow.types.is_timestamp(field.type):
                exact = self._arrow.timestamp("ms", field.type.tz)
                table = table.set_column(index, field.name, table.column(index).cast(exact, safe=False))
        return table


plugin = ParquetPlugin()
