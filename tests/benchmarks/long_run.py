"""A deployment that ran for a month: its size on disk, and a day's graph, with old records compacted and without."""

from __future__ import annotations

import random
import time
from pathlib import Path

from bench import Case, Figures, Group, Results

from reading import command

#: Predictions a second, each with score, latency and class; days; hours that are not compacted yet.
RATE = 100
DAYS = 30
_HOUR = 3_600_000
#: Lines written at once.
_BLOCK = 50_000


def month(rate: int, days: int, age: str) -> Figures:
    """Records a month an hour or a day at a time, as ``compact_after`` makes segments, and compacts what is old."""
    from multitrack.compaction.segment import rewrite

    now = time.time_ns() // 1_000_000
    first = now - days * 24 * _HOUR
    directory, period = _begun(age, first)
    values = _values()
    figures = {"raw": 0.0, "records": 0.0, "size": 0.0, "compacting": 0.0, "compacted": 0.0}
    for number, start in enumerate(range(first, now, period), 2):
        end = min(start + period, now)
        path = _segment(directory, number, start, end, rate, values)
        figures["raw"] += path.stat().st_size
        figures["records"] += (end - start) // 1000 * rate
        if end <= now - period:
            begun = time.process_time()
            rewritten = rewrite(path, ["metrics"])
            figures["compacting"] += time.process_time() - begun
            figures["compacted"] += rewritten.records
            figures["size"] += rewritten.after
    journal = ["--journal", str(directory.parent.parent)]
    ago = ["--since", "15d", "--until", "14d"]
    figures["day"], _ = command("monitor", "latency", *journal, *ago)
    figures["today"], figures["memory"] = command("monitor", "latency", *journal, "--since", "1d")
    figures["all"], _ = command("monitor", "latency", *journal)
    return figures


def _begun(age: str, first: int) -> tuple[Path, int]:
    """A run as it is recorded with this ``compact_after``; its directory and the length of its segments in ms."""
    import journals
    import msgspec

    import multitrack
    from multitrack.journal.manifest import read_manifest, write_manifest

    settings = {**journals.config(), "compact_after": age}
    run = multitrack.start_run("bench", deployment="eu", config=settings, backends=[])
    multitrack.recording.lifecycle.join_context(run)
    assert run.directory is not None and run.manifest.compact is not None
    run.end()
    write_manifest(run.directory, msgspec.structs.replace(read_manifest(run.directory), created=first))
    return run.directory, round(run.manifest.compact.period * 1000)


def _values() -> list[str]:
    """The values of many predictions, of one that is wrong now and then, and takes some milliseconds."""
    numbers = random.Random(1)
    return [
        f'{{"score":{int(numbers.random() < 0.95)},"latency":{numbers.lognormvariate(-5, 0.4)},'
        f'"class":{numbers.randrange(10)}}}}}\n'
        for _ in range(100_003)
    ]


def _segment(directory: Path, number: int, start: int, end: int, rate: int, values: list[str]) -> Path:
    from multitrack.journal.encoding import encode
    from multitrack.journal.segments import segment_path
    from multitrack.records import Segment

    path = segment_path(directory, number)
    count = (end - start) // 1000 * rate
    with path.open("wb") as file:
        file.write(encode(Segment(time=start, segment=number, pid=1, host="bench", fork=True)))
        for begin in range(0, count, _BLOCK):
            lines = [
                f'{{"record":"metric","time":{start + i * 1000 // rate},"values":{values[i % len(values)]}'
                for i in range(begin, min(begin + _BLOCK, count))
            ]
            file.write("".join(lines).encode())
    return path


def page(results: Results) -> str:
    (name,) = results.rounds
    (found,) = results.rounds[name]
    rows = ['| a month with `compact_after = "1h"` | |', "|---|---|"]
    rows += [
        f"| records as they were written | {found['records'] / 1e6:,.0f} million, {found['raw'] / 1e6:,.0f} MB |",
        f"| on disk, compacted | {found['size'] / 1e6:.1f} MB, {found['size'] / DAYS / 1e6:.2f} MB a day |",
        f"| compacting | {found['compacting'] / found['compacted'] * 1e6:.2f} s of CPU a million records |",
        f"| `multitrack monitor latency` of a day two weeks ago | {found['day']:.2f} s |",
        f"| of the last 24 hours, two of them not compacted | {found['today']:.2f} s, {found['memory'] / (1 << 20):.0f} MiB |",
        f"| of the whole month | {found['all']:.2f} s |",
    ]
    return "\n".join(rows)


GROUP = Group(
    "long_run",
    [Case("1h", lambda scale: month(max(1, round(RATE * scale)), DAYS, "1h"))],
    page,
    rounds=1,
)
