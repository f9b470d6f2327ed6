"""Values of runs that have a row in their journal's index, equal to those of :func:`multitrack.query.cells.cell`."""

from __future__ import annotations

from typing import Any, Final

from multitrack.query.cells import ABSENT, figure_of, no_best
from multitrack.query.columns import Column
from multitrack.summaries.run_columns import OF_CONTEXT, OF_GIT, RUN
from multitrack.summaries.run_index import IndexedRow, RunIndex

#: Metadata that the index has as it is, and the column that has it.
PLAIN: Final = {
    "started": "created",
    **{name: name for name in
       ("name", "project", "group", "notes", "status", "records", "lines", "tracker", "tracker_id")},
}  # fmt: skip
#: Metadata of a run's own context, or of its nearest ancestor's.
OF_ORIGIN: Final = frozenset({*OF_CONTEXT, *OF_GIT, "command"})
#: Stands for a value that the index does not have, so that the run must be read.
NOT_HELD: Final = object()
#: Stands in a column for a value that is an error to ask for: the best one, where it is unknown which end is best.
_UNDECIDED: Final = object()


def value_of(row: IndexedRow, column: Column) -> Any:
    """Return a run's value in a column, or :data:`ABSENT`; :data:`NOT_HELD` if :func:`column_of` does not have it.

    Raises:
        QueryError: It is unknown which end is best.
    """
    values = column_of(row.index, column)
    return NOT_HELD if values is None else decided(column, values[row.number])


def decided(column: Column, value: Any) -> Any:
    """Return a value of a column; raise QueryError if it is unknown which end is best."""
    if value is _UNDECIDED:
        raise no_best(column)
    return value


def column_of(index: RunIndex, column: Column, reduction: str = "last", best: str | None = None) -> list[Any] | None:
    """Return a column's value of each row of an index; None if the index does not hold such values.

    Args:
        index: The index.
        column: The column.
        reduction: As for :func:`~multitrack.query.cells.cell`.
        best: As for :func:`~multitrack.query.cells.cell`.

    Returns:
        The values, each to be passed through :func:`decided`.
    """
    name = column.name
    match column.group:
        case "metadata":
            return index.column(RUN, PLAIN[name]) if name in PLAIN else None
        case "tags" | "params" | "versions" | "models":
            return index.column(column.group, name)
        case "metrics" if index.has("simple", name):
            return index.held(("metric", column, reduction, best), lambda: _metric(index, column, reduction, best))
        case "metrics":
            return _figure(index, "series", column, reduction, best)
        case "lists":
            return _figure(index, "lists", column, reduction, best)
        case _:
            return None


def _figure(index: RunIndex, group: str, column: Column, reduction: str, best: str | None) -> list[Any]:
    figure = figure_of(column, reduction, best)
    if figure is not None:
        return index.column(f"{group} {figure}", column.name)
    return [ABSENT if count is ABSENT else _UNDECIDED for count in index.column(f"{group} count", column.name)]


def _metric(index: RunIndex, column: Column, reduction: str, best: str | None) -> list[Any]:
    """Return a metric that is a simple one in some runs, and a series in some, perhaps the same."""
    simple = index.column("simple", column.name)
    if column.reduction == "count":
        simple = [value if value is ABSENT else 1 for value in simple]
    counts = index.column("series count", column.name)
    figures = _figure(index, "series", column, reduction, best)
    simple_first = column.reduction is None
    return [
        one if count is ABSENT or (simple_first and one is not ABSENT) else figure
        for one, count, figure in zip(simple, counts, figures, strict=True)
    ]
