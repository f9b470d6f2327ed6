"""``multitrack reproduce``: prepare a directory to run a run again, and compare the result."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any, Final

import click

from multitrack.cli import output
from multitrack.cli.options import JOURNAL, JSON
from multitrack.cli.progress import steps
from multitrack.cli.reproduce_tables import print_outcome, print_prepared
from multitrack.journal.provenance import SCRIPT
from multitrack.query.columns import listed
from multitrack.reading.opening import open_journal
from multitrack.reading.reader import JournalReader
from multitrack.reading.recorded_run import RecordedRun
from multitrack.reproduce.data import still_changed
from multitrack.reproduce.differences import Difference, Origin, differences, origin_here
from multitrack.reproduce.execution import check_ready, counterpart, execute, reproductions
from multitrack.reproduce.outcome import TOLERANCE, compare_metrics, is_any_named, is_reproduced
from multitrack.reproduce.repository import repository_at
from multitrack.reproduce.workspace import (
    COMMAND,
    DATA,
    Workspace,
    command_in,
    context_to_reproduce,
    marker_of,
    prepare,
)
from multitrack.security.terminal import safe

_HELP: Final = """Prepare a directory to run RUN again; with --run, run it and compare the metrics.

RUN is a run's id, the prefix of one, or a name that only one run has. The differences between its origin and this
place are listed: commit, uncommitted changes, Python, packages, machine, data. Start in a clone of its repository, or
name one with --repository. It is left as it is.

\b
The directory has
  source/            the commit with the uncommitted changes, a clone
  requirements.txt   the versions of all packages, for pip
  params.json        the params
  data.sh            the commands that restore the data (dvc checkout, git lfs pull, …)
  command.sh         the command, with its paths mapped to the directory

Without --run, nothing that the journal holds is run. --run prints command.sh and runs it, in the Python of this
command. The new run becomes a child of RUN in the same journal, tagged `reproduces`, and goes to the backends of the
config that it finds. A trial of a KerasTuner search is reproduced by running its search again.

Numbers are equal if they differ by at most --tolerance, relative to the larger one. Of series and lists, the number of
points and the last, smallest and largest value are compared. Timings of the Keras callback and metrics below system/
are not compared.

Exit status: 0 prepared, with --run reproduced; 1 not.

\b
EXAMPLES:
  multitrack reproduce trial-3                       look first
  multitrack reproduce trial-3 --run --into again    then run it
"""


@click.command(help=_HELP)
@click.argument("run")
@JOURNAL
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="The directory: a new or empty one, with --run also one prepared before. "
                   "Default: reproduce-<run id>.")  # fmt: skip
@click.option("--repository", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="PATH",
              help="A local repository with the commit. Default: the one around the current directory.")  # fmt: skip
@click.option("--partial", is_flag=True, help="Go on without changes that were not recorded as a whole.")
@click.option("--run", "runs", is_flag=True, help="Run the command, and compare the metrics.")
@click.option("--tolerance", type=click.FloatRange(min=0), default=TOLERANCE, show_default=True, metavar="NUMBER",
              help="Largest relative difference of equal numbers.")  # fmt: skip
@click.option("--metrics", metavar="LIST", help="Compare only these metrics: names or patterns, with commas between.")
@JSON
def reproduce(
    run: str, journal: Path | None, into: Path | None, repository: Path | None, partial: bool, runs: bool,
    tolerance: float, metrics: str | None, as_json: bool,
) -> None:  # fmt: skip
    """See ``--help``, which is :data:`_HELP`."""
    reader = open_journal(journal)
    original = reader.run(run)
    directory = Path(f"reproduce-{original.id}") if into is None else into
    document: dict[str, Any] = {"run": original.id, "directory": str(directory.absolute())}
    if not runs or marker_of(directory) is None:
        found, workspace = _prepared(original, directory, repository, partial=partial)
        document |= {"differences": found, "data": workspace.data, "notes": workspace.notes}
        document |= {"command": command_in(directory), "next": _next(original, workspace, reader, found)}
        if not as_json:
            print_prepared(original, workspace, found, None if runs else document["next"])
    status = 0
    if runs:
        patterns = [] if metrics is None else listed(metrics)
        status, outcome = _run(reader, original, directory, tolerance, patterns, as_json=as_json)
        document["outcome"] = outcome
    if as_json:
        output.print_json(document)
    sys.exit(status)


def _prepared(
    original: RecordedRun, directory: Path, repository: Path | None, *, partial: bool
) -> tuple[list[Difference], Workspace]:
    with steps() as progress:
        recorded = Origin(context_to_reproduce(original), original.get_code(), original.get_code(SCRIPT))
        try:
            workspace = prepare(original, directory, repository, partial=partial, progress=progress)
        except FileExistsError as error:
            raise click.UsageError(output.told(error)) from error
        progress("comparing the origin")
        here = repository or Path.cwd()
        return differences(recorded, origin_here(repository_at(here) or here)), workspace


def _next(
    original: RecordedRun, workspace: Workspace, reader: JournalReader, found: list[Difference]
) -> list[tuple[str, str]]:
    """The commands to go on with, each with its purpose."""
    directory = workspace.directory
    python = shlex.quote(sys.executable)
    commands = []
    if any(one.kind == "package" for one in found):
        environment = directory / "venv"
        made = f"{python} -m venv {_shell(environment)}"
        install = f"{_shell(environment / 'bin' / 'pip')} install -r {_shell(directory / 'requirements.txt')}"
        use = f"PYTHON={_shell(environment / 'bin' / 'python')}"
        commands.append(
            (f"{made} && {install}", f"optional: the recorded packages; {use} before the last command uses them")
        )
    if any(one.restore for one in workspace.data):
        commands.append((f"bash {_shell(directory / DATA)}", "restores the data"))
    journal = _shell(reader.directory.resolve())
    commands.append((
        f"multitrack reproduce {original.id} --journal {journal} --into {_shell(directory)} --run",
        "runs the command, and compares the metrics",
    ))  # fmt: skip
    return commands


def _shell(path: Path) -> str:
    return safe(shlex.quote(str(path)))


def _run(
    reader: JournalReader, original: RecordedRun, directory: Path, tolerance: float, patterns: list[str], *,
    as_json: bool,
) -> tuple[int, dict[str, Any]]:  # fmt: skip
    """Run the command and compare; the exit status of ours, and the outcome as JSON."""
    if patterns and not is_any_named(original.summary(), patterns):
        raise click.UsageError(f"run {original.id} has no metric that --metrics {safe(','.join(patterns))} names")
    marker = check_ready(original, directory)
    other = [safe(one.name) for one in still_changed(marker.data)]
    if other:
        output.say(f"not the data of the run: {', '.join(other)}; `bash {directory / DATA}` restores what it can")
    output.say(f"running {directory / COMMAND}:")
    for line in command_in(directory):
        output.line(f"  {safe(line)}", err=True)
    earlier = reproductions(reader, original)
    ended = execute(marker, directory)
    if ended != 0:
        output.say(f"the command ended with status {ended}")
    new = counterpart(reader, original, earlier)
    was, now = original.summary(), new.summary()
    outcomes = compare_metrics(was, now, tolerance=tolerance, patterns=patterns)
    good = is_reproduced(outcomes) and was.status == now.status
    if not as_json:
        print_outcome(original, new, outcomes, tolerance, reproduced=good)
        if other and not good:
            output.say(f"it read other data than the run: {', '.join(other)}")
    return int(not good), {
        "run": new.id, "status": now.status, "exit_status": ended, "tolerance": tolerance, "reproduced": good,
        "metrics": outcomes, "other_data": other,
    }  # fmt: skip
