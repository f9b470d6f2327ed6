"""Print what ``multitrack reproduce`` prepared, and the outcome of a reproduction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from multitrack.cli.tables import Screen, add_row, print_section, text_table
from multitrack.reading.formatting import value_text
from multitrack.reading.recorded_run import RecordedRun
from multitrack.reproduce.differences import Difference
from multitrack.reproduce.outcome import Compared, MetricOutcome
from multitrack.reproduce.workspace import Workspace, command_in
from multitrack.security.terminal import safe

#: Maximum number of packages that are listed.
_PACKAGES: Final = 20
_STYLES: Final = {"reproduced": "green", "differs": "red", "missing": "red", "new": "yellow", "not compared": "dim"}


def print_prepared(
    run: RecordedRun, workspace: Workspace, found: Sequence[Difference], commands: Sequence[tuple[str, str]] | None
) -> None:
    """Print the differences, the data, the directory, and the commands to go on with; None if it goes on by itself."""
    screen = Screen()
    packages = [one for one in found if one.kind == "package"]
    shown = [one for one in found if one.kind != "package"] + packages[:_PACKAGES]
    print_section(
        screen, "differs", ("in the run", "here"),
        [(one.name, (one.recorded or "-", one.here or "-")) for one in shown],
    )  # fmt: skip
    if len(packages) > _PACKAGES:
        screen.note(f"{len(packages) - _PACKAGES} more packages differ (--json has all)", "dim")
    if not found:
        screen.note("what was recorded of code, Python, packages and machine is the same here")
    print_section(
        screen, "data", ("state", "version", "note"),
        [(one.name, (one.state, one.version or "", one.note)) for one in workspace.data],
    )  # fmt: skip
    for note in workspace.notes:
        screen.note(f"note: {safe(note)}", "yellow")
    screen.line()
    screen.line(f"{safe(workspace.directory)} is prepared for {run.id}")
    if commands is None:
        return
    screen.line("Its command.sh:")
    for line in command_in(workspace.directory):
        screen.line(f"  {safe(line)}")
    screen.line("Go on with:")
    for command, purpose in commands:
        screen.line(f"  {command}")
        screen.line(f"      {purpose}", "dim")


def print_outcome(
    original: RecordedRun, new: RecordedRun, outcomes: Sequence[MetricOutcome], tolerance: float, *, reproduced: bool
) -> None:
    """Print each metric with its verdict, and the verdict on the run."""
    screen = Screen()
    table = text_table("metric", "compared", "original", "reproduced", "difference", "verdict")
    for outcome in outcomes:
        add_row(table, outcome.name, *_cells(outcome.decisive), [(outcome.verdict, _STYLES[outcome.verdict])])
    if outcomes:
        table.print(screen)
    states = [run.summary().status for run in (original, new)]
    if states[0] != states[1]:
        screen.note(f"the original is {states[0]}, the reproduction is {states[1]}", "red")
    counts = Counter(outcome.verdict for outcome in outcomes)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "no metrics"
    screen.line(
        f"{original.id} was {'reproduced' if reproduced else 'not reproduced'} by {new.id}, tolerance {tolerance:g}: "
        f"{told}", "green" if reproduced else "red",
    )  # fmt: skip


def _cells(one: Compared | None) -> tuple[str, str, str, str]:
    if one is None:
        return "", "", "", ""
    numbers = ("-" if number is None else value_text(number) for number in (one.original, one.reproduced))
    return one.what, *numbers, "-" if one.difference is None else f"{one.difference:.2g}"  # type: ignore[return-value]
