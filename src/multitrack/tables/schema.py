"""Tables of recorded data, as columns of plain types: those that the data set and the backend ``files`` share.

A change that could break a reader (a column removed, renamed, or with another type or meaning) needs a new version of
the data set and of the files.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

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
    """A table.

    Tables of records end with the column ``ordinal``, the position of the row's record in its run.
    """

    name: str
    columns: tuple[ColumnSchema, ...]

    def position(self, column: str) -> int:
        """Return the position of a column."""
        return [name for name, _ in self.columns].index(column)


def table(name: str, /, **columns: ColumnType) -> TableSchema:
    """Return a table with these columns."""
    return TableSchema(name, tuple(ColumnSchema(*column) for column in columns.items()))


POINTS: Final = table(
    "points", run="text", name="text", kind="text", step="integer", time="time", value="number", text="text",
    ordinal="integer",
)  # fmt: skip
LINES: Final = table("lines", run="text", line="integer", stream="text", time="time", text="text", ordinal="integer")
PARAMS: Final = table(
    "params", run="text", name="text", type="text", value="number", text="text", source="text", object="text",
    whole="text", time="time", ordinal="integer",
)  # fmt: skip
TAGS: Final = table("tags", run="text", name="text", text="text", time="time", ordinal="integer")
ARTIFACTS: Final = table(
    "artifacts", run="text", name="text", kind="text", role="text", uri="text", digest="text", version="text",
    size="integer", time="time", ordinal="integer",
)  # fmt: skip

#: The tables of a run's records.
RECORDED: Final = (POINTS, LINES, PARAMS, TAGS, ARTIFACTS)
