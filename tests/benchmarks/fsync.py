"""What ``fsync = seconds`` costs a training loop: one that does nothing but log, and one that computes in between."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable

from bench import Case, Figures, Group, Results, percentile

SETTINGS = (False, 30.0, 5.0, 1.0, 0.1)
#: Seconds that a loop computes between two calls.
WORK = (0.0, 0.001)


def loop(setting: bool | float, work: float) -> Callable[[float], Figures]:
    def run(scale: float) -> Figures:
        import multitrack

        seconds = 5 * scale
        took = array("q", bytes(8 * 4_000_000))
        tracked = multitrack.start_run("bench", config={"fsync": setting, "delivery": "off"}, backends=[])
        clock = time.perf_counter_ns
        until = time.perf_counter() + seconds
        step = 0
        while step < len(took) and time.perf_counter() < until:
            if work:
                done = time.perf_counter() + work
                while time.perf_counter() < done:
                    pass
            before = clock()
            tracked.log_metric("loss", 0.3141592653589793, step)
            took[step] = clock() - before
            step += 1
        ordered = sorted(took[:step])
        tracked.end()
        return {"rate": step / seconds, "p50": percentile(ordered, 0.5) / 1e9, "p99": percentile(ordered, 0.99) / 1e9,
                "worst": ordered[-1] / 1e9}  # fmt: skip

    return run


def name(setting: bool | float, work: float) -> str:
    return f"fsync = {str(setting).lower()}, {work * 1000:g} ms between calls"


def page(results: Results) -> str:
    rows = [
        "| between calls | `fsync` | calls a second, against `false` | p50 µs | p99 µs | worst ms |",
        "|---|---|---|---|---|---|",
    ]
    for work in WORK:
        for setting in SETTINGS:
            case = name(setting, work)
            rows.append(
                f"| {work * 1000:g} ms | {str(setting).lower()} | {results.ratio(case, 'rate', name(False, work))} | "
                f"{results.median(case, 'p50') * 1e6:.1f} | {results.median(case, 'p99') * 1e6:.1f} | "
                f"{results.median(case, 'worst') * 1e3:.1f} |"
            )
    return "\n".join(rows)


GROUP = Group(
    "fsync", [Case(name(setting, work), loop(setting, work)) for work in WORK for setting in SETTINGS], page, rounds=5
)
