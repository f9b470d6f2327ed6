"""Read runs from CSV files, such as those of Keras' and Lightning's loggers, and tables that trackers export."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from multitrack.errors import SourceError
from multitrack.hookspecs import Source
from multitrack.markers import hookimpl
from multitrack.migration.formats.files import open_tables

_NAME: Final = "csv"
_DELIMITERS: Final = ",;\t|"
_BOM: Final = "\ufeff"


class CsvPlugin:
    """Opens CSV files: with commas, semicolons, tabs or bars between the cells."""

    name = _NAME

    @hookimpl
    def open_source(self, address: str, tracker: str | None, columns: Mapping[str, str]) -> Source | None:
        """Open a file, or, if CSV was chosen, the files of a directory."""
        return open_tables(_NAME, (".csv", ".tsv"), address, tracker, columns, CsvRows)


class CsvRows:
    """The rows of one CSV file; a position is an offset in bytes.

    Args:
        path: The file, in UTF-8.

    Raises:
        SourceError: If it has no header.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._delimiter = ","
        with path.open("rb") as file:
            line = file.readline().decode("utf-8", "replace").removeprefix(_BOM)
        self._delimiter = max(_DELIMITERS, key=line.count)
        self.start, self.header = next(self.read(0), (0, []))
        if not self.header:
            raise SourceError("it is empty: a table begins with the names of its columns")
        self.header[0] = self.header[0].removeprefix(_BOM)

    def read(self, start: int, stop: int | None = None) -> Iterator[tuple[int, list[str]]]:
        """See :meth:`~multitrack.migration.formats.table.Rows.read`."""
        position = start
        with self.path.open("rb") as file:
            file.seek(start)

            def lines() -> Iterator[str]:
                nonlocal position
                for line in file:
                    position += len(line)
                    yield line.decode("utf-8")

            reader = csv.reader(lines(), delimiter=self._delimiter)
            try:
                for cells in reader:
                    if cells:
                        yield position, cells
                    if stop is not None and position >= stop:
                        return
            except UnicodeDecodeError as error:
                raise SourceError(
                    f"it is not UTF-8 before byte {position}: save it as UTF-8 ({error.reason})"
                ) from error
            except csv.Error as error:
                raise SourceError(f"damaged before byte {position}: {error}") from error


plugin = CsvPlugin()
