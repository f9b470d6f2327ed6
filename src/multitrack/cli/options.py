"""Options and arguments that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from multitrack.cli import output
from multitrack.dataset.reading import is_data_set
from multitrack.errors import ArchiveError, ExportError, JournalError, QueryError
from multitrack.query.filters import columns_in
from multitrack.query.selection import Known
from multitrack.reading.labels import labelled
from multitrack.reading.opening import open_journal
from multitrack.reading.reader import JournalReader
from multitrack.reading.recorded_run import RecordedRun
from multitrack.reading.run_table import RunTable
from multitrack.security.terminal import excerpt


def _only_one(context: click.Context, _parameter: click.Parameter, given: tuple[Path, ...]) -> Path | None:
    if len(given) > 1:
        raise click.UsageError(f"{context.info_name} works on one journal at a time: give --journal once", context)
    if given and is_data_set(given[0]):
        raise click.UsageError(f"{given[0]} is a data set, which {context.info_name} does not take", context)
    return given[0] if given else None


#: The journal of a command that writes to it, or is about one.
JOURNAL: Final = click.option(
    "--journal", multiple=True, callback=_only_one, type=click.Path(path_type=Path, readable=False), metavar="DIR",
    help="Directory of the journal. Default: the one in the config.",
)  # fmt: skip
#: The journals of a command that reads; :func:`open_journals` opens them.
JOURNALS: Final = click.option(
    "--journal", "journals", multiple=True, metavar="[LABEL=]DIR|URL",
    help="A journal, a data set of `multitrack export`, or an archive of `multitrack push` at a URL; can be given "
    "several times. Default: the config's journal.",
)  # fmt: skip
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

Source = Callable[[], Iterator[RecordedRun]]
"""Reads the selected runs, anew at each call."""


def open_journals(journals: Sequence[str]) -> JournalReader:
    """Open what ``--journal`` names, as one; without any, the config's.

    Raises:
        JournalError: If a journal is missing or cannot be read.
        click.BadParameter: If two journals are to have the same label.
    """
    if not journals:
        return open_journal()
    found: list[tuple[Path, str | None]] = []
    troubles = []
    for text in journals:
        label, sign, path = text.partition("=")
        named = bool(sign and label and path) and "/" not in label and not Path(text).exists()
        if named and label in (given for _, given in found):
            raise click.BadParameter(f"two journals have the label {excerpt(label)!r}", param_hint="--journal")
        try:
            reader = open_journal({label: path} if named else text)
            has_label = named or is_data_set(text)
            found += [(place.directory, place.label if has_label else None) for place in reader.places]
        except (ArchiveError, ExportError, JournalError) as error:
            troubles.append(str(error))
    if troubles:
        raise JournalError("; ".join(troubles))
    return JournalReader(labelled(found))


def given_journals() -> JournalReader:
    """Open the journals that the current command was given."""
    return open_journals(click.get_current_context().params["journals"])


def only_one_journal() -> None:
    """Refuse several journals: for a command that writes to them.

    Raises:
        click.UsageError: If the current command was given several.
    """
    context = click.get_current_context()
    journals = context.params["journals"]
    if len(journals) > 1:
        raise click.UsageError(f"{context.info_name} works on one journal at a time: give --journal once")
    if journals and is_data_set(journals[0]):
        raise click.UsageError(f"{journals[0]} is a data set, which {context.info_name} does not take")


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
    count = reader.count()
    output.say(f"no runs match ({count} in {reader.where})" if count else f"no runs in {reader.where}")
    if where is not None:
        known = Known(RunTable(reader.runs()).summaries())
        for column in columns_in(where):
            try:
                known.check(column)
            except QueryError as error:
                output.say(error)


#: The options that filter runs, in the order in which they decorate a command.
_WHERE: Final = click.option(
    "--where", metavar="FILTER", help="Only runs that match a filter: 'params.lr < 0.01 and metrics.val_accuracy > "
    "0.9'. For the language see `multitrack compare --help`."
)  # fmt: skip
_STARTED: Final = (
    click.option("--until", metavar="TIME", help="Only runs started at this time or before."),
    click.option("--since", metavar="TIME",
                 help="Only runs started at this time or later: ISO 8601 (local), or 7d, 12h, 30min ago."),
)  # fmt: skip
_FILTERS: Final = (
    click.option("--parent", metavar="RUN", help="Only children of this run."),
    click.option("--group", help="Only runs in this group."),
    click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE",
                 help="Only runs with this tag. Can be given several times."),
    click.option("--status", type=click.Choice(["running", "finished", "failed", "killed"]),
                 help="Only runs with this status."),
    click.option("--project", help="Only runs of this project."),
    click.option("--deleted", is_flag=True, help="Also runs that a client of MLflow has deleted."),
    JOURNALS,
)  # fmt: skip


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command with the options that select runs, passed on as one argument: a :data:`Source`."""
    return _with_source(command, (_WHERE, *_STARTED, *_FILTERS, click.argument("run", nargs=-1)))


def filtering(command: Callable[..., None]) -> Callable[..., None]:
    """Like :func:`choosing`, without ids and times of runs: for a command whose times are those of values."""
    return _with_source(command, (_WHERE, *_FILTERS))


def _with_source(
    command: Callable[..., None], options: Iterable[Callable[[Callable[..., None]], Callable[..., None]]]
) -> Callable[..., None]:
    @functools.wraps(command)
    def with_source(
        journals: tuple[str, ...], parent: str | None, tags: tuple[str, ...], project: str | None, status: str | None,
        group: str | None, where: str | None, run: tuple[str, ...] = (), since: str | None = None,
        until: str | None = None, deleted: bool = False, **rest: Any,
    ) -> None:  # fmt: skip
        reader = open_journals(journals)
        named = {reader.run(name).id for name in run}
        parent_id = None if parent is None else reader.run(parent).id
        pairs = tags_of(tags)

        def source() -> Iterator[RecordedRun]:
            for found in reader.runs(
                project,
                status=status,
                tags=pairs,
                group=group,
                parent=parent_id,
                since=since,
                until=until,
                where=where,
                deleted=deleted or bool(named),
            ):
                if not named or found.id in named or found.parent in named:
                    yield found

        command(source=source, **rest)

    decorated: Callable[..., None] = with_source
    for decorate in options:
        decorated = decorate(decorated)
    return decorated
