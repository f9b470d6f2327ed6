"""Render the page as one self-contained file, with style, code, charts and data."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import os
import time
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Final

import msgspec

from multitrack._hints import to_install
from multitrack._text import clean_text
from multitrack.journal.atomic import write_output
from multitrack.lineage.graph import RunReferences
from multitrack.page.collect import Collected, Tables
from multitrack.page.lineage import lineage_block
from multitrack.page.monitor import PageMonitor
from multitrack.page.sampling import Limits, limits_of
from multitrack.page.schema import PageRun, script_safe
from multitrack.query.columns import better
from multitrack.reading.recorded_run import RecordedRun

#: Minimum number of bytes of a written page's data that is compressed in the file.
_LARGE: Final = 8_000_000
#: The page's scripts, in the order of concatenation.
SCRIPTS = (
    "dom",
    "literals",
    "state",
    "runs",
    "where",
    "look",
    "rows",
    "table",
    "scales",
    "graphs",
    "parallel",
    "lines",
    "lineage",
    "monitor",
    "run",
    "served",
    "main",
)


class Options(msgspec.Struct, frozen=True):
    """Options of a page.

    Attributes:
        title: The page's title; default: the runs' projects if there are at most three, else ``runs``.
        charts: True to draw graphs, with Plotly's code in the file.
        points: Maximum number of points per series; longer ones are thinned without losing extremes.
        lines: Maximum number of log lines per run.
    """

    title: str | None = None
    charts: bool = True
    points: int = 1200
    lines: int = 2000


def write_page(
    path: str | Path,
    runs: Iterable[RecordedRun],
    *,
    title: str | None = None,
    charts: bool = True,
    points: int | None = None,
    lines: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write runs as one HTML file that opens from the disk, without network or server.

    Args:
        path: The file; replaced as a whole.
        runs: The runs, from :meth:`~multitrack.reading.reader.JournalReader.runs`.
        title: The page's title; default: the runs' projects if there are at most three, else ``runs``.
        charts: True to include graphs. Without them the table and the pages of runs remain, and the file is some 5 MB
            smaller.
        points: Maximum number of points per series; longer ones are thinned without losing extremes. Default: 1,200.
            If there are more than 100 runs, fewer, so that all curves together have about 500,000 points.
        lines: Maximum number of log lines per run: the first and the last ones. Default: 2,000. If there are more than
            100 runs, fewer, so that all runs together have about 50,000 lines.
        progress: Called with the number of runs read so far.

    Returns:
        The number of runs in the page.

    Raises:
        ImportError: Plotly is not installed, and ``charts`` is True.
        OSError: The file cannot be written.
        ValueError: Two of the runs have the same id, which identifies a run in the page.
    """
    code = plotly() if charts else ""
    listed = list(runs)
    usual = Limits(
        Options().points if points is None else points, Options().lines if lines is None else lines
    )  # fmt: skip
    limits = limits_of(listed, usual, points=points is None, lines=lines is None)
    tables = Tables()
    encoded: list[bytes] = []
    lineage: list[RunReferences] = []
    monitor = PageMonitor()
    told: list[tuple[str, str]] = []
    names: dict[str, None] = {}
    places: dict[str, Path] = {}
    while listed:  # each is let go when it is encoded, so that memory is limited to the page's size
        run = listed.pop(0)
        if (other := places.setdefault(run.id, run.directory)) != run.directory:
            raise ValueError(f"two runs have the id {run.id}, in {other} and {run.directory}: write a page for each")
        collected = Collected(run, limits.points, limits.lines)
        collected.read_on()
        found = collected.page_run(tables, limits.sampled)
        names |= metric_names(found)
        told.append((found.project, str(run.directory.parent.parent)))
        lineage.append(collected.references())
        monitor.add(run, collected.summary())
        encoded.append(msgspec.json.encode(found))
        if progress is not None:
            progress(len(encoded))
    monitor.refresh()
    head = page_head(
        title, told, names, limits, contexts=tables.contexts, packages=tables.packages, lineage=lineage_block(lineage),
        monitor=monitor.block(),
    )  # fmt: skip
    write_output(Path(path), render(data_block(head, encoded), code))
    return len(encoded)


def metric_names(run: PageRun) -> dict[str, None]:
    """Return the names of a run's metrics and lists, in order."""
    return dict.fromkeys((*run.metrics, *run.series, *run.lists))


def page_head(
    title: str | None, told: Iterable[tuple[str, str]], names: Iterable[str], limits: Limits, **more: Any
) -> dict[str, Any]:
    """Return the page's data except the runs and what they share.

    Args:
        title: The page's title, if not the default.
        told: Project and journal of each run.
        names: The names of all metrics and lists.
        limits: Maximum number of points per series.
        **more: ``contexts``, ``packages``, ``lineage`` and ``monitor``; of a served page, ``version`` and ``watch``.
    """
    every = set(told)
    projects, journals = sorted({project for project, _ in every}), sorted({journal for _, journal in every})
    return {
        "title": clean_text(title or (", ".join(projects) if 0 < len(projects) <= 3 else "runs")),
        "journal": clean_text(", ".join(map(_from_here, journals))),
        "made": time.time_ns() // 1_000_000, "points": limits.points, "sampled": limits.sampled,
        "better": {name: end for name in names if (end := better(name)) is not None},
        "version": 0, "watch": None, **more,
    }  # fmt: skip


def _from_here(path: str) -> str:
    """Return a path relative to the current directory, if it is inside it."""
    with contextlib.suppress(FileNotFoundError):  # the current directory was deleted
        if Path(path).is_relative_to(Path.cwd()):
            path = os.path.relpath(path)
    return clean_text(path)


def data_block(head: dict[str, Any], runs: Iterable[bytes]) -> bytes:
    """Return the page's data as JSON, with runs that are already encoded."""
    return msgspec.json.encode({**head, "runs": [msgspec.Raw(run) for run in runs]})


def render(data: bytes, charts: str, *, served: bool = False) -> bytes:
    """Render the page.

    Args:
        data: The page's data as JSON. A large one is compressed in a file, and unpacked by the browser.
        charts: Plotly's code, or empty.
        served: True if the page may request updates from its own server.
    """
    script, style, page = _assets()
    scripts = [code for code in (charts, script) if code]
    packed = len(data) >= _LARGE and not served
    text = base64.b64encode(gzip.compress(data, 6, mtime=0)) if packed else script_safe(data)
    return (
        Template(page)
        .substitute(
            csp=policy(scripts, served=served), css=style, js=script, data=text.decode(),
            kind="application/gzip" if packed else "application/json",
            charts=f"<script>{charts}</script>" if charts else "",
        )
        .encode()
    )  # fmt: skip


def policy(scripts: Iterable[str], *, served: bool) -> str:
    """Return the page's content security policy: run exactly these scripts, and send no requests.

    Plotly writes its own styles, so styles are not limited by hash. Without requests they cannot leak data.
    """
    own = "'self'" if served else "'none'"
    digests = (hashlib.sha256(code.encode()).digest() for code in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        f"connect-src {own}; base-uri 'none'; form-action 'none'"
    )


def policy_header(charts: str) -> str:
    """Return the policy of a served page as an HTTP header, which can also forbid framing."""
    return f"{policy([code for code in (charts, _assets()[0]) if code], served=True)}; frame-ancestors 'none'"


@cache
def _assets() -> tuple[str, str, str]:
    """Return the script, the style and the page template."""
    folder = files("multitrack.page") / "assets"
    code = "\n".join((folder / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    return (
        f'(async () => {{\n"use strict";\n{code}}})();',
        (folder / "page.css").read_text("utf-8"),
        (folder / "page.html").read_text("utf-8"),
    )


def plotly() -> str:
    """Return Plotly's code from its Python package.

    Raises:
        ImportError: Plotly is not installed.
    """
    try:
        return (files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")
    except (ModuleNotFoundError, FileNotFoundError):
        raise ImportError(
            f"graphs need Plotly: {to_install('report')}; or leave them out with --no-charts (charts=False)",
            name="plotly",
        ) from None
