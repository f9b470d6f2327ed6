"""``multitrack runs``: list the runs of a journal and their delivery."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

import click

from multitrack.cli.options import JSON, Source, choosing, given_journals, say_none_chosen
from multitrack.cli.output import print_json
from multitrack.cli.run_rows import lane_pieces, run_as_json, status_cell
from multitrack.cli.tables import Heading, Piece, Screen, Table, add_row
from multitrack.delivery.report import DeliveryReport
from multitrack.journal.deletion import is_deleted
from multitrack.reading.delivery import report_of
from multitrack.reading.formatting import moment, took
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.terminal import safe
from multitrack.summaries.summary import Summary

#: Characters of a name.
_NAME: Final = 60


@click.command()
@choosing
@click.option("--limit", type=click.IntRange(min=1), help="Only the newest N runs.")
@JSON
def runs(source: Source, limit: int | None, as_json: bool) -> None:
    """List the runs of a journal, oldest first, with the delivery to each backend.

    With RUN, an id, the prefix of one, or a name: only that run and its children.
    """
    found: deque[RecordedRun] = deque(source(), limit)
    if not found:
        given = click.get_current_context().params
        say_none_chosen(given_journals(), given["where"])
    if as_json:
        print_json([run_as_json(run) for run in found])
    else:
        print_runs(found)


def print_runs(runs: Iterable[RecordedRun]) -> None:
    """Print the table of ``multitrack runs``."""
    screen = Screen()
    table = Table([
        Heading("run"), Heading("name", fold=True), Heading("project", fold=True, spare=2), Heading("status"),
        Heading("started", spare=3), Heading("took", spare=1), Heading("records", spare=4),
        Heading("delivery", fold=True),
    ])  # fmt: skip
    for run in runs:
        summary, facts = run.summary(), run.facts
        name = ("└ " if facts.parent else "") + facts.name
        add_row(
            table, run.id, _cut(name), _cut(facts.project),
            status_cell(summary.status, deleted=is_deleted(run.directory)), moment(facts.created),
            took(run.took(summary)), _records(summary), _delivery(report_of(run, summary)),
        )  # fmt: skip
    if left_out := table.print(screen):
        screen.note(f"columns that do not fit: {', '.join(left_out)} (--json has all)", "dim")


def _cut(name: str) -> str:
    """Cut a name to fit a listing; ``show`` has all of it."""
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _delivery(report: DeliveryReport) -> list[Piece]:
    pieces: list[Piece] = []
    for name, lane in report.items():
        pieces += [(f"{safe(name)} ", "dim"), *lane_pieces(lane), ("  ", "")]
    return pieces


def _records(summary: Summary) -> str:
    return f"{summary.records}, {summary.lost} lost" if summary.lost else str(summary.records)
