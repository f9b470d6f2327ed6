"""Growth: what one of something costs when there are ten thousand times as many, and the exponent."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import io
import math
import os
import resource
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import Case, Figures, Group, Results

cpu = time.process_time


@dataclasses.dataclass(frozen=True)
class Growth:
    """One thing at several sizes.

    Attributes:
        what: What is counted.
        sizes: How many there are.
        run: Measures at one size; the scale shortens loops that the size does not.
        figures: What it gives, with the words and the unit of the table.
    """

    what: str
    sizes: Sequence[int]
    run: Callable[[int, float], Figures]
    figures: dict[str, tuple[str, str]]

    def cases(self) -> Iterator[Case]:
        for size in self.sizes:
            yield Case(self.name(size), lambda scale, size=size: self.run(_some(size, scale), scale))

    def name(self, size: int) -> str:
        return f"{self.what}: {size:,}"


def _some(count: int, scale: float) -> int:
    return max(1, round(count * scale))


class Memory:
    """By how much a stretch of code raises the most that this process ever had."""

    def __init__(self) -> None:
        gc.collect()
        self._before = _peak()

    def __float__(self) -> float:
        return _peak() - self._before


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def each(call: Callable[[int], object], count: int, turns: int = 5) -> float:
    """CPU seconds of a call, the median of a few stretches."""
    stretch = max(1, count // turns)
    took = []
    for turn in range(turns):
        begun = cpu()
        for i in range(turn * stretch, (turn + 1) * stretch):
            call(i)
        took.append((cpu() - begun) / stretch)
    return statistics.median(took)


def resumed(size: int, scale: float) -> Figures:
    """Resume a run of so many records, and record."""
    import journals

    import multitrack

    directory = journals.recorded(size)
    memory = Memory()
    begun = cpu()
    run = multitrack.start_run(run_id=directory.name, config=journals.config(), backends=[])
    start = cpu() - begun
    call = each(lambda i: run.log_metric("loss", 0.5, step=i), _some(50_000, scale))
    run.end()
    begun = cpu()
    again = multitrack.start_run(run_id=directory.name, config=journals.config(), backends=[])
    cached = cpu() - begun
    again.end()
    return {"start": start / size, "cached": cached, "call": call, "memory": float(memory)}


def killed(size: int, _scale: float) -> Figures:
    """Record so many in a process that is killed then, and resume the run."""
    import journals

    import multitrack

    if (pid := os.fork()) == 0:
        run = multitrack.start_run("bench", config=journals.config(), backends=[])
        took = each(lambda i: run.log_metric("loss", 0.5, step=i), size)
        Path("took").write_text(str(took))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    (directory,) = Path("journal/runs").iterdir()
    begun = cpu()
    run = multitrack.start_run(run_id=directory.name, config=journals.config(), backends=[])
    resumed = cpu() - begun
    assert run.integration.has_series
    run.end()
    return {"resumed": resumed, "call": float(Path("took").read_text())}


def delivered(size: int, _scale: float) -> Figures:
    """Deliver a run of so many records to a backend that takes everything; then read it for a listing."""
    import journals

    directory = journals.recorded(size)
    return {**_deliver(directory, size), "listing": _summary(directory) / size}


def _deliver(directory: Any, records: int) -> Figures:
    from multitrack.delivery.lane import Lane
    from multitrack.journal.manifest import read_manifest

    memory = Memory()
    begun = cpu()
    (entry,) = read_manifest(directory).backends
    lane = Lane(directory, entry, options={}, notice=print)
    while not lane.done:
        lane.step()
    assert lane.state.position >= records, lane.state
    return {"deliver": (cpu() - begun) / records, "memory": float(memory)}


def _summary(directory: Any) -> float:
    from multitrack.reading.recorded_run import RecordedRun

    begun = cpu()
    RecordedRun(directory).summary()
    return cpu() - begun


def keyed(size: int, scale: float) -> Figures:
    """Calls with so many keys."""
    import journals

    import multitrack

    run = multitrack.start_run("bench", config=journals.config(), backends=[])
    values = {f"metric_{i}": 0.3141592653589793 + i for i in range(size)}
    call = each(lambda i: run.log_metrics(values, step=i), max(50, _some(200_000, scale) // size))
    run.end()
    records = max(20, _some(200_000, scale) // size)
    return {"call": call / size, "deliver": _deliver(journals.recorded(records, size, size), records)["deliver"] / size}


def named(size: int, scale: float) -> Figures:
    """Calls with so many different metrics in turn."""
    import journals

    import multitrack

    run = multitrack.start_run("bench", config=journals.config(), backends=[])
    names = [f"metric_{i}" for i in range(size)]
    for name in names:
        run.log_metric(name, 0.5, step=0)
    call = each(lambda i: run.log_metric(names[i % size], 0.5, step=1 + i // size), _some(200_000, scale))
    run.end()
    records = _some(300_000, scale)
    return {"call": call, "deliver": _deliver(journals.recorded(records, names=size), records)["deliver"]}


def listed(size: int, _scale: float) -> Figures:
    """So many runs in the journal."""
    import journals

    import multitrack

    journals.delivered(size)

    def one(i: int) -> None:
        multitrack.start_run("bench", config=journals.config(), backends=[]).end()

    return {
        "start": each(one, 20),
        "runs": _command("runs", warm=("runs", "--limit", "1")) / size,
        "sync": _command("sync", warm=("sync",)) / size,
    }


def _command(name: str, warm: tuple[str, ...]) -> float:
    """A command within this process, which has imported by then what it needs."""
    from multitrack.cli import main

    with contextlib.redirect_stdout(io.StringIO()):
        main([*warm, "--journal", "journal"], standalone_mode=False)
        begun = cpu()
        main([name, "--journal", "journal"], standalone_mode=False)
    return cpu() - begun


def synced(size: int, _scale: float) -> Figures:
    """So many runs of 10 records, ended, to be delivered at once."""
    import journals

    import multitrack

    journals.delivered(size, pending=True)
    memory = Memory()
    begun = cpu()
    reports = multitrack.sync("journal", trust=journals.NAMES)
    took = cpu() - begun
    assert len(reports) == size
    assert all(report.complete for report in reports.values())
    return {"sync": took / size, "memory": float(memory)}


def watched(size: int, _scale: float) -> Figures:
    """So many open runs that a courier watches, all delivered."""
    import journals

    import multitrack
    from multitrack.courier.loop import Courier

    runs = [multitrack.start_run("bench", config=journals.config(), backends=[journals.NAMES[0]]) for _ in range(size)]
    courier = Courier(print)
    lanes = [lane for run in runs for lane in courier.add(run.directory, {"null1": {}}, interval=0.01)]
    memory = Memory()
    courier.run(lambda: all(lane.idle and not lane.busy for lane in lanes))
    looks = iter(range(20))
    next(looks)
    begun = cpu()
    courier.run(lambda: next(looks, None) is None)
    took = (cpu() - begun) / 20
    figures = {"look": took / size, "memory": float(memory)}
    courier.close()
    for run in runs:
        run.end()
    return figures


def children(size: int, _scale: float) -> Figures:
    """So many child runs of one process, one after the other, beside a courier process; and the parent's end."""
    import journals

    import multitrack

    def one(i: int) -> None:
        with multitrack.start_run(parent=parent) as child:
            child.log_metric("loss", 0.5, step=i)

    parent = multitrack.start_run("bench", config=journals.config("process"), backends=[journals.NAMES[0]])
    one(0)
    memory = Memory()
    begun = cpu()
    for i in range(size):
        one(i)
    between = cpu()
    report = parent.end()
    took = cpu() - between
    assert report.complete, report
    return {"child": (between - begun) / size, "end": took / size, "memory": float(memory)}


def trials(size: int, _scale: float) -> Figures:
    """So many trials of a search that trains nothing: KerasTuner's own share, and that of a tracked tuner."""
    os.environ |= {"KERAS_BACKEND": "jax", "CUDA_VISIBLE_DEVICES": "-1"}
    import journals
    import keras_tuner

    import multitrack
    from multitrack.keras_tuner import tracked

    class Search(keras_tuner.RandomSearch):  # type: ignore[misc]
        def run_trial(self, trial: Any, *_: Any, **__: Any) -> float:
            return float(trial.hyperparameters.values["x"])

    figures = {}
    for name, tuner in (("plain", Search), ("tracked", tracked(Search))):
        space = keras_tuner.HyperParameters()
        space.Float("x", 0.0, 1.0)
        search = tuner(max_trials=size, directory=name, project_name="p", hyperparameters=space)
        with (
            contextlib.redirect_stdout(io.StringIO()),
            multitrack.start_run("bench", config=journals.config(), backends=[]),
        ):
            begun = cpu()
            search.search(verbose=0)
            figures[name] = (cpu() - begun) / size
    return {"plain": figures["plain"], "added": figures["tracked"] - figures["plain"]}


def fanned(size: int, scale: float) -> Figures:
    """So many backends."""
    import journals

    import multitrack

    def start() -> multitrack.Run:
        return multitrack.start_run("bench", config=journals.config(), backends=journals.NAMES[:size])

    start().end()
    starts = each(lambda i: start().end(), 20)
    run = start()
    calls = _some(100_000, scale)
    call = each(lambda i: run.log_metric("loss", 0.5, step=i), calls)
    run.end()
    return {"start": starts, "call": call, "deliver": _deliver(run.directory, calls)["deliver"] / size}


US, MS, MIB = "µs", "ms", "MiB"
_FACTORS = {US: 1e6, MS: 1e3, MIB: 1 / (1 << 20)}
RECORDS = (10**3, 10**5, 10**7)
GROWTHS = (
    Growth("records in the run", RECORDS, resumed, {
        "call": ("`log_metric`", US), "start": ("resuming the run, per record", US),
        "cached": ("resuming it once more, in all", MS), "memory": ("resuming it, memory", MIB),
    }),
    Growth("records in a run that was killed", RECORDS, killed, {
        "resumed": ("resuming it, in all", MS), "call": ("`log_metric`, with checkpoints", US),
    }),
    Growth("records to deliver", RECORDS, delivered, {
        "deliver": ("delivering, per record", US), "memory": ("delivering, memory", MIB),
        "listing": ("`multitrack runs`, per record", US),
    }),
    Growth("keys a record", (1, 10, 100, 1000), keyed, {
        "call": ("`log_metrics`, per key", US), "deliver": ("delivering, per key", US),
    }),
    Growth("metrics' names", (1, 1000, 100_000), named, {
        "call": ("`log_metric`", US), "deliver": ("delivering, per record", US),
    }),
    Growth("runs in the journal", (1, 100, 10_000), listed, {
        "start": ("`start_run` and `end`", MS), "runs": ("`multitrack runs`, per run", MS),
        "sync": ("`multitrack sync` with nothing to do, per run", MS),
    }),
    Growth("runs to deliver at once", (1, 100, 3000), synced, {
        "sync": ("`multitrack sync`, per run", MS), "memory": ("its memory", MIB),
    }),
    Growth("runs open at once", (1, 100, 1000), watched, {
        "look": ("the courier's look, per run", US), "memory": ("its memory", MIB),
    }),
    Growth("child runs of a process", (10, 100, 1000), children, {
        "child": ("starting and ending one", MS), "memory": ("memory", MIB), "end": ("the parent's end, per run", MS),
    }),
    Growth("trials of a search", (10, 100, 1000), trials, {
        "plain": ("one in KerasTuner alone", MS), "added": ("added by a tracked tuner", MS),
    }),
    Growth("backends", (1, 2, 4, 8), fanned, {
        "start": ("`start_run` and `end`", MS), "call": ("`log_metric`", US),
        "deliver": ("delivering, per record and backend", US),
    }),
)  # fmt: skip


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The slope of the costs against the sizes, both as logarithms: 0 is flat, 1 grows as they do."""
    return statistics.linear_regression([math.log(n) for n in sizes], [math.log(max(c, 1e-12)) for c in costs]).slope


def page(results: Results) -> str:
    rows = ["| how many | what one costs | unit | at each size | exponent |", "|---|---|---|---|---|"]
    for growth in GROWTHS:
        for figure, (words, unit) in growth.figures.items():
            costs = [results.median(growth.name(size), figure) * _FACTORS[unit] for size in growth.sizes]
            shown = ", ".join(f"{size:,}: {cost:.3g}" for size, cost in zip(growth.sizes, costs, strict=True))
            power = "" if unit == MIB else f"{exponent(growth.sizes, costs):.2f}"
            rows.append(f"| {growth.what} | {words} | {unit} | {shown} | {power} |")
    return "\n".join(rows)


GROUP = Group("growth", [case for growth in GROWTHS for case in growth.cases()], page, rounds=3)
