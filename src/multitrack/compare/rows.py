"""Rows of a comparison: a run each, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, Protocol

import msgspec

from multitrack.query.cells import ABSENT
from multitrack.query.columns import Column
from multitrack.reading.recorded_run import RecordedRun
from multitrack.reading.run_table import RunTable
from multitrack.summaries.statistics import Statistics
from multitrack.summaries.summary import Summary


class Cells:
    """The cells of all rows, a column at a time.

    Attributes:
        table: The runs.
        columns: The value of each run in each column, by the column's name; ABSENT where it has none.
    """

    def __init__(self, table: RunTable) -> None:
        self.table = table
        self.columns: dict[str, list[Any]] = {}

    @cached_property
    def parents(self) -> list[Any]:
        """The parent of each run."""
        return self.table.values(Column.of("metadata", "parent"))


class Row:
    """One run of a comparison.

    Attributes:
        place: The run's place among the runs that are compared.
    """

    __slots__ = ("_cells", "place")

    def __init__(self, cells: Cells, place: int) -> None:
        self._cells = cells
        self.place = place

    @property
    def run(self) -> RecordedRun:
        """The run."""
        return self._cells.table.runs[self.place]

    @property
    def id(self) -> str:
        """The run's id."""
        return self.run.id

    @property
    def summary(self) -> Summary:
        """What the run holds."""
        return self._cells.table.summary(self.place)

    @property
    def cells(self) -> dict[str, Any]:
        """What the run has in each column shown, by the column's name; no key where it has nothing.

        A param that is ``None`` is there.
        """
        found = ((name, values[self.place]) for name, values in self._cells.columns.items())
        return {name: value for name, value in found if value is not ABSENT}

    @property
    def statistics(self) -> dict[str, Statistics]:
        """All reductions of every series and list, by the column's name without one: ``metrics.loss``, ``lists.l``."""
        return {
            str(Column(group, name)): found
            for group, all_ in (("metrics", self.summary.series), ("lists", self.summary.lists))
            for name, found in all_.items()
        }


class Best(msgspec.Struct, frozen=True):
    """The best run of a comparison, by what, and what it has there."""

    row: Row
    column: Column
    direction: Literal["min", "max"]
    value: int | float


def differ(values: Sequence[Any], parents: Sequence[Any]) -> bool:
    """Whether a column's cells are not all the same; 1, 1.0 and True are not.

    What a run has not tells it from its peers alone, the runs of one parent: a search has none of what its trials have.

    Args:
        values: The cell of each run.
        parents: The parent of each run.
    """
    there = iter(value for value in values if value is not ABSENT)
    first = repr(next(there, None))
    if any(repr(value) != first for value in there):
        return True
    has = [value is not ABSENT for value in values]
    return not all(has) and len(set(zip(parents, has, strict=True))) > len(set(parents))


def with_kind(column: Column, values: Sequence[Any]) -> Column:
    """A column whose kind is what its cells are."""
    if column.group not in ("params", "tags"):
        return column
    kinds = {type(value) for value in values if value is not None and value is not ABSENT}
    return msgspec.structs.replace(column, kind="number" if kinds and kinds <= {int, float} else "text")


class Compared(Protocol):
    """A comparison as far as exports go: :class:`~multitrack.compare.comparison.Comparison`."""

    @property
    def columns(self) -> list[Column]:
        """Its columns."""

    @property
    def rows(self) -> list[Row]:
        """Its rows."""

    @property
    def best(self) -> Best | None:
        """The best run, if there is one."""

    def values(self, column: Column) -> list[Any]:
        """The cell of each row in a column; ABSENT where it has none."""
