"""The tables, their columns and the version of both: the contract with everyone who reads the files.

A change that could break a reader (a column removed, renamed, or with another type or meaning) needs a new
:data:`SCHEMA_VERSION`. New columns and tables do not.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

SCHEMA_VERSION: Final = 1
"""Version of the tables; in every Parquet file's metadata, in ``schema.json``, and in ``runs.schema_version``."""

#: Type of a column. ``time`` is a UTC timestamp in milliseconds.
ColumnType = Literal["text", "integer", "number", "flag", "time"]

Cell = str | int | float | bool | None
"""A value in a row; a ``time`` is an integer of milliseconds since the epoch."""

Row = tuple[Cell, ...]
"""A row, in the order of its table's columns."""


class ColumnSchema(NamedTuple):
    """A column of a table."""

    name: str
    type: ColumnType


class TableSchema(NamedTuple):
    """A table. Its folder in the directory has its name.

    All tables but ``runs`` end with the column ``ordinal``, the position of the row's record in its run. A run's rows
    are sorted by it.
    """

    name: str
    columns: tuple[ColumnSchema, ...]

    def position(self, column: str) -> int:
        """Return the position of a column."""
        return [name for name, _ in self.columns].index(column)


def _table(name: str, /, **columns: ColumnType) -> TableSchema:
    return TableSchema(name, tuple(ColumnSchema(*column) for column in columns.items()))


RUNS: Final = _table(
    "runs", run="text", id="text", project="text", name="text", status="text", started="time", ended="time",
    parent="text", run_group="text", notes="text", user="text", host="text", program="text", command="text",
    directory="text", python="text", platform="text", git_commit="text", git_branch="text", git_dirty="flag",
    git_remote="text", schema_version="integer",
)  # fmt: skip
POINTS: Final = _table(
    "points", run="text", name="text", kind="text", step="integer", time="time", value="number", text="text",
    ordinal="integer",
)  # fmt: skip
LINES: Final = _table("lines", run="text", line="integer", stream="text", time="time", text="text", ordinal="integer")
PARAMS: Final = _table(
    "params", run="text", name="text", type="text", value="number", text="text", source="text", object="text",
    whole="text", time="time", ordinal="integer",
)  # fmt: skip
TAGS: Final = _table("tags", run="text", name="text", text="text", time="time", ordinal="integer")
ARTIFACTS: Final = _table(
    "artifacts", run="text", name="text", kind="text", role="text", uri="text", digest="text", version="text",
    size="integer", time="time", ordinal="integer",
)  # fmt: skip

#: The tables of a run's records, which are written in parts.
RECORDED: Final = (POINTS, LINES, PARAMS, TAGS, ARTIFACTS)
#: Every table.
TABLES: Final = (RUNS, *RECORDED)


def schema_json(format_name: str) -> bytes:
    """Return the text of ``schema.json``, for programs that read the CSV files."""
    tables = {table.name: {column.name: column.type for column in table.columns} for table in TABLES}
    described = {"version": SCHEMA_VERSION, "format": format_name, "tables": tables}
    return msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"
