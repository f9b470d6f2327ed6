"""``multitrack compact``: replace old records of long runs by figures of their values."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from multitrack.cli import output
from multitrack.cli.options import JOURNAL, JSON
from multitrack.cli.output import print_json
from multitrack.cli.progress import steps
from multitrack.cli.tables import Heading, Screen, Table, add_row
from multitrack.compaction.runs import Compacting, compact_runs
from multitrack.config.settings import compaction_of
from multitrack.errors import QueryError
from multitrack.reading.opening import open_journal

_HELP: Final = """\
Compact old records of long runs: windows of 5 minutes replace each write of a simple metric.

Counts, sums and extremes stay exact, and percentiles are within 1 %. Everything else is kept. Records that a backend
has not received yet are left alone, and so are those of a segment that a process still writes.

Without RUN and --after, each run is compacted as `compact_after` in its config said, which a courier does by itself
while the run is recorded. With --after, all records of that age are compacted, for good: of the runs that are named, or
of all with the tag deployment.

\b
    multitrack compact                          as the configs of the runs say
    multitrack compact --dry-run                what would be compacted, and what has to wait
    multitrack compact RUN --after 7d           one run, by id, name or the beginning of an id
    multitrack compact --after 30d --lines      all deployments, and drop their log lines as well
"""


@click.command(help=_HELP)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--after", metavar="AGE", help="Compact records of this age: 7d, 12h. Default: each run's config.")
@click.option("--lines", is_flag=True, help="Drop log lines of that age as well; their number is kept.")
@click.option("--dry-run", is_flag=True, help="Change nothing.")
@JOURNAL
@JSON
def compact(
    runs: tuple[str, ...], after: str | None, lines: bool, dry_run: bool, journal: Path | None, as_json: bool
) -> None:
    """See :data:`_HELP`."""
    if lines and after is None:
        raise click.UsageError("--lines needs --after: the age of the lines to drop")
    try:
        how = None if after is None else compaction_of(after, ["metrics", "lines"] if lines else ["metrics"])
    except ValueError as error:
        raise QueryError(f"--after: {error}") from None
    reader = open_journal(journal)
    named = [reader.run(run) for run in runs]
    for run in named:
        if how is None and run.manifest.compact is None:
            raise QueryError(f"run {run.id} was recorded without compact_after: say --after AGE")
    chosen = named or (reader.runs() if how is None else reader.runs(where="tags.deployment != ''"))
    directories = [run.directory for run in chosen]
    found: list[Compacting] = []
    with steps() as progress:
        for number, directory in enumerate(directories):
            progress(f"compacting {directory.name}, run {number + 1} of {len(directories)}")
            found += compact_runs([directory], how, dry_run=dry_run)
    if as_json:
        print_json(found)
        return
    _print(found, dry_run=dry_run)


def _print(found: list[Compacting], *, dry_run: bool) -> None:
    done = [each for each in found if each.segments]
    if done:
        numbers = [Heading(name, right=True) for name in ("segments", "records", "MB before", "MB now")]
        table = Table([Heading("run"), Heading("name", fold=True), *numbers])
        for each in done:
            figures = f"{each.segments}", f"{each.records:,}", _mb(each.before), _mb(each.after)
            add_row(table, each.id, each.name, *figures)
        table.print(Screen())
    else:
        output.say("nothing to compact")
    for each in found:
        for reason, segments in each.waiting.items():
            output.say(f"{each.id}: {segments} old segments wait: {reason}")
    if dry_run and done:
        output.say("nothing was changed (--dry-run)")


def _mb(size: int) -> str:
    return f"{size / 1e6:.2f}"
