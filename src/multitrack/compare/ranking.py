"""Sort the rows of a comparison, and find the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from multitrack.compare.rows import Best, Row
from multitrack.errors import QueryError
from multitrack.query.cells import ABSENT, Value, cell
from multitrack.query.columns import Column
from multitrack.security.terminal import excerpt
from multitrack.summaries.doubles import is_finite


def sorted_by(rows: list[Row], column: Column, turned: bool, reduction: str) -> list[Row]:
    """The rows in the order of a column; those without a value last."""
    keyed = [(_key(cell(column, row.run, row.summary, reduction)), row) for row in rows]
    there = sorted((pair for pair in keyed if pair[0] is not None), key=lambda pair: pair[0], reverse=turned)
    return [row for _, row in there] + [row for key, row in keyed if key is None]


def _key(value: Any) -> Any:
    """What to sort by: numbers, then texts; ``None`` for what is nothing or NaN."""
    value = value.value if isinstance(value, Value) else value
    if value is None or value is ABSENT or value != value:
        return None
    return (0, value, "") if isinstance(value, (int, float)) else (1, 0, str(value))


def as_recorded(column: Column, rows: Sequence[Row]) -> Column:
    """The column without a reduction, where no run has a series to reduce."""
    reduced = column.group == "lists" or any(column.name in row.summary.series for row in rows)
    return column if reduced else Column.of(column.group, column.name)


def best_of(rows: Sequence[Row], column: Column, direction: Literal["min", "max"], reduction: str) -> Best | None:
    """The best row, ``None`` where no row has a finite number.

    Raises:
        QueryError: The column has values that are no numbers.
    """
    found = [(cell(column, row.run, row.summary, reduction, direction), row) for row in rows]
    there = [(value, row) for value, row in found if isinstance(value, (int, float)) and is_finite(value)]
    if not there:
        if any(value not in (None, ABSENT) and not isinstance(value, (int, float)) for value, _ in found):
            raise QueryError(f"{excerpt(str(column))} is not a number, so no run is the best by it")
        return None
    pick = min if direction == "min" else max
    value, row = pick(there, key=lambda pair: pair[0])
    return Best(row, column, direction, value)
