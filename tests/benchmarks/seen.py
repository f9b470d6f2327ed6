"""What a delivery is like from outside: when a point can be seen in the tracker, and what the courier takes meanwhile."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from bench import Case, Figures, Results
from byhand import Mlflow, Row, Wandb

#: Name, tracker, and how many points are waited for.
SEEN: tuple[tuple[str, Callable[[], Mlflow | Wandb], int], ...] = (
    ("MLflow on SQLite", lambda: Mlflow(http=False), 15),
    ("MLflow server", lambda: Mlflow(http=True), 15),
    ("W&B online (stand-in)", lambda: Wandb(online=True), 3),
)


def latency(make: Callable[[], Mlflow | Wandb], samples: int) -> Callable[[float], Figures]:
    """From the call until the tracker's own reader shows the point, with the courier that is the default."""

    def run(scale: float) -> Figures:
        import multitrack

        with make() as tracker:
            config = {tracker.name: tracker.options}
            tracked = multitrack.start_run("bench", run_id="seen", backends=[tracker.name], config=config)
            tracked.wait_open(120)
            tracker.id = tracked.backend_ids[tracker.name]
            figures = _waited(tracker, lambda step: tracked.log_metric("metric_0", 0.5, step=step), samples * scale)
            tracked.end()
        return figures

    return run


def own_latency(make: Callable[[], Mlflow | Wandb], samples: int) -> Callable[[float], Figures]:
    """The same of the tracker alone, by hand."""

    def run(scale: float) -> Figures:
        with make() as tracker:
            tracker.open("seen")
            now = time.time_ns() // 1_000_000
            figures = _waited(tracker, lambda step: tracker.best([Row(step, now, {"metric_0": 0.5})]), samples * scale)
            tracker.close()
        return figures

    return run


def _waited(tracker: Mlflow | Wandb, log: Callable[[int], object], samples: float) -> Figures:
    tracker.count("seen")  # the reader imports the SDK the first time
    chance = random.Random(0)
    took = []
    for step in range(max(1, int(samples))):
        time.sleep(chance.random())  # anywhere in the courier's second
        begun = time.perf_counter()
        log(step)
        while tracker.count("seen") <= step:
            time.sleep(0.005)
        took.append(time.perf_counter() - begun)
    return {"median": statistics.median(took), "worst": max(took)}


def courier(backend: str, points: int) -> Callable[[float], Figures]:
    """A training that logs as fast as it can: the courier's CPU a point, and its memory on the way."""

    def run(scale: float) -> Figures:
        from many_points import measure

        rows = measure(max(2000, int(points * scale)), backend, Path.cwd(), os.environ["PYTHONPATH"])
        there = [row for row in rows if row["courier"] > 1]
        first, last = there[0], there[-1]
        # What tells repeats of a point apart is full by then.
        later = [row["courier"] for row in there if row["delivered"] >= points // 2] or [last["courier"]]
        cpu = (last["cpu"] - first["cpu"]) / max(1, last["delivered"] - first["delivered"])
        return {"cpu": cpu, "half": later[0], "most": max(later), "training": max(row["training"] for row in rows)}

    return run


LATENCIES = tuple(
    case
    for shown, make, samples in SEEN
    for case in (
        Case(f"{shown}, seen", latency(make, samples)),
        Case(f"{shown}, seen by hand", own_latency(make, samples)),
    )
)
COURIERS = tuple(
    Case(f"courier, {backend}", courier(backend, points))
    for backend, points in (("neptune", 500_000), ("wandb", 50_000), ("mlflow", 50_000))
)


def seen_page(results: Results) -> str:
    """Both tables."""
    rows = [
        "| from the call until it can be read in the tracker | median, s | worst, s | the tracker alone, median | worst |",
        "|---|---|---|---|---|",
    ]
    for shown, _, _ in SEEN:
        mine, own = f"{shown}, seen", f"{shown}, seen by hand"
        if mine not in results:
            continue
        figures = [results.spread(case, figure, form=".2f") for case in (mine, own) for figure in ("median", "worst")]
        rows.append(f"| {shown} | {' | '.join(figures)} |")
    rows += [
        "",
        "The target is at most `interval`, 1 s by default, plus the tracker's own time. W&B offline and Neptune offline have nothing to read before a run's end.",
        "",
        "| courier, with the SDK and its helper process | CPU µs a point | MB half way | most after that | training process, MB |",
        "|---|---|---|---|---|",
    ]
    for case in COURIERS:
        if case.name not in results:
            continue
        figures = [results.spread(case.name, "cpu", 1e6)]
        figures += [results.spread(case.name, figure, form=".0f") for figure in ("half", "most", "training")]
        rows.append(f"| {case.name.partition(', ')[2]} | {' | '.join(figures)} |")
    return "\n".join(rows)
