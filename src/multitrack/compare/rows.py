"""Rows of a comparison: a run each, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec

from multitrack.query.columns import Column
from multitrack.reading.recorded_run import RecordedRun
from multitrack.summaries.statistics import Statistics
from multitrack.summaries.summary import Summary


class Row:
    """One run of a comparison.

    Attributes:
        id: The run's id.
        run: The run.
        summary: What it holds.
        cells: What it has in each column shown, by the column's name; no key where it has nothing. A param that is
            ``None`` is there.
    """

    __slots__ = ("cells", "id", "run", "summary")

    def __init__(self, run: RecordedRun) -> None:
        self.id = run.id
        self.run = run
        self.summary: Summary = run.summary()
        self.cells: dict[str, Any] = {}

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


def differ(name: str, rows: Sequence[Row]) -> bool:
    """Whether a column's cells are not all the same; 1, 1.0 and True are not.

    What a run has not tells it from its peers alone, the runs of one parent: a search has none of what its trials have.
    """
    if len({repr(row.cells[name]) for row in rows if name in row.cells}) > 1:
        return True
    parents = [row.run.parent for row in rows]
    return len({(parent, name in row.cells) for parent, row in zip(parents, rows, strict=True)}) > len(set(parents))


def with_kind(column: Column, rows: Sequence[Row]) -> Column:
    """A column whose kind is what its cells are."""
    if column.group not in ("params", "tags"):
        return column
    name = str(column)
    cells = [row.cells[name] for row in rows if row.cells.get(name) is not None]
    numbers = cells and all(type(value) in (int, float) for value in cells)
    return msgspec.structs.replace(column, kind="number" if numbers else "text")


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
