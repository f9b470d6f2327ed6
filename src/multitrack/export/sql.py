"""SQL over data sets and journals, by DuckDB: each table is a view."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from multitrack._hints import to_install
from multitrack.dataset.cache import cache_directory
from multitrack.dataset.damage import reading
from multitrack.dataset.reading import OpenDataSet, require_arrow
from multitrack.dataset.schema import TABLES
from multitrack.dataset.stores import is_url
from multitrack.errors import ExportError
from multitrack.export.exporting import export
from multitrack.reading.reader import JournalReader
from multitrack.security.directories import private_directory


def connect(source: JournalReader | str | Path) -> Any:
    """Open a DuckDB connection in memory, with a view for each table: ``runs``, ``params``, ``points`` and so on.

    Journals are exported into the user's cache directory first, as far as they changed. The views show one export, also
    if the data set is exported to meanwhile.

    Args:
        source: A data set, or the journals of :func:`multitrack.open_journal`.

    Raises:
        ImportError: If DuckDB is not installed.
        ExportError: If the data set cannot be read.
        JournalError: If a journal cannot be read.
    """
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError:
        raise ImportError(f"SQL needs DuckDB: {to_install('sql')}") from None
    require_arrow()
    data = OpenDataSet(_exported(source) if isinstance(source, JournalReader) else source)
    import pyarrow as pa  # noqa: PLC0415 - an extra

    from multitrack.export.files import schema_of  # noqa: PLC0415 - it needs PyArrow

    connection = duckdb.connect(config={"autoinstall_known_extensions": False})  # which would wait for the network
    for table in TABLES:
        files = data.files(table.name)
        with reading(f"the table {table.name}", data.location):
            if not files:  # a Delta table without rows
                connection.register(table.name, pa.Table.from_pylist([], schema=schema_of(table)))
            elif is_url(data.location):
                _register(connection, table.name, files)
            else:
                connection.read_parquet(files, union_by_name=True).create_view(table.name)
    return connection


def _exported(reader: JournalReader) -> Path:
    """Export journals into the cache, and return the data set."""
    places = "\n".join(f"{place.label}\0{place.directory.resolve()}" for place in reader.places)
    directory = private_directory(cache_directory("sql")) / hashlib.sha256(places.encode()).hexdigest()[:32]
    private_directory(directory)
    try:
        export(reader.runs(), directory, keep=60, prune=True)
    except ExportError:  # the cache is damaged, or of another release
        shutil.rmtree(directory)
        export(reader.runs(), private_directory(directory), keep=60, prune=True)
    return directory


def _register(connection: Any, name: str, files: list[str]) -> None:
    """Register files of an object store, which fsspec reads: DuckDB would download an extension for that."""
    import fsspec  # noqa: PLC0415 - an extra, which the data set has imported
    import pyarrow.dataset as ds  # noqa: PLC0415 - an extra

    filesystem, _ = fsspec.core.url_to_fs(files[0])
    paths = [fsspec.core.url_to_fs(file)[1] for file in files]
    connection.register(name, ds.dataset(paths, filesystem=filesystem, format="parquet"))
