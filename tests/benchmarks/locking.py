"""What leases beside locks cost (docs/delivery.md): a record, a run's start and end, and a lane. Processor time alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from bench import Case, Figures, Group, Results

SETTINGS = ("flock", "lease")


def measured(setting: str) -> Callable[[float], Figures]:
    def run(scale: float) -> Figures:
        import multitrack

        # As a run with a courier has: glibc is faster in processes of a single thread.
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        config = {"locks": setting, "delivery": "off", "code": []}
        multitrack.start_run("bench", config=config, backends=[]).end()  # imports, and the journal's mark
        clock = time.process_time
        runs = max(1, round(300 * scale))
        begin = clock()
        for _ in range(runs):
            multitrack.start_run("bench", config=config, backends=[]).end()
        started = clock() - begin
        tracked = multitrack.start_run("bench", config=config, backends=[])
        log, calls = tracked.log_metric, max(1000, round(500_000 * scale))
        for step in range(1000):
            log("loss", 0.3141592653589793, step)
        begin = clock()
        for step in range(calls):
            log("loss", 0.3141592653589793, step)
        took = clock() - begin
        tracked.end()
        return {"record": took / calls, "run": started / runs}

    return run


def page(results: Results) -> str:
    rows = ["| `locks` | processor time of `log_metric`, µs | against `flock` | of `start_run` and `end`, ms |",
            "|---|---|---|---|"]  # fmt: skip
    rows += [
        f"| {setting} | {results.median(setting, 'record') * 1e6:.2f} | {results.ratio(setting, 'record', 'flock')} | "
        f"{results.median(setting, 'run') * 1e3:.2f} |"
        for setting in SETTINGS
    ]
    return "\n".join(rows)


GROUP = Group("locking", [Case(setting, measured(setting)) for setting in SETTINGS], page, rounds=7)
