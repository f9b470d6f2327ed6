"""Follow a metric over runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from multitrack.query.cells import ABSENT
from multitrack.query.columns import GROUPS, Column, parse_column
from multitrack.query.selection import Known
from multitrack.reading.followed import Followed, Measured
from multitrack.reading.recorded_run import RecordedRun
from multitrack.reading.run_table import RunTable


def follow(
    runs: Iterable[RecordedRun], metric: str, by: str | None, every: Callable[[], Iterable[RecordedRun]]
) -> Followed:
    """Follow a metric over runs; see :meth:`~multitrack.reading.reader.JournalReader.follow_metric`.

    Args:
        runs: The runs.
        metric: The column of the metric, with or without ``metrics.``.
        by: The column to group the runs by.
        every: Returns the runs that these were selected from, read only if none of these has the metric.

    Raises:
        QueryError: If a column is invalid, or none of ``every`` has it.
    """
    column = parse_column(metric if metric.partition(".")[0] in GROUPS else f"metrics.{metric}")
    parted = None if by is None else parse_column(by)
    table = RunTable(runs)
    keys = [None] * len(table) if parted is None else _values(table, parted)
    names, times = _values(table, Column.of("metadata", "name")), _values(table, Column.of("metadata", "started"))
    found = Followed()
    for run, key, name, time, value in zip(table.runs, keys, names, times, _values(table, column), strict=True):
        if value is not None and (parted is None or key is not None):
            found.setdefault(key, []).append(Measured(run.id, name, time, value))
    if not found:
        known = Known(RunTable(every()).summaries())
        for asked in (column, parted):
            if asked is not None:
                known.check(asked)
    return found


def _values(table: RunTable, column: Column) -> list[Any]:
    return [None if value is ABSENT else value for value in table.values(column)]
