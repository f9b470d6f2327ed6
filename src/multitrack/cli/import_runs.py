"""``multitrack import``: bring the runs of a tracker into a journal."""

from __future__ import annotations

import fnmatch
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from multitrack.cli import output
from multitrack.cli.options import JOURNAL, JSON
from multitrack.cli.output import print_json
from multitrack.cli.progress import steps
from multitrack.cli.tables import Heading, Screen, Table, add_row
from multitrack.config import load_config
from multitrack.errors import QueryError
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source
from multitrack.query.times import parse_time
from multitrack.security.terminal import excerpt, safe
from multitrack.sources.run import SourceRun
from multitrack.sources.source import Gap

_HELP: Final = """\
Import the runs of a tracker into the journal, with their ids, times, statuses, parents, tags and histories.

SOURCE is the place that the tracker writes to: a URI, a file or a directory. Files that a run refers to stay where
they are, unless they are copied with --copy-files. A second import adds what is new since the first, and an interrupted
one goes on where it stopped. Nothing in SOURCE is changed.

\b
    multitrack import mlruns --dry-run                    a file store of MLflow: what would be imported
    multitrack import sqlite:///mlflow.db                 a database of MLflow
    multitrack import http://localhost:5000 --from mlflow a server of MLflow
    multitrack import mlflow.db --project digits --since 30d
    multitrack import wandb                               the .wandb files of a project
    multitrack import wandb://team/digits                 an online project of W&B
    multitrack import .neptune                            offline runs of Neptune; also its exporter's Parquet files
    multitrack import logs                                event files of TensorBoard
    multitrack import my_search                           the directory of a KerasTuner search
    multitrack import training.csv --column epoch=step    a table, of points or of runs
    multitrack import results --from csv --column 'val_*=metric' --column seed=param

The columns of a table are recognized by their names; the first line says how. Roles are run, name, project, group,
parent, user, notes, status, start, end, step, time, key and value (of a table with one metric a row), metric, param,
tag and ignore.

What a journal cannot hold exactly is said for each run, and kept in it.

Exit status: 0 everything that can be read was imported, 1 a run failed or could not be read at all.
"""


#: Names of runs in one line.
_NAMED: Final = 3
_OPTIONS: Final = (
    click.option("--deleted", is_flag=True, help="Also runs that were deleted in the tracker."),
    click.option("--until", metavar="TIME", help="Only runs started then or before."),
    click.option("--since", metavar="TIME", help="Only runs started then or later: ISO 8601 (local), or 7d, 12h ago."),
    click.option("--name", metavar="PATTERN", help="Only runs with such a name: 'baseline-*'."),
    click.option("--project", multiple=True, help="Only runs of this project. Can be given several times."),
    click.option("--copy-files", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
                 help="Copy the local files that runs refer to into DIR/RUN. Default: they stay where they are."),
    click.option("--column", "columns", metavar="NAME=ROLE", multiple=True,
                 help="Of a table: the role of a column or of some: 'val_*=metric'. Can be given several times."),
    click.option("--from", "tracker", metavar="TRACKER",
                 help="The tracker of SOURCE. Default: recognized by its content."),
)  # fmt: skip


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command with the options that say what of a source is imported; :func:`bring` takes them."""
    for option in _OPTIONS:
        command = option(command)
    return command


@click.command("import", help=_HELP)
@click.argument("source")
@selecting
@click.option("--dry-run", is_flag=True, help="Read everything, write nothing, and say what would be imported.")
@JOURNAL
@JSON
def import_(source: str, journal: Path | None, dry_run: bool, as_json: bool, **selection: Any) -> None:
    """See :data:`_HELP`."""
    _, _, complete = bring(source, journal, dry_run=dry_run, as_json=as_json, **selection)
    if not complete:
        sys.exit(1)


def bring(
    source: str,
    journal: Path | None,
    *,
    tracker: str | None,
    columns: tuple[str, ...],
    copy_files: Path | None = None,
    dry_run: bool = False,
    as_json: bool = False,
    **choice: Any,
) -> tuple[Path, list[Imported], bool]:
    """Import runs and print the outcome.

    Returns:
        The journal's directory, the outcome of each run, and whether everything could be read and imported.
    """
    matches = _choice(**choice)
    others: set[str] = set()  # projects of runs that do not match

    def chosen(run: SourceRun) -> bool:
        found = matches(run)
        others.update(() if found else (run.project,))
        return found

    directory = Path(load_config().settings.journal if journal is None else journal).absolute()
    outcomes: list[Imported] = []
    unread: list[Gap] = []
    opened = open_source(source, tracker, _roles(columns))
    try:
        with steps() as step:
            for found in import_runs(
                opened, directory, chosen=chosen, dry_run=dry_run,
                files=None if copy_files is None else copy_files.absolute(),
                progress=lambda run: step(_progress(run, len(outcomes))),
            ):  # fmt: skip
                if isinstance(found, Gap):
                    unread.append(found)
                else:
                    outcomes.append(found)
    finally:
        opened.close()
    if as_json:
        print_json({
            "source": opened.address, "tracker": opened.tracker, "notes": opened.notes, "runs": outcomes,
            "unread": unread,
        })  # fmt: skip
    else:
        for note in opened.notes:
            output.say(note)
        _print(outcomes, unread, opened.address, directory, dry_run=dry_run, others=others)
    return directory, outcomes, not unread and all(run.outcome != "failed" for run in outcomes)


def _roles(columns: tuple[str, ...]) -> dict[str, str]:
    roles = {}
    for each in columns:
        name, equals, role = each.rpartition("=")
        if not equals or not name:
            raise QueryError(f"--column {excerpt(each)!r} is not NAME=ROLE, such as epoch=step")
        roles[name] = role
    return roles


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= _NAMED else f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"


def _choice(
    *, project: tuple[str, ...], name: str | None, since: str | None, until: str | None, deleted: bool
) -> Callable[[SourceRun], bool]:
    try:
        earliest = None if since is None else parse_time(since)
        latest = None if until is None else parse_time(until)
    except ValueError as error:
        raise QueryError(str(error)) from None

    def chosen(run: SourceRun) -> bool:
        return (
            (not project or run.project in project)
            and (name is None or fnmatch.fnmatchcase(run.name, name))
            and (earliest is None or run.created >= earliest)
            and (latest is None or run.created <= latest)
            and (deleted or not run.deleted)
        )

    return chosen


def _progress(run: Imported, number: int) -> str:
    return f"importing {safe(run.name)}, run {number + 1}: {run.points:,} points"


def _print(
    outcomes: list[Imported], unread: list[Gap], address: str, journal: Path, *, dry_run: bool, others: set[str]
) -> None:
    for gap in unread:
        output.say(gap.reason)
    if not outcomes:
        if unread:
            return
        projects = f"; there are runs of {', '.join(sorted(others)[:10])}" if others else ""
        output.say(f"no runs match in {address}{projects}")
        return
    changed = [run for run in outcomes if run.outcome != "unchanged"]
    if changed:
        numbers = [Heading(title, right=True) for title in ("points", "lines")]
        table = Table([Heading("id"), Heading("project"), Heading("name", fold=True), Heading("import"), *numbers])
        for run in changed:
            add_row(table, run.id, run.project, run.name, run.outcome, f"{run.points:,}", f"{run.lines:,}")
        table.print(Screen())
    for run in outcomes:
        if run.error is not None:
            output.say(f"{run.id} ({run.name}): {run.error}")
    gaps: dict[str, list[str]] = {}
    for run in outcomes:
        for reason in run.gaps:
            gaps.setdefault(reason, []).append(run.name)
    for reason, names in gaps.items():
        output.say(f"{_some(names)}: {reason}")
    still = sum(run.status == "running" for run in outcomes)
    if still:
        runs = "run is open in the tracker, and counts" if still == 1 else "runs are open in the tracker, and count"
        output.say(f"{still} {runs} as killed here until an import finds the end")
    counts = Counter(run.outcome for run in outcomes)
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    output.say(f"{len(outcomes)} runs of {address}: {said}; journal {journal}")
    if dry_run:
        output.say("nothing was written (--dry-run)")
