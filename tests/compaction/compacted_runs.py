"""A service of some days, with everything that a run may record, and its segments."""

import random
from collections.abc import Sequence
from pathlib import Path

import multitrack
from monitor_clock import Clock
from multitrack.compaction.runs import Compacting, compact_runs
from multitrack.journal.manifest import Compaction
from multitrack.reading.recorded_run import RecordedRun

DAY = 86_400_000


def service(clock: Clock, *, backends: Sequence[str] = (), days: int = 1, every: int = 5_000) -> RecordedRun:
    """A run of one prediction every few seconds, whose writer began a new segment on each day."""
    numbers = random.Random(1)
    run = multitrack.start_run(
        "shop", "service", deployment="eu", params={"model": "v2"}, backends=list(backends),
        config={"delivery": "off", "compact_after": "1d"},
    )  # fmt: skip
    for i in range(days * DAY // every):
        clock.ms += every
        run.log_metrics({"score": int(numbers.random() < 0.9), "latency": numbers.lognormvariate(-4, 0.7)})
        if i % 50 == 0:
            run.log_lines([f"request {i}", "served"])
        if i % 500 == 0:
            run.log_metric("loss", 1 / (i + 1), step=i)
            run.log_list_metric("pixels", [i, 1.5])
            run.set_tags({"i": str(i)})
        if i % 700 == 0:
            run.log_metric("latency", float("nan"))
    run.end()
    assert run.directory is not None
    return RecordedRun(run.directory)


def compacted(run: RecordedRun, *kinds: str, after: float = 1.0) -> Compacting:
    (found,) = compact_runs([run.directory], Compaction(after, list(kinds) or ["metrics"]))
    return found


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("0*.jsonl"))
