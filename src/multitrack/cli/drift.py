"""``multitrack drift``: compare the inputs of two runs or files, and record what changed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from multitrack.cli import output
from multitrack.cli.options import JOURNAL, JSON
from multitrack.cli.progress import check_place, steps
from multitrack.cli.tables import Heading, Screen, Table, add_row
from multitrack.drift import Drift, Recorded, compare, record
from multitrack.drift.comparison import SHARE
from multitrack.drift.recording import summary_line
from multitrack.errors import DriftError, RunError
from multitrack.journal.atomic import write_output
from multitrack.query.columns import listed
from multitrack.reading.formatting import value_text
from multitrack.reading.opening import open_journal
from multitrack.security.terminal import safe

_HELP: Final = """Compare the inputs of --current with those of --reference, column by column.

Either is a file (.csv, .parquet, .json, .jsonl), a run or RUN:DATASET. A run is an id, a prefix of one, or a name that
only one run has. It stands for its list metrics, one column each; a run without list metrics for the dataset that it
read. A dataset that has changed since it was recorded is refused.

Evidently chooses a test for each column, with a threshold. A p-value below the threshold is drift, a distance from the
threshold on. There is drift if at least the share --share of the columns drifted.

The figures are recorded as the metrics drift/share and drift/COLUMN of a new run, Evidently's report as a reference of
kind "report", and both inputs as references. They are delivered to the backends of the config. --into records them in a
run that has ended; its status stays, and its end becomes now.

Exit status: 0 no drift; 1 drift, or something failed; 2 the tables cannot be compared, or wrong usage.

\b
EXAMPLES:
  multitrack drift --reference train.csv --current week-48.csv
  multitrack drift --reference baseline --current prod-eu --columns age,income --share 0.3
  multitrack drift --reference baseline:train --current today.parquet --into prod-eu
"""


@click.command(help=_HELP)
@click.option("--reference", required=True, metavar="RUN|FILE", help="The inputs that were, such as training data.")
@click.option("--current", required=True, metavar="RUN|FILE", help="The inputs that are.")
@click.option("--columns", metavar="LIST", help="Compare only these columns, with commas between. "
                                                "Default: all of the reference.")  # fmt: skip
@click.option("--threshold", type=click.FloatRange(min=0), metavar="NUMBER",
              help="The threshold of every column. Default: that of each test.")  # fmt: skip
@click.option("--share", type=click.FloatRange(0, 1), default=SHARE, show_default=True, metavar="NUMBER",
              help="Share of drifted columns from which on it is drift; 0: one column is enough.")  # fmt: skip
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where Evidently's report goes. Default: the recorded run's directory.")  # fmt: skip
@click.option("--record/--no-record", "records", default=True, show_default=True, help="Record the result in a run.")
@click.option("--into", metavar="RUN", help="Record in this run, which has ended. Default: a new run.")
@JOURNAL
@JSON
def drift(
    reference: str, current: str, columns: str | None, threshold: float | None, share: float, html: Path | None,
    records: bool, into: str | None, journal: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """See ``--help``, which is :data:`_HELP`."""
    if into is not None and not records:
        raise click.UsageError("--into RUN and --no-record: one of them")
    if html is not None:
        check_place(html)
    chosen = None if columns is None else listed(columns)
    try:
        if into is not None:
            open_journal(journal).run(into)  # before the seconds that a comparison takes
        with steps() as progress:
            found = compare(
                reference, current, columns=chosen, threshold=threshold, share=share, journal=journal,
                progress=progress,
            )  # fmt: skip
        recorded = record(found, into=into, html=html, journal=journal) if records else None
    except (DriftError, RunError) as error:
        output.say(error)
        sys.exit(2)
    if recorded is None and html is not None:
        write_output(html, found.html.encode("utf-8", "backslashreplace"))
    if as_json:
        output.print_json(_as_json(found, recorded, html))
    else:
        _print(found)
        if recorded is not None:
            output.say(f"recorded in run {recorded.run}; report: {recorded.html}")
        elif records:
            output.say("nothing was recorded: this process records no runs (MULTITRACK_DISABLED, or a rank)")
    sys.exit(int(found.found))


def _print(found: Drift) -> None:
    table = Table([Heading("column", fold=True), Heading("drifted"), Heading("score", right=True),
                   Heading("threshold", right=True), Heading("method", fold=True)])  # fmt: skip
    for name, one in sorted(found.columns.items(), key=lambda item: not item[1].drifted):
        state = "yes" if one.drifted else "no"
        add_row(table, name, state, value_text(one.score), value_text(one.threshold), one.method)
    table.print(Screen())
    output.line(summary_line(found))
    for name, reason in found.skipped.items():
        output.say(f"column {safe(name)} was not compared: {reason}")


def _as_json(found: Drift, recorded: Recorded | None, html: Path | None) -> dict[str, Any]:
    place = html if recorded is None else recorded.html
    return {
        "drift": found.found, "share": found.share, "limit": found.limit, "columns": found.columns,
        "skipped": found.skipped, "reference": found.reference, "current": found.current,
        "run": None if recorded is None else recorded.run, "html": None if place is None else str(place),
    }  # fmt: skip
