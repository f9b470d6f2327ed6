"""The page as one file: style, code, charts and data inside, nothing fetched from anywhere."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import msgspec

from multitrack._hints import to_install
from multitrack._text import clean_text
from multitrack.journal.atomic import write_output
from multitrack.page.collect import Collected, Tables
from multitrack.page.schema import PageRun, script_safe
from multitrack.query.columns import better
from multitrack.reading.recorded_run import RecordedRun

#: The page's code, in the order it is put together.
SCRIPTS = (
    "dom",
    "literals",
    "state",
    "runs",
    "where",
    "look",
    "table",
    "scales",
    "graphs",
    "parallel",
    "lines",
    "run",
    "main",
)


class Options(msgspec.Struct, frozen=True):
    """What goes into a page.

    Attributes:
        title: What it is called; default: the runs' project, or the journal's directory.
        charts: Whether it draws graphs, with Plotly's code in the file.
        points: Points of each series at most; longer ones are thinned without losing extremes.
        lines: Log lines of each run at most.
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
    points: int = 1200,
    lines: int = 2000,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write runs as one HTML file that opens from the disk, without network or server.

    Args:
        path: The file; replaced as a whole.
        runs: The runs, from :meth:`~multitrack.reading.reader.JournalReader.runs`.
        title: What it is called; default: the runs' project.
        charts: Without it there is a table, and a page a run, but no graphs, and the file is some 5 MB smaller.
        points: Points of each series at most; longer ones are thinned without losing extremes.
        lines: Log lines of each run at most: the first and the last.
        progress: Told how many runs were read.

    Returns:
        How many runs it holds.

    Raises:
        ImportError: Plotly is not installed.
        OSError: The file cannot be written.
        ValueError: Two of the runs have one id, by which the page knows them.
    """
    code = plotly() if charts else ""
    tables = Tables()
    encoded: list[bytes] = []
    told: list[tuple[str, str]] = []
    names: dict[str, None] = {}
    places: dict[str, Path] = {}
    for run in runs:
        if (other := places.setdefault(run.id, run.directory)) != run.directory:
            raise ValueError(f"two runs have the id {run.id}, in {other} and {run.directory}: write a page for each")
        collected = Collected(run, points, lines)
        collected.read_on()
        found = collected.page_run(tables)
        names |= metric_names(found)
        told.append((found.project, str(run.directory.parent.parent)))
        encoded.append(msgspec.json.encode(found))  # a run at a time, so that memory is that of its page
        if progress is not None:
            progress(len(encoded))
    head = page_head(title, told, tables, names, points)
    write_output(Path(path), render(script_safe(data_block(head, encoded)), code))
    return len(encoded)


def metric_names(run: PageRun) -> dict[str, None]:
    """The metrics and lists of a run, in their order."""
    return dict.fromkeys((*run.metrics, *run.series, *run.lists))


def page_head(
    title: str | None, told: list[tuple[str, str]], tables: Tables, names: Iterable[str], points: int, **more: Any
) -> dict[str, Any]:
    """All that the page's data hold but the runs.

    Args:
        title: What the page is called, if anything else than the project.
        told: Project and journal of each run.
        tables: What the runs share.
        names: All metrics.
        points: Points of each series at most.
        **more: ``version`` and ``watch``, where it is served.
    """
    projects, journals = sorted({project for project, _ in told}), sorted({journal for _, journal in told})
    return {
        "title": clean_text(title or (", ".join(projects) if 0 < len(projects) <= 3 else "runs")),
        "journal": clean_text(", ".join(map(_from_here, journals))),
        "made": time.time_ns() // 1_000_000, "points": points,
        "better": {name: end for name in names if (end := better(name)) is not None},
        "contexts": tables.contexts, "packages": tables.packages, "version": 0, "watch": None, **more,
    }  # fmt: skip


def _from_here(path: str) -> str:
    """A path as one would type it here, where that is shorter."""
    with contextlib.suppress(FileNotFoundError):  # there is no here any more
        if Path(path).is_relative_to(Path.cwd()):
            path = os.path.relpath(path)
    return clean_text(path)


def data_block(head: dict[str, Any], runs: Iterable[bytes]) -> bytes:
    """The data as JSON, of runs that are JSON already."""
    return msgspec.json.encode({**head, "runs": [msgspec.Raw(run) for run in runs]})


def render(data: bytes, charts: str, *, served: bool = False) -> bytes:
    """The page around its data.

    Args:
        data: JSON that went through :func:`~multitrack.page.schema.script_safe`.
        charts: Plotly's code, or nothing.
        served: Whether it may ask its own server for news.
    """
    script, style, page = _assets()
    scripts = [code for code in (charts, script) if code]
    return (
        Template(page)
        .substitute(
            csp=policy(scripts, served=served), css=style, js=script, data=data.decode(),
            charts=f"<script>{charts}</script>" if charts else "",
        )
        .encode()
    )  # fmt: skip


def policy(scripts: Iterable[str], *, served: bool) -> str:
    """What the page may do: run exactly these scripts, and reach nothing.

    Plotly writes styles of its own, so those are not told by hash; without requests they can carry nothing away.
    """
    own = "'self'" if served else "'none'"
    digests = (hashlib.sha256(code.encode()).digest() for code in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        f"connect-src {own}; base-uri 'none'; form-action 'none'"
    )


def policy_header(charts: str) -> str:
    """The same as an HTTP header of a served page, which can also forbid to be framed."""
    return f"{policy([code for code in (charts, _assets()[0]) if code], served=True)}; frame-ancestors 'none'"


@cache
def _assets() -> tuple[str, str, str]:
    """Script, style and page."""
    folder = files("multitrack.page") / "assets"
    code = "\n".join((folder / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    return (
        f'(() => {{\n"use strict";\n{code}}})();',
        (folder / "page.css").read_text("utf-8"),
        (folder / "page.html").read_text("utf-8"),
    )


def plotly() -> str:
    """Plotly's code, out of its Python package.

    Raises:
        ImportError: It is not installed.
    """
    try:
        return (files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")
    except (ModuleNotFoundError, FileNotFoundError):
        raise ImportError(
            f"graphs need Plotly: {to_install('report')}; or leave them out with --no-charts (charts=False)",
            name="plotly",
        ) from None
