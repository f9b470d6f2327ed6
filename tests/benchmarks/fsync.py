"""What ``fsync = seconds`` costs a training loop: each setting in a fresh process, interleaved, medians.

    python tests/benchmarks/fsync.py [--rounds 7] [--seconds 5] [--json]

Two loops: one that does nothing but log, and one that computes a millisecond between calls, as training does.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

SETTINGS = ("false", "30", "5", "1", "0.1")


def loop(setting: str, seconds: float, work: float) -> dict[str, float]:
    """One loop, in this process: calls a second, and how long the calls took (µs)."""
    import multitrack

    config = {"fsync": False if setting == "false" else float(setting), "delivery": "off"}
    took: list[int] = []
    with multitrack.start_run(config=config) as run:
        until = time.perf_counter() + seconds
        step = 0
        while time.perf_counter() < until:
            if work:
                done = time.perf_counter() + work
                while time.perf_counter() < done:
                    pass
            before = time.perf_counter_ns()
            run.log_metrics({"loss": 1 / (step + 1), "accuracy": 0.5}, step=step)
            took.append(time.perf_counter_ns() - before)
            step += 1
    took.sort()
    return {"rate": step / seconds, "p50": took[len(took) // 2] / 1e3, "p99": took[len(took) * 99 // 100] / 1e3,
            "worst": took[-1] / 1e3}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each loop")
    parser.add_argument("--json", action="store_true", help="all figures as JSON instead of the table")
    parser.add_argument("--loop", help=argparse.SUPPRESS)
    parser.add_argument("--work", type=float, default=0.0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.loop:
        print(json.dumps(loop(given.loop, given.seconds, given.work)))
        return
    found: dict[tuple[float, str], list[dict[str, float]]] = {}
    for round_ in range(given.rounds):
        for work in (0.0, 0.001):
            for setting in SETTINGS:
                print(f"round {round_ + 1}/{given.rounds}: fsync = {setting}, work {work:g} s", file=sys.stderr)
                found.setdefault((work, setting), []).append(measure(setting, given.seconds, work))
    if given.json:
        print(json.dumps([{"work": work, "fsync": setting, "rounds": rows} for (work, setting), rows in found.items()]))
    else:
        print_table(found)


def measure(setting: str, seconds: float, work: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            [sys.executable, __file__, "--loop", setting, "--seconds", str(seconds), "--work", str(work)],
            cwd=directory, check=True, capture_output=True, text=True,
        )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def print_table(found: dict[tuple[float, str], list[dict[str, float]]]) -> None:
    print(
        "| between calls | fsync | calls a second, against false | p50 µs | p99 µs | worst ms |\n|---|---|---|---|---|---|"
    )
    for (work, setting), rows in found.items():
        ratios = [row["rate"] / base["rate"] for row, base in zip(rows, found[work, "false"], strict=True)]
        middle = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        print(
            f"| {work * 1000:g} ms | {setting} | {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) "
            f"| {middle['p50']:.1f} | {middle['p99']:.1f} | {middle['worst'] / 1000:.1f} |"
        )


if __name__ == "__main__":
    main()
