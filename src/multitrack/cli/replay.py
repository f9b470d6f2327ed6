"""``multitrack replay``: send recorded runs to another backend."""

from __future__ import annotations

import sys
from typing import Final

import click

from multitrack.cli import output
from multitrack.cli.options import JSON, Source, choosing, only_one_journal
from multitrack.cli.output import print_json
from multitrack.cli.run_rows import report_as_json
from multitrack.cli.sync import SyncProgress, print_reports
from multitrack.cli.tables import Heading, Screen, Table, add_row
from multitrack.courier.sync import sync
from multitrack.journal.segments import is_live
from multitrack.migration.replay import add_backend, check_backend
from multitrack.reading.delivery import report_of
from multitrack.reading.recorded_run import RecordedRun

_HELP: Final = """\
Send recorded runs to a backend that they were not delivered to: all runs, each RUN, or those that match the filters.

Every record arrives with its own time, children under their parents, and the id in this journal as a tag. The options
of the backend come from the config here. A second replay sends nothing twice, and an interrupted one goes on where it
stopped. Runs that are still being written are left out.

\b
    multitrack replay --to mlflow --dry-run            what would be sent
    multitrack replay --to mlflow                      all runs
    multitrack replay --to wandb --project digits      the runs of a project
    multitrack replay RUN --to files                   one run, by id, name or the beginning of an id

Exit status: 0 everything has arrived, 1 something has not.
"""


@click.command(help=_HELP)
@click.option("--to", "backend", required=True, metavar="BACKEND", help="The backend: mlflow, wandb, neptune, files …")
@click.option("--dry-run", is_flag=True, help="Send nothing, and list the runs that would be sent.")
@choosing
@JSON
def replay(source: Source, backend: str, dry_run: bool, as_json: bool) -> None:
    """See :data:`_HELP`."""
    only_one_journal()
    runs = list(source())
    if dry_run:
        _plan(runs, backend, as_json=as_json)
    elif runs:
        send(runs, backend, as_json=as_json)


def _plan(runs: list[RecordedRun], backend: str, *, as_json: bool) -> None:
    name = check_backend(backend).name
    planned = []
    for run in runs:
        report, records = report_of(run), run.summary().records
        pending = report[name].pending if name in report else records
        if not is_live(run.directory) and not (name in report and report[name].complete):
            planned.append((run, pending))
    if as_json:
        print_json([{"id": run.id, "name": run.manifest.name, "records": records} for run, records in planned])
    elif planned:
        table = Table([Heading("run"), Heading("name", fold=True), Heading("records", right=True)])
        for run, records in planned:
            add_row(table, run.id, run.manifest.name, f"{records:,}")
        table.print(Screen())
    output.say(f"{len(planned)} of {len(runs)} runs would be sent to {backend}; nothing was sent (--dry-run)")


def send(runs: list[RecordedRun], backend: str, *, as_json: bool) -> None:
    """Deliver runs of one journal to a backend, print the reports, and exit with status 1 unless all has arrived."""
    live = [run for run in runs if is_live(run.directory)]
    for run in live:
        output.say(f"run {run.id} ({run.manifest.name}) is still being written: left out")
    ended = [run for run in runs if run not in live]
    if not ended:
        return
    journal = ended[0].directory.parent.parent
    name, ids = add_backend(ended, backend)
    with SyncProgress() as progress:
        trust = [backend] if ":" in backend else []
        reports = sync(
            journal, ids, backends=[name], trust=trust, alone=True, show=progress.show, notice=progress.notice
        )
    if as_json:
        print_json({run_id: report_as_json(report) for run_id, report in reports.items()})
    else:
        print_reports(reports)
        output.say(f"{len(ids)} runs, {len(ids) - len(reports)} of them delivered before")
    if not all(report.complete for report in reports.values()):
        sys.exit(1)
