"""``multitrack move``: bring the runs of one tracker to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from multitrack.cli.import_runs import bring, selecting
from multitrack.cli.options import JOURNAL
from multitrack.cli.replay import send
from multitrack.migration.replay import check_backend
from multitrack.reading.opening import open_journal

_HELP: Final = """\
Bring the runs of one tracker to another: `multitrack import SOURCE`, then `multitrack replay` of these runs.

The journal keeps them, so they can be sent to further backends. Both parts can be interrupted and repeated.

\b
    multitrack move mlruns --to wandb                     a file store of MLflow to W&B
    multitrack move sqlite:///mlflow.db --to neptune      a database of MLflow to Neptune

Exit status: 0 everything has arrived, 1 something has not.
"""


@click.command(help=_HELP)
@click.argument("source")
@click.option("--to", "backend", required=True, metavar="BACKEND", help="The backend: mlflow, wandb, neptune, files …")
@selecting
@JOURNAL
def move(source: str, backend: str, journal: Path | None, **selection: Any) -> None:
    """See :data:`_HELP`."""
    check_backend(backend)
    directory, outcomes, complete = bring(source, journal, **selection)
    reader = open_journal(directory)
    runs = [reader.run(outcome.id) for outcome in outcomes if outcome.outcome not in ("failed", "recorded here")]
    if runs:
        send(runs, backend, as_json=False)
    if not complete:
        raise SystemExit(1)
