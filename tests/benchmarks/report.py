"""The report of many runs: its file, the same page served, and how Chromium opens both."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import Case, Figures, Group, Results

from reading import _COMMAND

#: Points of a run, of two series together, and runs of a report.
POINTS = 1000
RUNS = (100, 1000, 10_000)
#: How often a page is opened.
_TIMES = 3
#: Notes the time at which rows of the table have been painted.
_USABLE = """(() => { const look = () => {
  if (document.querySelector('table.runs tbody th.name')) requestAnimationFrame(() => setTimeout(() => { window.usable = performance.now(); }));
  else requestAnimationFrame(look);
}; requestAnimationFrame(look); })()"""


def written(runs: int) -> Figures:
    """The file of so many runs: written twice, and opened."""
    import trials

    trials.write(Path("journal"), runs, steps=POINTS // 2)
    figures: Figures = {}
    for turn in ("first", "again"):
        before = _spent(resource.RUSAGE_CHILDREN)
        line = [sys.executable, "-c", _COMMAND, "report", "--journal", "journal"]
        said = subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
        figures[turn] = _spent(resource.RUSAGE_CHILDREN) - before
        figures["memory"] = float(said.split()[-1]) * 1024
    path = Path("report.html").absolute()
    return {**figures, "bytes": path.stat().st_size, **_opened(path.as_uri())}


def served(runs: int) -> Figures:
    """The served page of so many runs: made and opened, and what one more value of one more run costs."""
    import multitrack
    import trials
    from multitrack.page.render import Options
    from multitrack.page.server import PageServer
    from multitrack.page.watched import Watched

    trials.write(Path("journal"), runs, steps=POINTS // 2)
    reader = multitrack.open_journal("journal")
    for run in reader.runs():
        run.summary()  # which a listing leaves there
    pages = Watched(reader.runs, Options(), every=0.0)
    page, figures = b"", {}
    for turn in ("first", "again"):
        page, figures[turn] = _cpu(pages.page)
    figures["bytes"] = len(page)
    drawn = [run.id for _, run in zip(range(200), reader.runs(), strict=False)]
    answer, figures["curves"] = _cpu(lambda: pages.curves("metrics", "loss", drawn))
    figures["curves_bytes"] = len(answer)
    _, figures["column"] = _cpu(lambda: pages.column("metrics", "loss"))
    turns: dict[str, list[float]] = {}
    with multitrack.start_run("bench", config={"delivery": "off", "journal": "journal"}) as run:
        for step in range(5):
            version = json.loads(pages.changes(1 << 60))["version"]
            run.log_metric("loss", 1 / (step + 1), step=step)
            news, spent = _cpu(lambda version=version: pages.changes(version))
            turns.setdefault("changed", []).append(spent)
            turns.setdefault("changed_bytes", []).append(len(news))
            turns.setdefault("nothing", []).append(_cpu(lambda: pages.changes(1 << 60))[1])
    figures |= {name: statistics.median(found) for name, found in turns.items()}
    with PageServer(Watched(reader.runs, Options(), every=60)) as server:
        return {**figures, **_opened(server.url)}


def _opened(url: str) -> Figures:
    """Open a page in Chromium, each time in a new tab's state.

    Returns:
        Medians: ``open``, seconds from the navigation to painted rows; ``renderer``, CPU seconds of the page's thread;
        ``nodes`` of the document; and ``heap``, bytes of JavaScript's heap.
    """
    from browser import chromium

    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as page:
        ask = page.driver.execute_cdp_cmd
        ask("Page.addScriptToEvaluateOnNewDocument", {"source": _USABLE})
        ask("Performance.enable", {"timeDomain": "threadTicks"})
        for _ in range(_TIMES):
            page.driver.get("about:blank")
            ask("HeapProfiler.collectGarbage", {})
            begun = _metrics(ask)
            page.driver.get(url)
            while page.js("window.usable") is None:
                time.sleep(0.05)
            ended = _metrics(ask)
            found.setdefault("open", []).append(page.js("window.usable") / 1000)
            found.setdefault("renderer", []).append(ended["TaskDuration"] - begun["TaskDuration"])
            found.setdefault("nodes", []).append(page.js("document.querySelectorAll('*').length"))
            ask("HeapProfiler.collectGarbage", {})
            found.setdefault("heap", []).append(_metrics(ask)["JSHeapUsedSize"])
    return {name: statistics.median(values) for name, values in found.items()}


def _metrics(ask: Callable[[str, dict[str, Any]], Any]) -> dict[str, float]:
    return {metric["name"]: metric["value"] for metric in ask("Performance.getMetrics", {})["metrics"]}


def _spent(whose: int) -> float:
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def _cpu(call: Callable[[], bytes]) -> tuple[bytes, float]:
    """The answer, and the CPU seconds of this process."""
    begun = time.process_time()
    answer = call()
    return answer, time.process_time() - begun


def page(results: Results) -> str:
    rows = [
        f"| the file, of runs of {POINTS:,} points | MB | written, CPU s | again, CPU s | memory, MiB | opened, s "
        "| of it CPU of the page, s | elements | heap, MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for runs in RUNS:
        name = _written(runs)
        if name in results:
            rows.append(
                f"| {runs:,} | {' | '.join(_cells(results, name, ('bytes', 'first', 'again', 'memory', *_OPENED)))} |"
            )
    rows += [
        "",
        "| served | MB | made, CPU s | again, CPU s | opened, s | of it CPU of the page, s | elements | heap, MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for runs in RUNS:
        name = _served(runs)
        if name in results:
            rows.append(f"| {runs:,} | {' | '.join(_cells(results, name, ('bytes', 'first', 'again', *_OPENED)))} |")
    rows += [
        "",
        "| a request of the served page | nothing changed, CPU ms | one run changed, CPU ms | its bytes "
        "| a graph of 200 curves, CPU ms | their MB | a column, CPU ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for runs in RUNS:
        name = _served(runs)
        if name in results:
            asked = ("nothing", "changed", "changed_bytes", "curves", "curves_bytes", "column")
            rows.append(f"| {runs:,} | {' | '.join(_cells(results, name, asked, _REQUESTS))} |")
    return "\n".join(rows)


_OPENED = ("open", "renderer", "nodes", "heap")
_FORMS = {
    "bytes": (1e-6, ".1f"), "memory": (1 / (1 << 20), ".0f"), "heap": (1 / (1 << 20), ".0f"), "nodes": (1, ",.0f"),
}  # fmt: skip
_REQUESTS = {
    "changed_bytes": (1, ",.0f"), "curves_bytes": (1e-6, ".1f"),
    **dict.fromkeys(("nothing", "changed", "curves", "column"), (1000.0, ".0f")),
}  # fmt: skip


def _cells(
    results: Results, name: str, figures: tuple[str, ...], forms: dict[str, tuple[float, str]] = _FORMS
) -> list[str]:
    found = []
    for figure in figures:
        factor, form = forms.get(figure, (1, ".2f"))
        found.append(f"{results.median(name, figure) * factor:{form}}")
    return found


def _written(runs: int) -> str:
    return f"a file of {runs:,} runs"


def _served(runs: int) -> str:
    return f"a served page of {runs:,} runs"


CASES = [
    *(Case(_written(runs), lambda scale, runs=runs: written(max(20, round(runs * scale)))) for runs in RUNS),
    *(Case(_served(runs), lambda scale, runs=runs: served(max(20, round(runs * scale)))) for runs in RUNS),
]
GROUP = Group("report", CASES, page, rounds=3, short=[CASES[-1], CASES[len(RUNS) - 1]])
