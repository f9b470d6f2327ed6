"""The tables and their version: the contract with everyone who reads the files.

A change that could break a reader (a column removed, renamed, or with another type or meaning) needs a new
:data:`SCHEMA_VERSION`. New columns and tables do not.
"""

from __future__ import annotations

from typing import Final

import msgspec

from multitrack.tables.schema import RECORDED, table

SCHEMA_VERSION: Final = 1
"""Version of the tables; in every Parquet file's metadata, in ``schema.json``, and in ``runs.schema_version``."""

RUNS: Final = table(
    "runs", run="text", id="text", project="text", name="text", status="text", started="time", ended="time",
    parent="text", run_group="text", notes="text", user="text", host="text", program="text", command="text",
    directory="text", python="text", platform="text", git_commit="text", git_branch="text", git_dirty="flag",
    git_remote="text", schema_version="integer",
)  # fmt: skip

#: Every table. A folder in the directory has its name; a run's rows are sorted by their ordinal.
TABLES: Final = (RUNS, *RECORDED)


def schema_json(format_name: str) -> bytes:
    """Return the text of ``schema.json``, for programs that read the CSV files."""
    tables = {table.name: {column.name: column.type for column in table.columns} for table in TABLES}
    described = {"version": SCHEMA_VERSION, "format": format_name, "tables": tables}
    return msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"
