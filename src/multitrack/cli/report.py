"""``multitrack report``: write or serve an HTML page of runs."""

from __future__ import annotations

import itertools
import sys
import webbrowser
from pathlib import Path

import click

from multitrack.cli import output
from multitrack.cli.options import Source, choosing, given_journals, say_none_chosen
from multitrack.cli.progress import check_place, counting
from multitrack.errors import ConfigError
from multitrack.page.render import Options, write_page
from multitrack.page.server import PageServer
from multitrack.page.watched import Watched
from multitrack.security.terminal import safe


@click.command()
@choosing
@click.option("-o", "--output", "path", type=click.Path(path_type=Path, dir_okay=False), default="report.html",
              show_default=True, metavar="FILE", help="The file to write.")  # fmt: skip
@click.option("--title", help="Title of the page. Default: the runs' project.")
@click.option(
    "--no-charts", is_flag=True, help="Leave out the graphs. The page then needs no Plotly and is some 5 MB smaller."
)
@click.option("--points", type=click.IntRange(min=10),
              help="At most N points of each series; longer ones are thinned without losing extremes. Default: 1200; "
                   "in a file of more than 100 runs, as few as fit in some 10 MB.")  # fmt: skip
@click.option("--lines", type=click.IntRange(min=0),
              help="At most N log lines of each run: the first and the last. Default: 2000; in a file of more than "
                   "100 runs, 50,000 of all.")  # fmt: skip
@click.option("--open", "open_", is_flag=True, help="Open the page in the browser.")
@click.option("--watch", is_flag=True,
              help="Serve the page on 127.0.0.1 instead, updated while training runs, until Ctrl-C.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), help="With --watch: the port. Default: any free one.")
@click.option("--every", type=click.FloatRange(min=0.1),
              help="With --watch: seconds between reads of the journal. Default: 2.")  # fmt: skip
def report(
    source: Source, path: Path, title: str | None, no_charts: bool, points: int | None, lines: int | None, open_: bool,
    watch: bool, port: int | None, every: float | None,
) -> None:  # fmt: skip
    """Write an HTML page of runs: a table, graphs, parallel coordinates, and a page for each run.

    The page is one file that needs no network. RUN is an id, the prefix of one, or a name; its children are included.
    Without RUN, all runs of the journal that match the filters are included.
    """
    if not watch and (port is not None or every is not None):
        raise click.UsageError(f"{'--port' if port is not None else '--every'} needs --watch")
    if watch:
        usual = Options()
        options = Options(
            title, not no_charts, usual.points if points is None else points, usual.lines if lines is None else lines
        )
        _watch(source, options, port or 0, 2.0 if every is None else every, open_)
        return
    check_place(path)
    runs = source()
    first = next(runs, None)
    if first is None:  # an earlier page stays
        given = click.get_current_context().params
        say_none_chosen(given_journals(), given["where"])
        output.say(f"{path} was not written")
        sys.exit(1)
    with counting() as progress:
        count = write_page(
            path,
            itertools.chain([first], runs),
            title=title,
            charts=not no_charts,
            points=points,
            lines=lines,
            progress=progress,
        )
    output.line(f"{safe(path)}: {count} {'run' if count == 1 else 'runs'}, {path.stat().st_size / 1e6:.1f} MB")
    if open_:
        webbrowser.open(path.absolute().as_uri())


def _watch(source: Source, options: Options, port: int, every: float, open_: bool) -> None:
    next(source(), None)  # a filter that cannot be read is an error now, and not of the first page that asks
    watched = Watched(source, options, every)
    try:
        server = PageServer(watched, port)
    except OSError as error:
        raise ConfigError(output.told(error)) from None
    output.line(f"{server.url}\nserved on this machine only; Ctrl-C stops it")
    sys.stdout.flush()  # into a pipe, too: it is what one waits for
    if open_:
        webbrowser.open(server.url)
    try:
        server.serve()
    except KeyboardInterrupt:
        output.line()
