"""The ``multitrack`` command.

Exit status: 0 done, 1 something is left undelivered or failed, 2 wrong usage or config, 130 interrupted.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import click
import msgspec

from multitrack import __version__, plugins
from multitrack.cli import output
from multitrack.cli import runs as shown
from multitrack.cli.compare import JOURNAL, compare, say_none_chosen
from multitrack.cli.output import OutputError
from multitrack.cli.report import plot, report
from multitrack.config import Settings, load_config
from multitrack.environment import ranks
from multitrack.errors import ConfigError, MultitrackError, QueryError
from multitrack.reading.reader import LEFT_OUT, open_journal
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.terminal import excerpt, safe

_JSON = click.option("--json", "as_json", is_flag=True, help="For machines: JSON on standard output.")


class _Messages(logging.Filter):
    """Passes each message on once, and remembers the runs that a command had to leave out.

    Attributes:
        left_out: The ids of the runs that the current command could not read.
    """

    left_out: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.left_out.clear()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if run := getattr(record, LEFT_OUT, None):
            self.left_out.add(run)
        text = record.getMessage()
        new = text not in self._seen
        self._seen.add(text)
        return new


class _Command(click.Group):
    """Ends every command with an exit status, and what stood in its way with one message."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command and exit; see :class:`click.Command`."""
        run = functools.partial(super().main, args, prog_name, complete_var, False, windows_expand_args, **extra)
        if not standalone_mode:
            return run()
        with output.streams():
            status = self._status(run)
            status = status or int(bool(_Messages.left_out))
            try:
                sys.stdout.flush()
            except OutputError as error:
                status = error.drop()
        sys.exit(status)

    def _status(self, run: Callable[[], Any]) -> int:
        """Run the command; its exit status."""
        try:
            status = run()
        except click.UsageError as error:
            if not isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # whose message is the help
                error = click.UsageError(excerpt(safe(error.format_message()), 1000), error.ctx)
            error.show()
            return error.exit_code
        except click.ClickException as error:
            output.say(error.format_message())
            return error.exit_code
        except (click.Abort, KeyboardInterrupt):
            output.say("interrupted")
            return 130
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        except OutputError as error:
            return error.drop()
        except (MultitrackError, ImportError, OSError, MemoryError) as error:
            output.say(output.told(error), lines=isinstance(error, QueryError))  # which shows the place below it
            usage = not isinstance(error, MultitrackError) and isinstance(error, ImportError)
            return 2 if usage or isinstance(error, (QueryError, ConfigError)) else 1
        return status if isinstance(status, int) else 0


@click.group(
    "multitrack", cls=_Command, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="multitrack %(version)s")
def main() -> None:
    """Look at what was recorded, and deliver it to trackers.

    Runs are recorded in a journal (.multitrack), and delivered from there to MLflow, W&B, Neptune and others. Nothing
    here needs a tracker but `sync`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Messages())
    # force: a click runner in tests swaps stderr between invocations
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)


@main.command()
@_JSON
def backends(as_json: bool) -> None:
    """List the backends: installed, and known but not installed."""
    installed = plugins.installed()
    selected = load_config().settings.backends
    rows = []
    for name in sorted({*installed, *plugins.KNOWN, *selected}):
        row = {"name": name, "distribution": installed.get(name), "selected": name in selected, "problem": None}
        if name in installed or name in selected:
            try:
                plugins.load_backend(name)
            except MultitrackError as error:
                row["problem"] = str(error)
        rows.append(row)
    if as_json:
        shown.print_json(rows)
    else:
        shown.print_backends(rows)


@main.command()
@_JSON
def config(as_json: bool) -> None:
    """Show the config that holds here, and where each value came from."""
    loaded = load_config()
    rows: list[tuple[str, str, Any, str]] = [
        ("", field.name, getattr(loaded.settings, field.name), loaded.origins[field.name])
        for field in msgspec.structs.fields(Settings)
    ]
    selected = [plugins.load_backend(name) for name in loaded.settings.backends]
    loaded.check_tables([backend.name for backend in selected])
    for backend in selected:
        options, origins = loaded.options(backend)
        for field in msgspec.structs.fields(options):
            value = shown.without_secret(field.encode_name, getattr(options, field.name))
            rows.append((backend.name, field.encode_name, value, origins[field.encode_name]))
    place = ranks.this_process()
    if as_json:
        keys = ("section", "key", "value", "origin")
        values = [dict(zip(keys, row, strict=True)) for row in rows]
        shown.print_json({"file": loaded.file and str(loaded.file), "values": values, "process": place._asdict()})
    else:
        shown.print_config(loaded.place() if loaded.file else None, rows)
        if place.size > 1:
            nothing = ": records nothing" if place.passed_over(loaded.settings.ranks) else ""
            output.line(safe(f"this process: {place}{nothing}"))


@main.command()
@JOURNAL
@click.option("--project", help="Only runs of this project.")
@click.option(
    "--status", type=click.Choice(["running", "finished", "failed", "killed"]), help="Only runs that ended so."
)
@click.option("--where", metavar="FILTER", help="Only runs that a filter takes; `multitrack compare --help` has it.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the newest N runs.")
@_JSON
def runs(
    journal: Path | None, project: str | None, status: str | None, where: str | None, limit: int | None, as_json: bool
) -> None:
    """List the runs of a journal, oldest first, and how far each backend is."""
    reader = open_journal(journal)
    found: deque[RecordedRun] = deque(reader.runs(project, status=status, where=where), limit)
    if not found:
        say_none_chosen(reader, where)
    if as_json:
        shown.print_json([shown.run_as_json(run) for run in found])
    else:
        shown.print_runs(found)


@main.command()
@click.argument("run")
@JOURNAL
@_JSON
def show(run: str, journal: Path | None, as_json: bool) -> None:
    """Show one run: params, metrics, references, where it came from, and its delivery.

    RUN is a run's id, the beginning of one, or a name that only one run has.
    """
    found = open_journal(journal).run(run)
    if as_json:
        shown.print_json(shown.run_as_json(found, full=True))
    else:
        shown.print_run(found)


@main.command()
@click.argument("run")
@JOURNAL
@click.option(
    "--from", "from_", metavar="TIME", help="Lines from this time on: ISO 8601 (local), or 7d, 12h, 30min ago."
)
@click.option("--to", metavar="TIME", help="Lines up to this time.")
@click.option("--limit", type=click.IntRange(min=1), help="At most N lines.")
@_JSON
def logs(run: str, journal: Path | None, from_: str | None, to: str | None, limit: int | None, as_json: bool) -> None:
    """Print a run's log lines, with time and stream.

    With --json one document: a list with a line on each line, [] where there is none.
    """
    found = open_journal(journal).run(run)
    lines = found.get_lines(from_, to, limit)
    if as_json:
        shown.print_lines_json(lines)
    else:
        shown.print_lines(lines)


@main.command()
@click.argument("run", nargs=-1)
@JOURNAL
@click.option(
    "--trust",
    multiple=True,
    metavar="PATH",
    help="A backend's import path that may be loaded, though only the journal names it.",
)
@click.option("--no-wait", is_flag=True, help="Do not wait for what another process is delivering.")
@_JSON
def sync(run: tuple[str, ...], journal: Path | None, trust: tuple[str, ...], no_wait: bool, as_json: bool) -> None:
    """Deliver what is pending, of all runs or of each RUN, and wait until everything has arrived.

    Goes on as long as records move. What another process is delivering is left to it, and waited for; of a run that is
    still being written, as far as it goes now. A run whose process died is ended as killed. Secrets come from the
    environment, as each tracker wants them. Exit status: 0 everything has arrived, 1 something has not.
    """
    from multitrack.cli.sync import SyncProgress, print_reports  # noqa: PLC0415 - not for the listings
    from multitrack.courier.sync import sync as deliver  # noqa: PLC0415

    with SyncProgress() as progress:
        reports = deliver(
            journal, run, trust=trust, wait=not no_wait, alone=True, show=progress.show, notice=progress.notice
        )
    if as_json:
        shown.print_json({run_id: shown.report_as_json(report) for run_id, report in reports.items()})
    else:
        print_reports(reports)
    if not all(report.complete for report in reports.values()):
        sys.exit(1)


main.add_command(compare)
main.add_command(report)
main.add_command(plot)
