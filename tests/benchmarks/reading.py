"""Reading back: thousands of runs side by side, and series of many points."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from bench import Case, Figures, Group, Results

#: Points of a run, and runs of a table.
POINTS = 1000
RUNS = (100, 1000, 10_000)
#: Points of a long series, and how many of them one graph overlays.
LONG = 100_000
OVERLAID = 50
#: The command, which then says the most memory that it had, in KiB; what ``getrusage`` says is its parent's.
_COMMAND = """
import re, sys
from multitrack.cli import main
try:
    main()
finally:
    print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
"""


def took(call: Callable[[], object], turns: int = 3) -> float:
    """Seconds of a call, the median of a few."""
    found = []
    for _ in range(turns):
        begun = time.perf_counter()
        call()
        found.append(time.perf_counter() - begun)
    return statistics.median(found)


def table(runs: int) -> Figures:
    """So many runs side by side: the first time, and by their summaries."""
    import journals

    from multitrack.compare import compare
    from multitrack.reading.opening import open_journal

    reader = open_journal(journals.ended(runs, POINTS))
    first = took(lambda: compare(reader.runs()), 1)
    warm = took(lambda: compare(reader.runs()))
    where = 'params.lr < 0.01 and metrics.accuracy > 0.9 and tags.stage = "prod" and status = finished'
    asked = took(
        lambda: compare(
            reader.runs(where=where), ["params", "metrics:min"], sort=["-metrics.accuracy"], best="metrics.loss:min"
        )
    )
    journal = ["--journal", str(reader.directory)]
    printed, memory = command("compare", *journal)
    csv, _ = command("compare", *journal, "--csv")
    listed, _ = command("runs", *journal)
    return {
        "first": first, "warm": warm, "asked": asked, "printed": printed, "csv": csv, "listed": listed, "memory": memory,
    }  # fmt: skip


def command(*arguments: str, turns: int = 3) -> tuple[float, float]:
    """Seconds of a command, from the process's start to its end, the median of a few; and its memory in bytes."""
    line = [sys.executable, "-c", _COMMAND, *arguments]
    said: list[str] = []
    seconds = took(
        lambda: said.append(
            subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
        ),
        turns,
    )
    return seconds, float(said[-1].split()[-1]) * 1024


def overlay(points: int) -> Figures:
    """Many long runs over each other: the first time, and by the curves that are kept of them."""
    import journals

    from multitrack.reading.opening import open_journal

    reader = open_journal(journals.ended(OVERLAID, 2 * points))
    runs = list(reader.runs())
    for run in runs:
        run.summary()  # which the courier leaves there
    journal = ["--journal", str(reader.directory)]
    figures = {"get_series": took(lambda: [run.get_series("loss") for run in runs], 1)}
    figures["first"], figures["first_memory"] = command("plot", *journal, "--metric", "loss", turns=1)
    figures["plot"], figures["plot_memory"] = command("plot", *journal, "--metric", "loss")
    figures["report"], figures["report_memory"] = command("report", *journal)
    return figures


def series(points: int) -> Figures:
    """One series of so many points, by each way, and one graph of many."""
    import journals

    from multitrack.reading.recorded_run import RecordedRun

    run = RecordedRun(journals.recorded(points, names=1))
    return {
        "get_series": took(lambda: run.get_series("metric_0"), 5),
        "get_all_series": took(run.get_all_series, 5),
        "get_metrics": took(lambda: run.get_metrics("metric_0")),
        "summary": took(run.summary, 5),
    }


_SERIES = f"a series of {LONG:,} points"
_OVERLAY = f"{OVERLAID} runs of two series of {LONG:,} points"


def page(results: Results) -> str:
    rows = [
        f"| runs of {POINTS:,} points | first, s | the table, s | filtered, reduced, sorted, the best, s "
        "| `multitrack compare`, s | its memory, MiB | with `--csv`, s | `multitrack runs`, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for runs in RUNS:
        name = _name(runs)
        cells = [results.spread(name, figure, form=".2f") for figure in ("first", "warm", "asked", "printed")]
        cells.append(results.spread(name, "memory", 1 / (1 << 20), ".0f"))
        cells += [results.spread(name, figure, form=".2f") for figure in ("csv", "listed")]
        rows.append(f"| {runs:,} | {' | '.join(cells)} |")
    rows += ["", f"| {_SERIES} | ms |", "|---|---|"]
    for figure, words in (
        ("get_series", "`get_series`"), ("get_all_series", "`get_all_series`"), ("get_metrics", "`get_metrics`"),
        ("summary", "`summary`, as it is kept"),
    ):  # fmt: skip
        rows.append(f"| {words} | {results.spread(_SERIES, figure, 1e3, '.3g')} |")
    rows += ["", f"| {_OVERLAY} | s | memory, MiB |", "|---|---|---|"]
    for figure, words in (
        ("get_series", "`get_series` of each: all points"), ("first", "`multitrack plot`, the first time"),
        ("plot", "`multitrack plot`, again"), ("report", "`multitrack report`, again, of both series"),
    ):  # fmt: skip
        memory = "" if figure == "get_series" else results.spread(_OVERLAY, f"{figure}_memory", 1 / (1 << 20), ".0f")
        rows.append(f"| {words} | {results.spread(_OVERLAY, figure, form='.2f')} | {memory} |")
    return "\n".join(rows)


def _name(runs: int) -> str:
    return f"{runs:,} runs"


GROUP = Group(
    "reading",
    [
        *(Case(_name(runs), lambda scale, runs=runs: table(max(1, round(runs * scale)))) for runs in RUNS),
        Case(_SERIES, lambda scale: series(max(1, round(LONG * scale)))),
        Case(_OVERLAY, lambda scale: overlay(max(1, round(LONG * scale)))),
    ],
    page,
    rounds=3,
)
