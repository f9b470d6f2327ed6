"""Columns of many runs at once: from the index of their journal, or from the summary of each run that is not in it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from multitrack.journal.deletion import is_deleted
from multitrack.journal.prepared import prepared
from multitrack.query.cells import ABSENT, cell
from multitrack.query.columns import Column
from multitrack.reading.indexed import column_of, decided
from multitrack.reading.lookups import metadata_of
from multitrack.reading.recorded_run import RecordedRun
from multitrack.summaries.run_columns import CONTEXT, RUN, Names
from multitrack.summaries.run_index import RunIndex
from multitrack.summaries.summary import Summary


class RunTable:
    """Some runs and their values, all of one time: when the table is made.

    Args:
        runs: The runs.

    Attributes:
        runs: The runs, in their order.
    """

    def __init__(self, runs: Iterable[RecordedRun]) -> None:
        self.runs: list[RecordedRun] = []
        self._summaries: dict[int, Summary] = {}
        self._parts: dict[int, _Part] = {}
        for i, run in enumerate(runs):  # whose summaries are read at once: manifests, which are large, are not held
            self.runs.append(run)
            valid = run.valid_row()
            if valid is None:
                self._summaries[i] = run.summary()
                continue
            index, row = valid
            part = self._parts.get(id(index))
            if part is None:
                part = self._parts[id(index)] = _Part(index)
            part.places.append(i)
            part.rows.append(row)
        self._others = dict.fromkeys(self._summaries)  # places of the runs without a row

    def __len__(self) -> int:
        return len(self.runs)

    def has_row(self, place: int) -> bool:
        """Return True if the values of a run are from the index."""
        return place not in self._others

    def once(self, *names: str) -> Iterator[tuple[Any, ...]]:
        """Yield columns of the index that a run has once; None where a run has no value or no row."""
        found: list[list[Any]] = [[None] * len(self.runs) for _ in names]
        for part in self._parts.values():
            for values, name in zip(found, names, strict=True):
                for place, value in zip(part.places, part.once(name), strict=True):
                    values[place] = None if value is ABSENT else value
        return zip(*found, strict=True)

    def lost(self) -> list[int]:
        """Return the number of records of each run that could not be written."""
        lost = (count for (count,) in self.once("lost"))
        return [self._summaries[i].lost if i in self._others else count for i, count in enumerate(lost)]

    def deleted(self) -> list[bool]:
        """Return for each run whether it is marked as deleted."""
        marks = (mark for (mark,) in self.once("deleted"))
        return [is_deleted(self.runs[i].directory) if i in self._others else bool(mark) for i, mark in enumerate(marks)]

    def summary(self, place: int) -> Summary:
        """Return the summary of one of the runs."""
        if place not in self._summaries:
            self._summaries[place] = self.runs[place].summary()
        return self._summaries[place]

    def values(self, column: Column, reduction: str = "last", best: str | None = None) -> list[Any]:
        """Return each run's value in a column, or :data:`~multitrack.query.cells.ABSENT`.

        Args:
            column: The column.
            reduction: As for :func:`~multitrack.query.cells.cell`.
            best: As for :func:`~multitrack.query.cells.cell`.

        Raises:
            QueryError: The reduction is ``best``, and it is unknown which end is best.
        """
        found = [ABSENT] * len(self.runs)
        for part in self._parts.values():
            values = self._of_part(part, column, reduction, best)
            if len(values) == len(found):
                return values
            for place, value in zip(part.places, values, strict=True):
                found[place] = value
        for place in self._others:
            found[place] = cell(column, self.runs[place], self._summaries[place], reduction, best)
        return found

    def _of_part(self, part: _Part, column: Column, reduction: str, best: str | None) -> list[Any]:
        values = column_of(part.index, column, reduction, best)
        if values is not None:
            found = part.gather(values)
            return [decided(column, value) for value in found] if "best" in (column.reduction, reduction) else found
        if column.group == "metadata":
            return self._metadata(part, column.name)
        return [cell(column, self.runs[place], self.summary(place), reduction, best) for place in part.places]

    def _metadata(self, part: _Part, name: str) -> list[Any]:
        runs = [self.runs[place] for place in part.places]
        match name:
            case "run":
                return [run.id for run in runs]
            case "journal":
                return [run.journal for run in runs]
            case "parent":
                parents = part.once("parent")
                return [parent if parent is ABSENT else run.parent for run, parent in zip(runs, parents, strict=True)]
            case "ended" | "took":
                return self._times(part, runs, name)
        values = part.gather(part.index.column(CONTEXT, name))
        for i, has_own in enumerate(part.once("context")):
            if has_own is ABSENT:
                value = metadata_of(runs[i], part.index.at(part.rows[i]), name)
                values[i] = ABSENT if value is None else value
        return values

    def _times(self, part: _Part, runs: list[RecordedRun], name: str) -> list[Any]:
        """Return the end of each run, or its duration in seconds; a killed run goes on with its children."""
        statuses, created = part.once("status"), part.once("created")
        ends: list[Any] = [
            run.ended() if status == "killed" and run.relatives.has_children(run.own_id) else max(end, start)
            for run, status, end, start in zip(runs, statuses, part.once("ended"), created, strict=True)
        ]
        if name == "ended":
            return [ABSENT if end is None else end for end in ends]
        now = time.time_ns() // 1_000_000
        return [max(0, (now if end is None else end) - start) / 1000 for end, start in zip(ends, created, strict=True)]

    def summaries(self) -> list[Summary]:
        """Return summaries with all names of the runs, in their order; values are only those of runs without a row."""
        found: dict[Any, tuple[int, Summary]] = {("", place): (place, self._summaries[place]) for place in self._others}
        for part in self._parts.values():
            first: dict[int, tuple[int, Any]] = {}
            for place, names in zip(part.places, part.once("names"), strict=True):
                if id(names) not in first:  # equal ones of a block are the same object
                    first[id(names)] = place, names
            for key, (place, names) in first.items():
                found[id(part), key] = place, msgspec.convert(names, prepared(Names)).summary()
        return [summary for _, summary in sorted(found.values(), key=lambda pair: pair[0])]


class _Part:
    """The runs of a table that are in one index: their places in the table, and their rows."""

    def __init__(self, index: RunIndex) -> None:
        self.index = index
        self.places: list[int] = []
        self.rows: list[int] = []

    def gather(self, values: list[Any]) -> list[Any]:
        """Return the values of these rows."""
        return list(map(values.__getitem__, self.rows))

    def once(self, name: str) -> list[Any]:
        """Return what each run has once."""
        return self.gather(self.index.column(RUN, name))
