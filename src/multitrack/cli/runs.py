"""``multitrack runs``: list the runs of a journal and their delivery."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from multitrack.cli.garbage import rarely_collected
from multitrack.cli.options import JSON, Source, choosing, given_journals, say_none_chosen
from multitrack.cli.output import print_json
from multitrack.cli.run_rows import lane_pieces, run_as_json, status_cell
from multitrack.cli.tables import Cell, Heading, Piece, Screen, Table
from multitrack.delivery.report import LaneReport
from multitrack.query.cells import ABSENT
from multitrack.query.columns import Column
from multitrack.reading.delivery import lane_reports
from multitrack.reading.formatting import moment, took
from multitrack.reading.recorded_run import RecordedRun
from multitrack.reading.run_table import RunTable
from multitrack.security.terminal import all_safe, safe

#: Characters of a name.
_NAME: Final = 60


@click.command()
@choosing
@click.option("--limit", type=click.IntRange(min=1), help="Only the newest N runs.")
@JSON
@rarely_collected()
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
    found = RunTable(runs)

    def column(name: str) -> list[Any]:
        return found.values(Column.of("metadata", name))

    names = [
        _cut(name if parent is ABSENT else f"└ {name}")
        for name, parent in zip(column("name"), column("parent"), strict=True)
    ]
    columns: list[Iterable[Cell]] = [
        all_safe(column("run")), all_safe(names), all_safe([_cut(name) for name in column("project")]),
        [status_cell(status, deleted=gone) for status, gone in zip(column("status"), found.deleted(), strict=True)],
        map(moment, column("started")), [took(round(1000 * seconds)) for seconds in column("took")],
        [f"{count}, {lost} lost" if lost else str(count)
         for count, lost in zip(column("records"), found.lost(), strict=True)],
        map(_delivery, lane_reports(found)),
    ]  # fmt: skip
    for cells in zip(*columns, strict=True):
        table.add(cells)
    if left_out := table.print(screen):
        screen.note(f"columns that do not fit: {', '.join(left_out)} (--json has all)", "dim")


def _cut(name: str) -> str:
    """Cut a name to fit a listing; ``show`` has all of it."""
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _delivery(lanes: Mapping[str, LaneReport]) -> list[Piece]:
    pieces: list[Piece] = []
    for name, lane in lanes.items():
        pieces += [(f"{safe(name)} ", "dim"), *lane_pieces(lane), ("  ", "")]
    return pieces
