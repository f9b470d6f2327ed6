"""A journal of up to a hundred thousand runs: the table, a filter, the best run, and a served report's updates."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import Case, Figures, Group, Results

#: Runs of a journal, and points of a run.
RUNS = (1000, 10_000, 100_000)
POINTS = 1000
#: Runs of a served report, and how many of them have changed since its last update.
WATCHED = 10_000
CHANGED = (0, 1, 10)
WHERE = 'params.lr < 0.001 and metrics.val_accuracy > 0.9 and tags.stage = "prod"'
BEST = "metrics.loss:min"
#: Seconds after which the index takes the runs that were written last.
_SETTLED = 3.0


class Measured:
    """Figures of calls: the processor time of this process and of its children, which a busy machine changes least."""

    def __init__(self) -> None:
        self.figures: Figures = {}

    def call(self, name: str, call: Callable[[], object], turns: int = 3) -> None:
        """Measure a call, the least of a few turns: CPU seconds, and seconds on the clock."""
        found = []
        for _ in range(turns):
            begun, began = _cpu(), time.perf_counter()
            call()
            found.append((_cpu() - begun, time.perf_counter() - began))
        self.figures[name], self.figures[f"{name}, clock"] = (min(each) for each in zip(*found, strict=True))


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def many(runs: int) -> Figures:
    """So many ended runs: the first time, from their summaries, and from the index; and by the command."""
    import simulated

    from multitrack.compare import compare
    from multitrack.reading.opening import open_journal
    from multitrack.summaries.run_index import NAME

    journal = simulated.ended(runs, POINTS)

    def table() -> None:
        compare(open_journal(journal).runs())

    measured = Measured()
    measured.call("cold", table, 1)
    time.sleep(_SETTLED)
    (journal / NAME).unlink(missing_ok=True)
    measured.call("summaries", table, 1)
    table()
    assert (journal / NAME).exists() or runs < 50, "the index was not written"
    measured.figures["bytes"] = (journal / NAME).stat().st_size / runs if runs >= 50 else 0
    measured.call("table", table)
    measured.call("filter", lambda: [*open_journal(journal).runs(where=WHERE)])
    measured.call("best", lambda: compare(open_journal(journal).runs(), ["name"], best=BEST).best)
    for name, arguments in {
        "runs": ["runs"], "runs --limit": ["runs", "--limit", "20"], "compare": ["compare"],
        "compare --where": ["compare", "--where", WHERE, "--limit", "20"],
        "compare --best": ["compare", "--best", BEST, "--limit", "20"],
    }.items():  # fmt: skip
        measured.call(name, lambda arguments=arguments: _command(journal, *arguments))  # type: ignore[misc]
    measured.figures["memory"] = _memory(journal)
    return measured.figures


def _command(journal: Path, *arguments: str) -> None:
    line = [sys.executable, "-m", "multitrack", *arguments, "--journal", str(journal)]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)


def _memory(journal: Path) -> float:
    """Bytes that ``multitrack compare`` of all runs has at most."""
    from reading import command

    return command("compare", "--journal", str(journal), turns=1)[1]


def watched(runs: int) -> Figures:
    """A served report of so many runs, of which some changed since its last update."""
    import simulated

    from multitrack.page.render import Options
    from multitrack.page.watched import Watched
    from multitrack.reading.opening import open_journal

    journal = simulated.ended(runs, POINTS)
    reader = open_journal(journal)
    for run in reader.runs():
        run.summary()
    time.sleep(_SETTLED)
    page = Watched(reader.runs, Options(charts=False), every=0.0)
    measured, version = Measured(), 0

    def update() -> None:
        nonlocal version
        version = json.loads(page.changes(version))["version"]

    measured.call("first", page.page, 1)
    update()
    for count in CHANGED:
        turns = []
        for turn in range(3):
            numbers = range(turn, runs, max(1, runs // count))[:count] if count else range(0)
            simulated.resume(journal, numbers)
            update_of = Measured()
            update_of.call("update", update, 1)
            turns.append(update_of.figures["update"])
        measured.figures[f"{count} changed"] = min(turns)
    return measured.figures


def page(results: Results) -> str:
    rows = [
        f"| runs of {POINTS:,} points | first, s | by their summaries, s | the table, s | a filter, s | the best run, s "
        "| on disk, bytes a run |",
        "|---|---|---|---|---|---|---|",
    ]
    measured = [runs for runs in RUNS if _name(runs) in results]
    for runs in measured:
        cells = [_spread(results, _name(runs), figure) for figure in ("cold", "summaries", "table", "filter", "best")]
        rows.append(f"| {runs:,} | {' | '.join(cells)} | {results.median(_name(runs), 'bytes'):.0f} |")
    commands = ("runs", "runs --limit", "compare", "compare --where", "compare --best")
    rows += ["", f"| command, s | {' | '.join(f'`{name}`' for name in commands)} | memory of `compare`, MiB |",
             f"|---|{'---|' * len(commands)}---|"]  # fmt: skip
    for runs in measured:
        cells = [_spread(results, _name(runs), figure) for figure in commands]
        rows.append(
            f"| {runs:,} runs | {' | '.join(cells)} | {results.median(_name(runs), 'memory') / (1 << 20):.0f} |"
        )
    rows += ["", f"| an update of a served report of {WATCHED:,} runs | ms |", "|---|---|"]
    rows += [f"| {count} changed | {results.spread(_WATCHED, f'{count} changed', 1e3, '.0f')} |" for count in CHANGED]
    rows.append(f"| its first page | {results.spread(_WATCHED, 'first', 1e3, '.0f')} |")
    return "\n".join(rows)


def _spread(results: Results, case: str, figure: str) -> str:
    """CPU seconds; and behind a stroke those on the clock, which differ on a busy machine."""
    return f"{results.median(case, figure):.2f} / {results.median(case, f'{figure}, clock'):.2f}"


def _name(runs: int) -> str:
    return f"{runs:,} runs"


_WATCHED = "a served report"
CASES = [
    *(Case(_name(runs), lambda scale, runs=runs: many(max(60, round(runs * scale)))) for runs in RUNS),
    Case(_WATCHED, lambda scale: watched(max(60, round(WATCHED * scale)))),
]
GROUP = Group("scale", CASES, page, rounds=1, short=[CASES[0], CASES[-1]])
