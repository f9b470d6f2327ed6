"""Read runs from tables, whatever kind of file they are in: each row is a run, or a point of time in one."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from multitrack.errors import SourceError
from multitrack.hookspecs import Gap, SourceRecord, SourceRun
from multitrack.inputs.params import flatten_params
from multitrack.migration.formats.cells import is_empty, moment_in, number_in_cell, param_in, step_in
from multitrack.migration.formats.columns import Columns, check_roles, columns_of
from multitrack.records import ListMetric, Metric, Params, Status, Tags
from multitrack.security.terminal import excerpt

_STATUSES: Final[Mapping[str, Status]] = {
    **dict.fromkeys(("finished", "completed", "complete", "success", "succeeded", "done"), "finished"),
    **dict.fromkeys(("failed", "crashed", "error", "invalid"), "failed"),
    **dict.fromkeys(("killed", "stopped", "canceled", "cancelled", "aborted", "preempted", "pruned"), "killed"),
    **dict.fromkeys(("running", "queued", "scheduled", "active", "pending"), "running"),
}


#: Facts that a run has once. A table of several runs without a column of runs shows by them that it is one.
_OF_ONE: Final = ("project", "name", "group", "parent", "user")


class Rows(Protocol):
    """The rows of one file, which are read in stretches.

    Attributes:
        path: The file.
        header: The names of its columns.
        start: The position of the first row.
    """

    path: Path
    header: list[str]
    start: int

    def read(self, start: int, stop: int | None = None) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield rows from a position on, each with the position at its end.

        Raises:
            SourceError: If the file is damaged.
        """
        ...


class _Run(msgspec.Struct):
    """A run of a file, as far as one reading of it tells: the facts, and where its rows are."""

    facts: dict[str, Any] = {}
    stretches: array[int] = msgspec.field(default_factory=lambda: array("q"))  # start and stop of each
    first: int | None = None
    last: int | None = None
    said: dict[str, None] = {}  # facts that are not exact

    def add(self, start: int, stop: int) -> None:
        if self.stretches and self.stretches[-1] == start:
            self.stretches[-1] = stop
        else:
            self.stretches.extend((start, stop))


class TableSource:
    """The runs in some tables.

    A table has the runs that its column ``run`` names, or is one run. Each file is read once to find the runs, then
    run by run; the memory that it takes grows with the number of runs, and with that of the stretches of rows if those
    of different runs alternate.

    Args:
        tracker: The name of the format.
        place: The file or directory.
        tables: The files.
        unread: A gap for each file that cannot be read.
        chosen: Roles of columns by name or pattern.

    Attributes:
        tracker: The name of the format.
        address: The file or directory.
        notes: How the columns of the first table are understood.

    Raises:
        SourceError: If no table can be read, or a choice fits no column.
    """

    def __init__(
        self, tracker: str, place: Path, tables: Sequence[Rows], unread: Sequence[Gap], chosen: Mapping[str, str]
    ) -> None:
        self.tracker = tracker
        self.address = str(place)
        if not tables:
            raise SourceError(unread[0].reason if unread else f"{place}: there is no file of this kind in it")
        check_roles(chosen, [table.header for table in tables])
        self._place, self._unread = place, unread
        self._tables = [(table, self._columns(table, chosen)) for table in tables]
        self.notes = (_understood(*self._tables[0]),)
        self._current: dict[str, tuple[Rows, Columns, _Run]] = {}

    def runs(self) -> Iterator[SourceRun | Gap]:
        """Yield the runs of each table in the order of their first rows."""
        yield from self._unread
        for table, columns in self._tables:
            found: dict[str, _Run] = {}
            try:
                yield from _find(table, columns, self._name(table), found)
            except SourceError as error:
                yield Gap(f"{table.path}: {error}; the rows before are imported" if found else f"{table.path}: {error}")
            for name, run in found.items():
                self._current = {name: (table, columns, run)}
                yield self._source_run(table, columns, name, run)

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        """Yield the records of the run that was yielded last."""
        table, columns, found = self._current[run.id]
        yield from map(Gap, found.said)
        yield from _Reading(columns).records(table, found.stretches)

    def close(self) -> None:
        """Do nothing: every file is closed."""

    def _columns(self, table: Rows, chosen: Mapping[str, str]) -> Columns:
        try:
            return columns_of(table.header, chosen)
        except SourceError as error:
            raise SourceError(f"{table.path}: {error}") from None

    def _name(self, table: Rows) -> str:
        path = table.path.relative_to(self._place) if table.path != self._place else Path(table.path.name)
        return str(path.with_suffix(""))

    def _source_run(self, table: Rows, columns: Columns, name: str, run: _Run) -> SourceRun:
        facts = run.facts
        modified = table.path.stat().st_mtime_ns // 1_000_000
        start, end = self._moment(run, "start"), self._moment(run, "end")
        created = start or run.first or modified
        took = number_in_cell(facts.get("took", ""))
        if end is None and took is not None and math.isfinite(took):
            end = created + round(took * 1000)
        status = str(facts.get("status", "finished")).strip().casefold()
        if status not in _STATUSES:
            run.said[f"status {excerpt(status)!r} is unknown: the run counts as finished"] = None
        is_one = "run" not in columns.single
        return SourceRun(
            id=name, scope=self.address, created=created, status=_STATUSES.get(status, "finished"),
            ended=max(created, end or run.last or (modified if start is None else created)),
            project=str(facts.get("project") or (table.path.parent.name if is_one else table.path.stem)),
            name=str(facts.get("name") or name),
            parent=_text(facts, "parent"), group=_text(facts, "group"), notes=_text(facts, "notes"),
            user=_text(facts, "user"),
        )  # fmt: skip

    def _moment(self, run: _Run, role: str) -> int | None:
        given = run.facts.get(role)
        moment = moment_in(given)
        if given is not None and moment is None:
            run.said[f"{role} {excerpt(str(given))!r} is no time that is known: left out"] = None
        return moment


def _text(facts: Mapping[str, Any], role: str) -> str | None:
    return str(facts[role]) if role in facts else None


def _find(table: Rows, columns: Columns, otherwise: str, found: dict[str, _Run]) -> Iterator[Gap]:
    """Read a table once and add its runs to those found; yield a gap for rows that are not whole."""
    start, width, broken, first = table.start, len(table.header), 0, ""
    facts = [(role, index) for role, index in columns.single.items() if role not in ("run", "step", "key", "value")]
    of_run = columns.single.get("run")
    for number, (stop, cells) in enumerate(table.read(start), 1):
        name = otherwise if of_run is None or len(cells) != width else str(cells[of_run]).strip()
        if len(cells) != width or not name:
            broken += 1
            first = first or f"row {number} has {len(cells)} cells instead of {width}" if name else f"row {number}"
        else:
            run = found.setdefault(name, _Run({}))
            run.add(start, stop)
            for role, index in facts:
                if not is_empty(cells[index]):
                    if role in _OF_ONE and run.facts.get(role, cells[index]) != cells[index]:
                        run.said[f"column {table.header[index]}: its {role} has several values, the last is kept"] = (
                            None
                        )
                    run.facts[role] = cells[index]
            moment = moment_in(run.facts.get("time"))
            if moment is not None:
                run.first = moment if run.first is None else min(run.first, moment)
                run.last = moment if run.last is None else max(run.last, moment)
        start = stop
    if broken:
        yield Gap(f"{table.path}: {broken} rows are not whole and were left out, the first of them: {first}")


class _Reading:
    """Turns the rows of one run into records."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._params: dict[str, Any] = {}
        self._tags: dict[str, str] = {}
        self._said: set[str] = set()
        self._time = 0  # of the row, or the row before it; 0 if there is none: the import gives it the run's start
        self._row = 0

    def records(self, table: Rows, stretches: Sequence[int]) -> Iterator[SourceRecord]:
        """Yield the records of the rows in these stretches."""
        for start, stop in zip(stretches[::2], stretches[1::2], strict=True):
            for _, cells in table.read(start, stop):
                if len(cells) == len(table.header):
                    yield from self._of(cells)
                    self._row += 1

    def _of(self, cells: Sequence[Any]) -> Iterator[SourceRecord]:
        single = self._columns.single
        if "time" in single and not is_empty(cells[single["time"]]):
            moment = moment_in(cells[single["time"]])
            if moment is None:
                yield from self._say(
                    f"time {excerpt(str(cells[single['time']]))!r} is none, kept as that of the row before"
                )
            self._time = self._time if moment is None else moment
        if self._columns.rows_are_runs and self._row:
            yield from self._say(
                "the run has several rows, without a column of steps: the last value of a metric counts"
            )
        yield from self._facts(cells)
        step: int | None = None if self._columns.rows_are_runs else self._row
        if "step" in single:
            cell = cells[single["step"]]
            step, exact = step_in(cell)
            if step is None:
                yield from self._say(f"step {excerpt(str(cell))!r} is no number: such rows were left out")
                return
            if not exact:
                yield from self._say(f"step {excerpt(str(cell))} is no whole number: such steps were rounded down")
        yield from self._points(cells, step)

    def _facts(self, cells: Sequence[Any]) -> Iterator[SourceRecord]:
        params: dict[str, Any] = {}
        for name, index in self._columns.params.items():
            if is_empty(cells[index]):
                continue
            value = param_in(cells[index])
            if name not in self._params:
                self._params[name] = params[name] = value
            elif self._params[name] != value:
                yield from self._say(f"param {name}: the rows have several values, the first is kept")
        if params:
            flat = flatten_params(params, "columns")
            yield Params(time=self._time, values=flat.values, types=flat.types)
        tags: dict[str, str] = {}
        for name, index in self._columns.tags.items():
            value = str(cells[index])
            if not is_empty(cells[index]) and self._tags.get(name) != value:
                self._tags[name] = tags[name] = value
        if tags:
            yield Tags(time=self._time, values=tags)

    def _points(self, cells: Sequence[Any], step: int | None) -> Iterator[SourceRecord]:
        single = self._columns.single
        named = [(name, cells[index]) for name, index in self._columns.metrics.items()]
        if "key" in single and "value" in single and not is_empty(cells[single["key"]]):
            named.append((str(cells[single["key"]]), cells[single["value"]]))
        values: dict[str, int | float | str] = {}
        for name, cell in named:
            if is_empty(cell):
                continue
            number = number_in_cell(cell)
            if number is not None:
                values[name] = number
            elif isinstance(cell, list) and all(number_in_cell(item) is not None for item in cell):
                numbers: list[Any] = [number_in_cell(item) for item in cell]
                yield ListMetric(time=self._time, name=name, values=numbers)
            else:
                yield from self._say(
                    f"column {name}: {excerpt(str(cell))!r} is no number, and such cells were left out; --column "
                    f"'{name}=tag' or '{name}=param' keeps them"
                )
        if values:
            yield Metric(time=self._time, values=values, step=step)

    def _say(self, reason: str) -> Iterator[Gap]:
        """Say a reason once; those that begin alike count as one."""
        kind = reason.partition("'")[0]
        if kind not in self._said:
            self._said.add(kind)
            yield Gap(reason)


def _understood(table: Rows, columns: Columns) -> str:
    single = ", ".join(f"{excerpt(table.header[index])} is the {role}" for role, index in columns.single.items())
    rows = "each row is a run" if columns.rows_are_runs else "each row is a point of time in a run"
    return "; ".join(filter(None, [f"{table.path.name}: {rows}", single, str(columns)]))
