"""Options and arguments that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from multitrack.cli import output
from multitrack.errors import QueryError
from multitrack.journal.layout import run_directories
from multitrack.query.filters import columns_in
from multitrack.query.selection import Known
from multitrack.reading.reader import JournalReader, open_journal
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.terminal import excerpt

JOURNAL = click.option(
    "--journal",
    type=click.Path(path_type=Path, readable=False),
    metavar="DIR",
    help="Directory of the journal. Default: the one in the config.",
)
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

Source = Callable[[], Iterator[RecordedRun]]
"""Reads the selected runs, anew at each call."""


def tags_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """Tags from ``NAME=VALUE`` on the command line."""
    tags = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise click.BadParameter(f"{excerpt(pair)!r} is not of the form NAME=VALUE", param_hint="--tag")
        tags[name] = value
    return tags


def say_none_chosen(reader: JournalReader, where: str | None) -> None:
    """Say on stderr that no run matches and how many there are; name columns that no run has, which may be typos."""
    count = sum(1 for _ in run_directories(reader.directory))
    output.say(f"no runs match ({count} in {reader.directory})" if count else f"no runs in {reader.directory}")
    if where is not None:
        known = Known([run.summary() for run in reader.runs()])
        for column in columns_in(where):
            try:
                known.check(column)
            except QueryError as error:
                output.say(error)


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command with the options that select runs, passed on as one argument: a :data:`Source`."""

    @functools.wraps(command)
    def with_source(
        run: tuple[str, ...], journal: Path | None, parent: str | None, tags: tuple[str, ...], project: str | None,
        status: str | None, group: str | None, since: str | None, until: str | None, where: str | None, **rest: Any,
    ) -> None:  # fmt: skip
        reader = open_journal(journal)
        named = {reader.run(name).id for name in run}
        parent_id = None if parent is None else reader.run(parent).id
        pairs = tags_of(tags)

        def source() -> Iterator[RecordedRun]:
            for found in reader.runs(
                project, status=status, tags=pairs, group=group, parent=parent_id, since=since, until=until, where=where
            ):
                if not named or found.id in named or found.manifest.parent in named:
                    yield found

        command(source=source, **rest)

    for decorate in (
        click.option("--where", metavar="FILTER", help="Only runs that match a filter: 'params.lr < 0.01 and "
                     "metrics.val_accuracy > 0.9'. For the language see `multitrack compare --help`."),
        click.option("--until", metavar="TIME", help="Only runs started at this time or before."),
        click.option("--since", metavar="TIME",
                     help="Only runs started at this time or later: ISO 8601 (local), or 7d, 12h, 30min ago."),
        click.option("--parent", metavar="RUN", help="Only children of this run."),
        click.option("--group", help="Only runs in this group."),
        click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE",
                     help="Only runs with this tag. Can be given several times."),
        click.option("--status", type=click.Choice(["running", "finished", "failed", "killed"]),
                     help="Only runs with this status."),
        click.option("--project", help="Only runs of this project."),
        JOURNAL,
        click.argument("run", nargs=-1),
    ):  # fmt: skip
        with_source = decorate(with_source)
    return with_source
