"""``multitrack plot``: draw runs into a picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from click.core import ParameterSource

from multitrack.cli import output
from multitrack.cli.lineage import of_alias
from multitrack.cli.options import Source, choosing, given_journals
from multitrack.cli.progress import check_place, counted, counting
from multitrack.lineage.graph import graph_of, references_of
from multitrack.lineage.targets import find_nodes
from multitrack.lineage.walk import Lineage
from multitrack.plot import overlays as pictures
from multitrack.plot.layered_graph import lineage as draw_lineage
from multitrack.query.columns import listed
from multitrack.security.terminal import safe


@click.command()
@choosing
@click.option("-m", "--metric", "metrics", multiple=True, metavar="NAME",
              help="A series or list metric; each one given adds a panel. With --parallel: the objective, "
                   "such as val_accuracy:max.")  # fmt: skip
@click.option(
    "-o", "--output", "path", type=click.Path(path_type=Path, dir_okay=False), default="plot.png", show_default=True,
    metavar="FILE", help="The file to write: .png, .svg or .pdf.",
)  # fmt: skip
@click.option(
    "--parallel", is_flag=True, help="Draw parallel coordinates: from params to the metric, which gives the colour."
)
@click.option(
    "--params", metavar="LIST", help="With --parallel: names or patterns of params. Default: all that differ."
)
@click.option("--lineage", is_flag=False, flag_value="", metavar="[TARGET]",
              help="Draw lineage instead of a metric: of all runs, or of a TARGET as in `multitrack lineage`. "
                   "For several journals see there.")  # fmt: skip
@click.option("--x", type=click.Choice(["step", "time"]), default="step", show_default=True, help="The x axis.")
@click.option("--log", is_flag=True, help="Use a logarithmic axis of values.")
@click.option("--smooth", type=click.FloatRange(0, 1, max_open=True), default=0.0, metavar="WEIGHT",
              help="Weight of an exponential mean, 0 to below 1; the points stand faintly behind.")  # fmt: skip
@click.option("--size", type=(float, float), metavar="W H", help="Inches. Default: as panels and legend need.")
@click.option("--dpi", type=click.IntRange(10, 1200), default=150, show_default=True, help="Pixels per inch (PNG).")
def plot(
    source: Source, metrics: tuple[str, ...], path: Path, parallel: bool, params: str | None, lineage: str | None,
    x: str, log: bool, smooth: float, size: tuple[float, float] | None, dpi: int,
) -> None:  # fmt: skip
    """Draw runs into a PNG, SVG or PDF: curves of a metric, parallel coordinates, or lineage.

    RUN is an id, the prefix of one, or a name; its children are drawn as well. Without RUN, all runs of the journal
    that match the filters are drawn.
    """
    if lineage is None and not metrics:
        raise click.UsageError("say what to draw: --metric NAME, or --lineage")
    if lineage is not None and (metrics or parallel or log or smooth):
        raise click.UsageError("--lineage draws no metric: leave out --metric, --parallel, --log and --smooth")
    if parallel and len(metrics) > 1:
        raise click.UsageError("--parallel takes one metric, the objective")
    if params is not None and not parallel:
        raise click.UsageError("--params needs --parallel")
    if params is not None and not listed(params):
        raise click.UsageError("--params is empty: name at least one param")
    with _blaming("--output"):
        pictures.check_format(path)
    check_place(path)
    if size is not None:
        with _blaming("--size"):
            pictures.check_size(size)
    reader = given_journals()
    with counting() as progress:
        runs = counted(source(), progress)
        if lineage is not None:
            graph = graph_of(references_of(run) for run in runs)
            found = Lineage(graph, find_nodes(graph, of_alias(lineage, reader)) if lineage else None)
            figure = draw_lineage(found, size=size, notice=output.say)
        elif parallel:
            chosen = None if params is None else listed(params)
            figure = pictures.parallel(runs, metrics[0], params=chosen, size=size, notice=output.say)
        else:
            figure = pictures.overlay(
                runs, metrics, x="time" if x == "time" else "step", log=log, smooth=smooth, size=size, notice=output.say
            )
        with _blaming(*(option for option in ("--size", "--dpi") if _is_given(option))):
            pictures.check_pixels(figure, path, dpi)
        pictures.save(figure, path, dpi)
    output.line(f"{safe(path)}: {path.stat().st_size / 1e3:.0f} kB")


def _is_given(option: str) -> bool:
    return click.get_current_context().get_parameter_source(option[2:]) is ParameterSource.COMMANDLINE


@contextmanager
def _blaming(*options: str) -> Iterator[None]:
    """Turn a ``ValueError`` into a usage error of these options, or of none in particular if none was given."""
    try:
        yield
    except ValueError as error:
        if not options:
            raise click.UsageError(f"{error}: draw fewer metrics (-m), or with a smaller --dpi") from None
        raise click.BadParameter(str(error), param_hint=" or ".join(options)) from None
