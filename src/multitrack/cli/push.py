"""``multitrack push``: copy runs into an archive."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from typing import Final

import click

from multitrack.archive import push as push_runs
from multitrack.cli import output
from multitrack.cli.options import JSON, Source, choosing, given_journals, say_none_chosen
from multitrack.cli.output import print_json
from multitrack.cli.progress import steps
from multitrack.security.terminal import safe

_HELP: Final = """\
Copy runs into an archive: a directory, or an object store at a URL.

All runs that have ended, each RUN, or those that match the filters. A second push copies only what changed; one that
was interrupted goes on. A run that the archive has is replaced only by one that goes on from it. Each file is kept
with its size and digest. `multitrack pull` copies runs back, and every command that reads takes the URL as --journal.

\b
    multitrack push s3://bucket/runs
    multitrack push s3://bucket/runs --since 7d --status finished
    multitrack push /mnt/archive 20261121-025828-417-5f3a9c
"""


@click.command(help=_HELP)
@click.argument("location", metavar="DIR|URL")
@click.option("--verify", is_flag=True, help="Read all copies in the archive, and copy again what is damaged.")
@choosing
@JSON
def push(source: Source, location: str, verify: bool, as_json: bool) -> None:
    """See :data:`_HELP`."""
    given = click.get_current_context().params
    with steps() as progress:
        runs = source()
        first = next(runs, None)
        if first is None:
            say_none_chosen(given_journals(), given["where"])
        directories = (run.directory for run in itertools.chain([] if first is None else [first], runs))
        found = []
        for one in push_runs(directories, location, lambda run: progress(f"copying {run}"), verify=verify):
            found.append(one)
            if one.outcome in ("failed", "differs"):
                output.say(f"{one.id}: {one.reason}")
            elif one.outcome == "running":
                output.say(f"{one.id} is being written; push it once it has ended")
    if as_json:
        print_json(found)
    else:
        output.line(f"{safe(location)}: {summed([one.outcome for one in found], sum(one.size for one in found))}")
    wrong = {"failed", "differs"} | ({"running"} if given["run"] else set())
    if any(one.outcome in wrong for one in found):
        sys.exit(1)


def summed(outcomes: list[str], size: int) -> str:
    """Sum up the outcomes of runs: ``3 runs; 2 new, 1 unchanged, 0.1 MB copied``."""
    counts = Counter(outcomes)
    parts = [f"{counts[outcome]:,} {outcome}" for outcome in dict.fromkeys(outcomes)]
    return f"{len(outcomes):,} run{'s' * (len(outcomes) != 1)}; {', '.join([*parts, f'{size / 1e6:.1f} MB copied'])}"
