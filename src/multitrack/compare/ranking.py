"""Sort the runs of a comparison, and find the best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Literal

from multitrack.errors import QueryError
from multitrack.query.cells import ABSENT, Value
from multitrack.query.columns import Column
from multitrack.security.terminal import excerpt
from multitrack.summaries.doubles import is_finite
from multitrack.summaries.summary import Summary


def sorted_by(places: list[int], values: Sequence[Any], turned: bool) -> list[int]:
    """The places in the order of their values; those without a value last."""
    if len(kinds := set(map(type, values))) == 1 and kinds <= {int, str}:
        return sorted(places, key=values.__getitem__, reverse=turned)
    keyed = [(_key(values[place]), place) for place in places]
    there = sorted((pair for pair in keyed if pair[0] is not None), key=itemgetter(0), reverse=turned)
    return [place for _, place in there] + [place for key, place in keyed if key is None]


def _key(value: Any) -> Any:
    """What to sort by: numbers, then texts; ``None`` for what is nothing or NaN."""
    value = value.value if isinstance(value, Value) else value
    if value is None or value is ABSENT or value != value:
        return None
    return (0, value, "") if isinstance(value, (int, float)) else (1, 0, str(value))


def as_recorded(column: Column, summaries: Iterable[Summary]) -> Column:
    """The column without a reduction, where no run has a series to reduce."""
    reduced = column.group == "lists" or any(column.name in summary.series for summary in summaries)
    return column if reduced else Column.of(column.group, column.name)


def best_of(
    places: Iterable[int], values: Sequence[Any], column: Column, direction: Literal["min", "max"]
) -> int | None:
    """The first of the places with the best value, ``None`` where no run has a finite number.

    Raises:
        QueryError: The column has values that are no numbers.
    """
    numbers = ((place, values[place]) for place in places)
    there = [place for place, value in numbers if isinstance(value, (int, float)) and is_finite(value)]
    if not there:
        if any(value not in (None, ABSENT) and not isinstance(value, (int, float)) for value in values):
            raise QueryError(f"{excerpt(str(column))} is not a number, so no run is the best by it")
        return None
    return (min if direction == "min" else max)(there, key=values.__getitem__)
