"""The executions of a model in production: its runs, with what started them, their inputs and their outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from multitrack.monitor.points import Range, group_of, grouping
from multitrack.query.cells import Value, inputs_of, outputs_of
from multitrack.query.columns import Column
from multitrack.query.times import Moment, milliseconds
from multitrack.reading.recorded_run import RecordedRun
from multitrack.summaries.summary import Summary

#: The trigger of a run without the tag: a program called ``start_run``.
RUN: Final = "run"


class Execution(msgspec.Struct, frozen=True):
    """One execution.

    Attributes:
        id: The run's id.
        name: Its name.
        by: Its value of the column that runs are grouped by; None if it has none.
        trigger: What started it: its tag ``trigger``, or ``run``.
        status: ``running``, ``finished``, ``failed`` or ``killed``.
        started: The start (ms since the epoch).
        ended: The end; None while it is running.
        took: The duration in milliseconds, until now while it is running.
        inputs: Params, and references that it read, by name: type, value and source.
        outputs: Metrics, lists, and references that it wrote.
    """

    id: str
    name: str
    by: Any
    trigger: str
    status: str
    started: int
    ended: int | None
    took: int
    inputs: dict[str, Value]
    outputs: dict[str, Value]


def executions(
    runs: Iterable[RecordedRun], *, by: str | None = "deployment", since: Moment | None = None,
    until: Moment | None = None,
) -> Iterator[Execution]:  # fmt: skip
    """List executions, in the order of the runs.

    Args:
        runs: The runs, from :meth:`~multitrack.reading.reader.JournalReader.runs`.
        by: The tag, or another column, that tells the deployment.
        since: Only those that had not ended before this time, as in :func:`monitor`.
        until: Only those that had started by this time.

    Raises:
        QueryError: If an argument is invalid.
    """
    column = None if by is None else grouping(by)
    within = Range(milliseconds(since), milliseconds(until))
    return _executions(runs, column, within)


def _executions(runs: Iterable[RecordedRun], by: Column | None, within: Range) -> Iterator[Execution]:
    for run in runs:
        if within.until is not None and run.facts.created > within.until:
            continue
        summary = run.summary()
        if within.overlaps(run.facts.created, run.ended(summary)):
            yield execution_of(run, summary, by)


def execution_of(run: RecordedRun, summary: Summary, by: Column | None) -> Execution:
    """Return a run as an execution."""
    return Execution(
        run.id, run.facts.name, group_of(run, summary.tags, by), summary.tags.get("trigger", RUN), summary.status,
        run.facts.created, run.ended(summary), run.took(summary), inputs_of(summary), outputs_of(summary),
    )  # fmt: skip
