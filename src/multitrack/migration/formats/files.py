"""Find the files of a table format, and open each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from multitrack.errors import SourceError
from multitrack.hookspecs import Gap
from multitrack.migration.formats.table import Rows, TableSource


def open_tables(
    name: str,
    suffixes: tuple[str, ...],
    address: str,
    tracker: str | None,
    columns: Mapping[str, str],
    open_rows: Callable[[Path], Rows],
) -> TableSource | None:
    """Open a file of a table format, or all in a directory; None if the address is another one.

    A directory is only read if the user chose the format: tables of data look like those of runs.

    Args:
        name: The format.
        suffixes: Those of its files.
        address: The absolute path.
        tracker: The format that the user chose.
        columns: Roles of columns by name or pattern.
        open_rows: Opens a file; raises a :class:`SourceError` if it cannot be read.
    """
    if tracker not in (None, name) or not address.startswith("/"):
        return None
    place = Path(address)
    if tracker is None and not (place.is_file() and place.suffix.lower() in suffixes):
        return None
    paths = [place]
    if place.is_dir():
        paths = sorted(path for path in place.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    tables, unread = [], []
    for path in paths:
        try:
            tables.append(open_rows(path))
        except (SourceError, OSError) as error:
            unread.append(Gap(f"{path}: {error}"))
    return TableSource(name, place, tables, unread, columns)
