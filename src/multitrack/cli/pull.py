"""``multitrack pull``: copy runs out of an archive into a journal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from multitrack.archive import pull as pull_runs
from multitrack.cli import output
from multitrack.cli.options import JOURNAL, JSON
from multitrack.cli.output import print_json
from multitrack.cli.progress import steps
from multitrack.cli.push import summed
from multitrack.config import load_config
from multitrack.security.terminal import safe

_HELP: Final = """\
Copy runs out of an archive, which `multitrack push` has made, into the journal.

All runs, or each RUN: an id, the prefix of one, or a name. Every file is checked by its digest; a pull that was
interrupted goes on. A run that is in the journal already is replaced only if the archive's goes on from it.

\b
    multitrack pull s3://bucket/runs
    multitrack pull s3://bucket/runs 20261121-025828-417-5f3a9c --journal old/.multitrack
"""


@click.command(help=_HELP)
@click.argument("location", metavar="DIR|URL")
@click.argument("run", nargs=-1)
@JOURNAL
@JSON
def pull(location: str, run: tuple[str, ...], journal: Path | None, as_json: bool) -> None:
    """See :data:`_HELP`."""
    target = Path(load_config().settings.journal) if journal is None else journal
    with steps() as progress:
        found = []
        for one in pull_runs(location, target.absolute(), run, lambda run: progress(f"copying {run}")):
            found.append(one)
            if one.outcome == "failed":
                output.say(one.reason)  # which names the run
            elif one.outcome == "incomplete":
                output.say(f"{one.id} is not complete in the archive: push it again")
            elif one.outcome == "differs":
                output.say(f"{one.id} differs from the run of this id in {target}, which was left alone")
    if as_json:
        print_json(found)
    else:
        output.line(f"{safe(target)}: {summed([one.outcome for one in found], sum(one.size for one in found))}")
    if any(one.outcome in ("failed", "differs", "incomplete") for one in found):
        sys.exit(1)
