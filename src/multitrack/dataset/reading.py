"""Find a data set, and read the rows of some of its runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from multitrack._hints import to_install
from multitrack.dataset.damage import reading
from multitrack.dataset.manifest import FILE, DataSet, State, decode, decode_state
from multitrack.dataset.stores import Store, is_url, open_store
from multitrack.errors import ExportError
from multitrack.tables.schema import TableSchema


class OpenDataSet:
    """A data set as its ``dataset.json`` was when this was made.

    Args:
        location: The directory or URL.

    Attributes:
        location: The same, as a text.
        data: The content of ``dataset.json``.

    Raises:
        ExportError: If there is none, or it cannot be read.
        ImportError: If PyArrow, or a package for the URL or for Delta tables, is not installed.
    """

    def __init__(self, location: str | Path) -> None:
        self._store: Store = open_store(location)
        self.location = self._store.location
        content = self._store.current()
        if content is None:
            raise ExportError(f"no data set in {self.location}: {FILE} is missing; `multitrack export` writes one")
        self.data: DataSet = decode(content, self.location)

    def state(self) -> State:
        """Read the state: the runs, and which files have rows of each."""
        return read_state(self._store, self.data)

    def files(self, table: str) -> list[str]:
        """Return the absolute paths or URLs of a table's files."""
        if self.data.storage == "delta":
            with reading(f"the table {table}", self.location):
                found: list[str] = self._delta_table(table).file_uris()
            return found
        return [self._store.uri(path) for path in self.data.files[table]]

    def rows(self, table: TableSchema, runs: Sequence[str], files: Sequence[str] | None = None) -> Iterator[Any]:
        """Yield the rows of some runs as Arrow tables.

        Args:
            table: The table.
            runs: Values of the column ``run``, sorted.
            files: Only these files, relative to the data set; default: all of the table.
        """
        from multitrack.tables import parquet  # noqa: PLC0415 - see require_arrow

        if self.data.storage == "delta":
            for path in self.files(table.name):
                with reading(path, self.location), open_file(path) as file:
                    yield from parquet.groups_of(file, runs)
            return
        for path in self.data.files[table.name] if files is None else files:
            with reading(self._store.uri(path), self.location), self._store.open(path) as file:
                yield from parquet.groups_of(file, runs)

    def _delta_table(self, table: str) -> Any:
        try:
            from deltalake import DeltaTable  # noqa: PLC0415 - an extra
        except ImportError:
            raise ImportError(f"Delta tables need deltalake: {to_install('delta')}") from None
        return DeltaTable(self._store.uri(self.data.files[table][0]), version=self.data.versions[table])


def read_state(store: Store, data: DataSet) -> State:
    """Read the state that belongs to a ``dataset.json``.

    Raises:
        ExportError: If it is missing or damaged.
    """
    with reading(store.uri(data.state), store.location):
        content = store.read(data.state)
    return decode_state(content, store.location)


def open_file(location: str) -> Any:
    """Open a file by its absolute path or URL, for reading."""
    if is_url(location):
        import fsspec  # noqa: PLC0415 - an extra, which the store has imported

        return fsspec.open(location).open()
    return Path(location).open("rb")


def require_arrow() -> None:
    """Check that PyArrow can be imported, which takes 0.3 s.

    Raises:
        ImportError: If it is not installed; the message says how to install it.
    """
    try:
        import pyarrow  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise ImportError(f"a data set needs PyArrow: {to_install('export')}") from None


def is_data_set(location: str | Path) -> bool:
    """Return True for a URL, and for a directory with a ``dataset.json``."""
    return is_url(location) or (Path(location) / FILE).is_file()
