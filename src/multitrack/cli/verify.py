"""``multitrack verify``: compare runs with what a tracker holds of them."""

from __future__ import annotations

import sys
from typing import Final

import click

from multitrack.cli import output
from multitrack.cli.options import JSON, Source, choosing
from multitrack.cli.output import print_json
from multitrack.cli.progress import steps
from multitrack.cli.tables import Heading, Screen, Table, add_row
from multitrack.dataset.cache import is_copy
from multitrack.errors import QueryError
from multitrack.migration.verifying import Verified, verify_run
from multitrack.plugins import load_backend
from multitrack.plugins.registry import FORMATS
from multitrack.security.terminal import safe

_HELP: Final = """\
Read runs back from a tracker and compare every param, tag, point, line and reference with the journal.

Each value is equal, different, missing, or there as a stand-in that the delivery named. What the tracker has besides,
such as the values of autologging, is counted as extra. Nothing is changed. Runs that were imported or mirrored from
the tracker are compared with the place that they come from.

\b
    multitrack verify --against mlflow                  all runs
    multitrack verify RUN --against wandb --json        one run, for machines

Exit status: 0 everything is there, 1 something is missing, different or cannot be read.
"""


@click.command(help=_HELP)
@click.option(
    "--against", "backend", required=True, metavar="BACKEND", help="The backend: mlflow, wandb, neptune, files …"
)
@choosing
@JSON
def verify(source: Source, backend: str, as_json: bool) -> None:
    """See :data:`_HELP`."""
    if backend not in FORMATS and not load_backend(backend).reads:
        raise QueryError(f"nothing can be read back from {backend}: its plugin has no hook read_run")
    found: list[Verified] = []
    elsewhere, copies = 0, False
    named = bool(click.get_current_context().params["run"])
    with steps() as step:
        for run in source():
            origin = run.manifest.imported
            known = {entry.name for entry in run.manifest.backends}
            if not named and backend not in known and (origin is None or origin.tracker != backend):
                if is_copy(run.directory):
                    copies = True
                else:
                    elsewhere += 1
                continue
            step(f"verifying {safe(run.manifest.name)}, run {len(found) + 1}")
            found.append(verify_run(run, backend))
    if as_json:
        print_json([{**_as_json(each), "passed": each.passed} for each in found])
    elif found:
        _print(found, backend)
    if copies:
        output.say("a data set has no deliveries to compare with: verify the journal that it was made of")
    if elsewhere:
        output.say(f"{elsewhere} runs were not delivered to {backend}: `multitrack replay --to {backend}` sends them")
    if not found or not all(each.passed for each in found):
        sys.exit(1)


def _as_json(verified: Verified) -> dict[str, object]:
    return {name: getattr(verified, name) for name in Verified.__struct_fields__}


def _print(found: list[Verified], backend: str) -> None:
    numbers = [Heading(name, right=True) for name in ("equal", "stand-in", "different", "missing", "extra")]
    table = Table([Heading("run"), Heading("name", fold=True), *numbers])
    for each in found:
        counts = [
            sum(finding.count for finding in each.findings if finding.outcome == outcome)
            for outcome in ("stand-in", "different", "missing")
        ]
        add_row(table, each.id, each.name, *(f"{count:,}" for count in (each.equal, *counts, each.extra)))
    table.print(Screen())
    for each in found:
        if each.error is not None:
            output.say(f"{each.id}: {each.error}")
        for finding in each.findings:
            output.say(f"{each.id}: {finding.thing}: {finding.count} {finding.outcome}: {finding.detail}")
    passed = sum(each.passed for each in found)
    output.say(f"{passed} of {len(found)} runs are complete in {backend}")
