"""What one recording call costs the training thread: against the bare ``write`` of the same bytes, and against peers."""

from __future__ import annotations

import gc
import os
import statistics
import threading
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import Case, Figures, Group, Results, percentile
from peers import PEERS, Peer, killed

Call = Callable[[int], object]

#: Stretches of each loop; ours and the bare one by turns.
TURNS = 10
THREADS = 8


def ours(make: Callable[[Any], Call], calls: int) -> Callable[[float], Figures]:
    """A case of ours: ``make`` gets the open run and gives back the call of a step."""

    def run(scale: float) -> Figures:
        import multitrack
        from multitrack.journal.segments import segment_path

        count = max(TURNS, THREADS, int(calls * scale))
        tracked = multitrack.start_run("bench", config={"delivery": "off"}, backends=[])
        call = make(tracked)
        call(0)  # the first meets names that nobody has checked yet
        assert tracked.directory is not None
        segment = segment_path(tracked.directory, 1)
        before = segment.stat().st_size
        for step in range(TURNS):
            call(step)
        size = (segment.stat().st_size - before) // TURNS
        figures = {**each(call, count), **together(call, count)}
        figures |= against_write(call, size, count)
        figures |= allocated(call, min(count, 1000))
        figures |= {"bytes": size, "calls": count}
        tracked.end()
        return figures

    return run


def each(call: Call, count: int) -> Figures:
    """Median, 99th percentile and worst of single calls; the clock's own 0.05 µs are in it."""
    took = array("q", bytes(8 * count))
    clock = time.perf_counter_ns
    for step in range(count):
        before = clock()
        call(step)
        took[step] = clock() - before
    return summed(took)


def together(call: Call, count: int) -> Figures:
    """The same from :data:`THREADS` threads at once, and how many calls a second all of them made."""
    took: list[array[int]] = []
    ready = threading.Barrier(THREADS + 1)

    def work() -> None:
        own = array("q", bytes(8 * (count // THREADS)))
        clock = time.perf_counter_ns
        ready.wait()
        for step in range(len(own)):
            before = clock()
            call(step)
            own[step] = clock() - before
        took.append(own)

    workers = [threading.Thread(target=work) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    ready.wait()
    begun = time.perf_counter()
    for worker in workers:
        worker.join()
    passed = time.perf_counter() - begun
    figures = summed(array("q", [value for own in took for value in own]))
    return {
        **{f"{name} of all": value for name, value in figures.items()},
        "rate of all": THREADS * (count // THREADS) / passed,
    }


def summed(took: array[int]) -> Figures:
    ordered = sorted(took)
    return {
        "p50": percentile(ordered, 0.5) / 1e9,
        "p99": percentile(ordered, 0.99) / 1e9,
        "worst": ordered[-1] / 1e9,
    }


def against_write(call: Call, size: int, count: int) -> Figures:
    """Seconds a call in a tight loop, and of the bare ``write`` of as many bytes, by turns in one process."""
    line = b"x" * (size - 1) + b"\n"
    out = os.open("bare.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    write = os.write
    stretch = count // TURNS
    mine, bare = [], []
    gc.collect()
    for _ in range(TURNS):
        mine.append(tight(call, stretch))
        begun = time.perf_counter()
        for _ in range(stretch):
            write(out, line)
        bare.append((time.perf_counter() - begun) / stretch)
    os.close(out)
    Path("bare.jsonl").unlink()
    ratio = statistics.median(a / b for a, b in zip(mine, bare, strict=True))
    return {"tight": statistics.median(mine), "write": statistics.median(bare), "ratio": ratio}


def tight(call: Call, count: int) -> float:
    """Seconds a call in a loop that does nothing else."""
    begun = time.perf_counter()
    for step in range(count):
        call(step)
    return (time.perf_counter() - begun) / count


def allocated(call: Call, count: int) -> Figures:
    """Bytes of Python's heap that a call has at its highest, and those it leaves behind."""
    import tracemalloc

    tracemalloc.start()
    for step in range(10):
        call(step)
    before, _ = tracemalloc.get_traced_memory()
    highest = array("q", bytes(8 * count))  # nothing of our own may grow meanwhile
    for step in range(count):
        tracemalloc.reset_peak()
        now, _ = tracemalloc.get_traced_memory()
        call(step)
        highest[step] = tracemalloc.get_traced_memory()[1] - now
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"highest": statistics.median(highest), "kept": (after - before) / count}


def by_hand(scale: float) -> Figures:
    """The least that Python can do: one dict, one JSON line by msgspec, one ``write``; nothing checked, no lock."""
    import msgspec

    count = max(TURNS, int(200_000 * scale))
    out = os.open("hand.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    encode, write, clock = msgspec.json.Encoder().encode, os.write, time.time_ns
    value = 0.3141592653589793

    def call(step: int) -> None:
        record = {"record": "metric", "time": clock() // 1_000_000, "values": {"loss": value}, "step": step}
        write(out, encode(record) + b"\n")

    size = 88
    return {
        **each(call, count),
        **against_write(call, size, count),
        **allocated(call, min(count, 1000)),
        "bytes": size,
        "calls": count,
    }


def metric(run: Any) -> Call:
    log = run.log_metric
    return lambda step: log("loss", 0.3141592653589793, step)


def metrics(run: Any) -> Call:
    values = {f"metric_{i}": 0.3141592653589793 + i for i in range(10)}
    log = run.log_metrics
    return lambda step: log(values, step)


def listed(length: int, kind: str) -> Callable[[Any], Call]:
    def make(run: Any) -> Call:
        import random

        chance = random.Random(0)
        values: Any = [chance.random() for _ in range(length)]
        if kind == "numpy":
            import numpy

            values = numpy.array(values)
        elif kind == "numpy float32":
            import numpy

            values = numpy.array(values, dtype="float32")
        return lambda step: run.log_list_metric("losses", values)

    return make


def lines(count: int) -> Callable[[Any], Call]:
    def make(run: Any) -> Call:
        text = [f"epoch {i}: loss 0.3141, accuracy 0.93, 12 s" for i in range(count)]
        given: Any = text[0] if count == 1 else text
        return lambda step: run.log_lines(given)

    return make


def params(run: Any) -> Call:
    count = [0]

    def call(step: int) -> None:
        first = count[0]
        count[0] += 100
        run.log_params({f"layer_{i}/units": i for i in range(first, first + 100)})

    return call


OURS = (
    Case("`log_metric`", ours(metric, 200_000)),
    Case("by hand: a dict, `msgspec`, `write`", by_hand),
    Case("`log_metrics` of 10", ours(metrics, 100_000)),
    Case("`log_list_metric` of 1,000, numpy", ours(listed(1000, "numpy"), 5_000)),
    Case("`log_list_metric` of 1,000, numpy float32", ours(listed(1000, "numpy float32"), 5_000)),
    Case("`log_list_metric` of 1,000, list", ours(listed(1000, "list"), 5_000)),
    Case("`log_list_metric` of 1,000,000, numpy", ours(listed(1_000_000, "numpy"), 16)),
    Case("`log_list_metric` of 1,000,000, list", ours(listed(1_000_000, "list"), 16)),
    Case("`log_lines` of 1", ours(lines(1), 100_000)),
    Case("`log_lines` of 1,000", ours(lines(1000), 2_000)),
    Case("`log_params` of 100", ours(params, 300)),
)


def peer(one: Peer) -> Callable[[float], Figures]:
    """A case of another tracker."""

    def run(scale: float) -> Figures:
        kept = {"kept": float(killed(one))} if callable(one.kept) else {}
        call = one.start()
        count = max(2 * TURNS, int(one.calls * scale))
        figures = {**each(call, count), **kept}  # the same way, and in the same order, as ours
        gc.collect()
        return {
            **figures,
            "tight": statistics.median(tight(call, count // TURNS) for _ in range(TURNS)),
            "calls": count,
        }

    return run


def page(results: Results) -> str:
    def micro(case: str, figure: str) -> str:
        value = results.median(case, figure) * 1e6
        return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"

    rows = [
        "| call | µs in a tight loop | × the bare `write` of its bytes | p50 µs | p99 µs | worst µs | of calls | bytes | heap at its highest | left on the heap |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    measured = [case for case in OURS if case.name in results]
    for case in measured:
        name = case.name
        size, highest, kept = (results.median(name, key) for key in ("bytes", "highest", "kept"))
        rows.append(
            f"| {name} | {micro(name, 'tight')} | {results.spread(name, 'ratio', form='.2f')} | {micro(name, 'p50')} | "
            f"{micro(name, 'p99')} | {micro(name, 'worst')} | {results.median(name, 'calls'):,.0f} | {size:,.0f} | {highest:,.0f} | {kept:,.0f} |"
        )
    rows += [
        "", f"| from {THREADS} threads at once | p50 µs | p99 µs | worst µs | calls a second, all together |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for case in measured:
        if "rate of all" in results.rounds[case.name][0]:
            name, rate = case.name, results.median(case.name, "rate of all")
            rows.append(
                f"| {name} | {micro(name, 'p50 of all')} | {micro(name, 'p99 of all')} | {micro(name, 'worst of all')} | {rate:,.0f} |"
            )
    first = OURS[0].name
    rows += [
        "", "| one scalar | µs in a tight loop | × ours | p50 µs | p99 µs | worst µs | of calls | after `kill -9` |",
        "|---|---|---|---|---|---|---|---|",
        f"| multitrack, `log_metric` | {micro(first, 'tight')} | 1 | {micro(first, 'p50')} | {micro(first, 'p99')} | {micro(first, 'worst')} | {results.median(first, 'calls'):,.0f} | all |",
    ]  # fmt: skip
    for one in PEERS:
        if one.name in results:
            kept = f"{results.median(one.name, 'kept'):,.0f} of 1,000" if callable(one.kept) else one.kept
            rows.append(
                f"| {one.name} | {micro(one.name, 'tight')} | {results.ratio(one.name, 'tight', first, form='.1f')} | "
                f"{micro(one.name, 'p50')} | {micro(one.name, 'p99')} | {micro(one.name, 'worst')} | {results.median(one.name, 'calls'):,.0f} | {kept} |"
            )
    return "\n".join(rows)


THEIRS = tuple(Case(one.name, peer(one), one.python) for one in PEERS)
#: Without lists of a million, and of the peers those that begin at once.
SHORT = (*(case for case in OURS if "1,000,000" not in case.name), *THEIRS[:3], THEIRS[8])
GROUP = Group("call", (*OURS, *THEIRS), page, short=SHORT)
