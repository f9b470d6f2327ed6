"""multitrack's backend for files: runs as Parquet or CSV tables, for DuckDB, Polars, pandas and spreadsheets.

PyArrow is imported when the first run is opened, never by importing this module.
"""

from multitrack_files.backend import FilesBackend
from multitrack_files.options import FilesOptions
from multitrack_files.schema import SCHEMA_VERSION

__all__ = ["SCHEMA_VERSION", "FilesBackend", "FilesOptions", "backend"]

backend = FilesBackend()
