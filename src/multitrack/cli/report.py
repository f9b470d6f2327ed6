"""``multitrack report`` and ``multitrack plot``."""

from __future__ import annotations

import errno
import functools
import itertools
import os
import stat
import sys
import time
import webbrowser
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from multitrack.cli import output
from multitrack.cli.compare import JOURNAL, say_none_chosen, tags_of
from multitrack.errors import ConfigError
from multitrack.query.columns import listed
from multitrack.reading.reader import open_journal
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.terminal import safe

Source = Callable[[], Iterator[RecordedRun]]
"""Reads the runs that are chosen, anew each time."""


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments that choose runs, as one: ``source``, which reads them, each time anew."""

    @functools.wraps(command)
    def with_source(
        run: tuple[str, ...], journal: Path | None, parent: str | None, tags: tuple[str, ...], project: str | None,
        status: str | None, group: str | None, since: str | None, until: str | None, where: str | None, **rest: Any,
    ) -> None:  # fmt: skip
        reader = open_journal(journal)
        named = {reader.run(name).id for name in run}
        parent_id = None if parent is None else reader.run(parent).id
        pairs = tags_of(tags)

        def source() -> Iterator[RecordedRun]:
            for found in reader.runs(
                project, status=status, tags=pairs, group=group, parent=parent_id, since=since, until=until, where=where
            ):
                if not named or found.id in named or found.manifest.parent in named:
                    yield found

        command(source=source, **rest)

    for decorate in (
        click.option("--where", metavar="FILTER", help="Only runs that a filter takes: 'params.lr < 0.01 and "
                     "metrics.val_accuracy > 0.9'; `multitrack compare --help` has all of it."),
        click.option("--until", metavar="TIME", help="Only runs started until then."),
        click.option("--since", metavar="TIME",
                     help="Only runs started since: ISO 8601 (local), or 7d, 12h, 30min ago."),
        click.option("--parent", metavar="RUN", help="Only children of this run."),
        click.option("--group", help="Only runs of this group."),
        click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE",
                     help="Only runs with this tag; can be repeated."),
        click.option("--status", type=click.Choice(["running", "finished", "failed", "killed"]),
                     help="Only runs that ended so."),
        click.option("--project", help="Only runs of this project."),
        JOURNAL,
        click.argument("run", nargs=-1),
    ):  # fmt: skip
        with_source = decorate(with_source)
    return with_source


@click.command()
@choosing
@click.option("-o", "--output", "path", type=click.Path(path_type=Path, dir_okay=False), default="report.html",
              show_default=True, metavar="FILE", help="Where to write it.")  # fmt: skip
@click.option("--title", help="What it is called. Default: the runs' project.")
@click.option("--no-charts", is_flag=True, help="Leave out the graphs; needs no Plotly, and is some 5 MB smaller.")
@click.option("--points", type=click.IntRange(min=10), default=1200, show_default=True,
              help="Points of each series at most; longer ones are thinned without losing extremes.")  # fmt: skip
@click.option("--lines", type=click.IntRange(min=0), default=2000, show_default=True,
              help="Log lines of each run at most: the first and the last.")  # fmt: skip
@click.option("--open", "open_", is_flag=True, help="Open it in the browser.")
@click.option("--watch", is_flag=True,
              help="Serve it on 127.0.0.1 instead, up to date while training runs, until Ctrl-C.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), help="With --watch: default: any that is free.")
@click.option("--every", type=click.FloatRange(min=0.1),
              help="With --watch: seconds between looks at the journal; default: 2.")  # fmt: skip
def report(
    source: Source, path: Path, title: str | None, no_charts: bool, points: int, lines: int, open_: bool, watch: bool,
    port: int | None, every: float | None,
) -> None:  # fmt: skip
    """Write an HTML page of the runs: table, graphs, parallel coordinates, and each run on a page of its own.

    One file that needs no network. RUN is an id, the beginning of one, or a name; it comes with its children. Without
    any, all runs of the journal, or those that the filters take.
    """
    from multitrack.page.render import Options, write_page  # noqa: PLC0415 - not for the listings

    if not watch and (port is not None or every is not None):
        raise click.UsageError(f"{'--port' if port is not None else '--every'} goes with --watch")
    if watch:
        options = Options(title, not no_charts, points, lines)
        _watch(source, options, port or 0, 2.0 if every is None else every, open_)
        return
    check_place(path)
    runs = source()
    first = next(runs, None)
    if first is None:  # whatever was written before stays
        given = click.get_current_context().params
        say_none_chosen(open_journal(given["journal"]), given["where"])
        output.say(f"{path} is not written")
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


def _watch(source: Source, options: Any, port: int, every: float, open_: bool) -> None:
    from multitrack.page.server import PageServer, Watched  # noqa: PLC0415 - see above

    next(source(), None)  # a filter that cannot be read is an error now, and not of the first page that asks
    watched = Watched(source, options, every)
    try:
        server = PageServer(watched, port)
    except OSError as error:
        raise ConfigError(output.told(error)) from None
    output.line(f"{server.url}\nserved to this machine alone; Ctrl-C ends it")
    sys.stdout.flush()  # into a pipe, too: it is what one waits for
    if open_:
        webbrowser.open(server.url)
    try:
        server.serve()
    except KeyboardInterrupt:
        output.line()


def check_place(path: Path) -> None:
    """Check that a file can be written there, before runs are read for it.

    Raises:
        ConfigError: It cannot.
    """
    try:
        folder = path.absolute().parent
        if not stat.S_ISDIR(folder.stat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


@contextmanager
def counting() -> Iterator[Callable[[int], None]]:
    """Shows on a terminal's stderr how many runs were read."""
    from rich.console import Console  # noqa: PLC0415 - only where something is shown

    console = Console(stderr=True, highlight=False, emoji=False)
    if not console.is_terminal or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    begun = time.monotonic()
    with console.status("reading runs") as status:
        yield lambda count: status.update(f"read {count} runs in {time.monotonic() - begun:.0f} s")


@click.command()
@choosing
@click.option("-m", "--metric", "metrics", multiple=True, required=True, metavar="NAME",
              help="A series or list metric; given again, a further panel. With --parallel: the objective, "
                   "such as val_accuracy:max.")  # fmt: skip
@click.option(
    "-o", "--output", "path", type=click.Path(path_type=Path, dir_okay=False), default="plot.png", show_default=True,
    metavar="FILE", help="Where to write it; .png, .svg or .pdf.",
)  # fmt: skip
@click.option("--parallel", is_flag=True, help="Parallel coordinates: the params to the metric, which colours them.")
@click.option(
    "--params", metavar="LIST", help="With --parallel: these params, names or patterns; default: all that differ."
)
@click.option("--x", type=click.Choice(["step", "time"]), default="step", show_default=True, help="The x axis.")
@click.option("--log", is_flag=True, help="A logarithmic axis of values.")
@click.option("--smooth", type=click.FloatRange(0, 1, max_open=True), default=0.0, metavar="WEIGHT",
              help="An exponential mean, 0 to below 1; the points stand faintly behind.")  # fmt: skip
@click.option("--size", type=(float, float), metavar="W H", help="Inches. Default: what panels and legend need.")
@click.option("--dpi", type=click.IntRange(10, 1200), default=150, show_default=True, help="Pixels an inch, of a PNG.")
def plot(
    source: Source, metrics: tuple[str, ...], path: Path, parallel: bool, params: str | None, x: str, log: bool,
    smooth: float, size: tuple[float, float] | None, dpi: int,
) -> None:  # fmt: skip
    """Draw runs into a PNG, SVG or PDF: a metric of all runs over each other, or parallel coordinates.

    RUN is an id, the beginning of one, or a name; it comes with its children. Without any, all runs of the journal, or
    those that the filters take.
    """
    from multitrack.plot import overlays as pictures  # noqa: PLC0415 - not for the listings

    if parallel and len(metrics) > 1:
        raise click.UsageError("--parallel has one objective")
    if params is not None and not parallel:
        raise click.UsageError("--params goes with --parallel")
    if params is not None and not listed(params):
        raise click.UsageError("--params names no param, and without any there is no axis")
    with _blaming("--output"):
        pictures.check_format(path)
    check_place(path)
    if size is not None:
        with _blaming("--size"):
            pictures.check_size(size)
    with counting() as progress:
        runs = counted(source(), progress)
        if parallel:
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
    """Turns what cannot be drawn into an error of the options that asked for it, where any was given."""
    try:
        yield
    except ValueError as error:
        if not options:
            raise click.UsageError(f"{error}: draw fewer metrics (-m), or with a smaller --dpi") from None
        raise click.BadParameter(str(error), param_hint=" or ".join(options)) from None


def counted(runs: Iterable[RecordedRun], progress: Callable[[int], None]) -> Iterator[RecordedRun]:
    """The runs, each told as it is asked for."""
    for count, run in enumerate(runs, 1):
        progress(count)
        yield run
