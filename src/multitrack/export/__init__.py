"""Runs of journals as a data set of Parquet files or Delta tables, and SQL over both."""

from multitrack.export.exporting import Exported, export
from multitrack.export.sql import connect

__all__ = ["Exported", "connect", "export"]
