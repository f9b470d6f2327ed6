"""``multitrack export``: runs as a data set of Parquet files or Delta tables."""

from __future__ import annotations

from typing import Final, Literal, cast

import click

from multitrack.cli import output
from multitrack.cli.app import left_out
from multitrack.cli.options import JSON, Source, choosing, given_journals, say_none_chosen
from multitrack.cli.output import print_json
from multitrack.cli.progress import counted, counting
from multitrack.errors import ExportError
from multitrack.export.exporting import export as write_data_set
from multitrack.export.place import RefusedPlaceError
from multitrack.query.times import parse_duration
from multitrack.security.terminal import safe

_HELP: Final = """\
Write runs into a data set in DIR or at a URL: Parquet files that DuckDB, Polars, pandas and Spark read.

All runs, each RUN, or those that match the filters. A second export writes only the runs that changed, and of a run
that went on only what is new. Readers see the data set as it was before, or with the whole export.

\b
    multitrack export runs-data                                   all runs of the journal
    multitrack export s3://bucket/runs --journal gpu1 --journal gpu2
    multitrack export tables --format delta                       as Delta tables
    multitrack compare --journal runs-data                        read it like a journal
"""


@click.command(help=_HELP)
@click.argument("location", metavar="DIR|URL")
@click.option("--format", "storage", type=click.Choice(["parquet", "delta"]), default="parquet", show_default=True,
              help="Parquet files, or Delta tables of Parquet files.")  # fmt: skip
@click.option("--keep", metavar="TIME", default="1h", show_default=True,
              help="How long files stay that an export replaced, for readers that began before.")  # fmt: skip
@click.option("--prune", is_flag=True, help="Remove runs that are not among these, such as deleted ones.")
@choosing
@JSON
def export(source: Source, location: str, storage: str, keep: str, prune: bool, as_json: bool) -> None:
    """See :data:`_HELP`."""
    try:
        seconds = parse_duration(f"{keep}s" if keep.replace(".", "", 1).isdecimal() else keep)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--keep") from None
    with counting() as progress:
        if prune:
            count = sum(1 for _ in source())  # which names those that cannot be read
            if left_out():
                raise ExportError(f"--prune would remove runs that cannot be read now: {', '.join(sorted(left_out()))}")
            if not count:
                _say_none_chosen()
                raise ExportError(f"--prune would remove all runs of {location}: delete it if it is to have none")
        try:
            found = write_data_set(
                counted(source(), progress), location, storage=cast("Literal['parquet', 'delta']", storage),
                keep=seconds, prune=prune,
            )  # fmt: skip
        except RefusedPlaceError as error:
            raise click.BadParameter(str(error), param_hint="DIR|URL") from None
    if not (found.new or found.changed or found.unchanged or left_out()):
        _say_none_chosen()
    if as_json:
        print_json(output.plain(found))
        return
    removed = f", {found.removed} removed" if found.removed else ""
    size = f", {found.size / 1e6:.1f} MB" if found.size else ""
    runs = f"{found.runs} run{'s' * (found.runs != 1)}"
    output.line(
        f"{safe(found.location)}: {runs}; {found.new} new, {found.changed} changed, {found.unchanged} unchanged"
        f"{removed}; {found.rows:,} rows written{size}"
    )


def _say_none_chosen() -> None:
    say_none_chosen(given_journals(), click.get_current_context().params["where"])
