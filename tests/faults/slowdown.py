"""How much a faulty tracker slows training down: ``python tests/faults/slowdown.py``, ``--help`` for more.

Each measurement is a training process of its own: numpy on one thread, some metrics at every step, a log line now and
then. Its loop is timed inside of it, without its start and its end. Measurements come in pairs, by turns first and
second: the same calls without any tracker, and with one that is faulty. A ratio of 1.05 or less is the goal.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TRACKERS = ("mlflow", "wandb")
#: Of each tracker: well, then faulty from the moment that the run is open there; ``down``: never there at all.
FAULTS = ("healthy", "down", "refused", "reset", "hung", "429", "500", "401", "truncated", "html", "garbage", "slow")
OFF = "off altogether"


def loop(given: dict[str, Any]) -> None:
    """The training process: say when the run is open, train when told to, say how long it took."""
    import numpy as np

    import multitrack

    config = {"journal": "journal", **given["config"]}
    run = multitrack.start_run("slowdown", config=config, backends=given["backends"], disabled=given["disabled"])
    if given["open"]:
        run.wait_open(timeout=120)
    print("open", flush=True)
    sys.stdin.readline()
    weights = np.random.default_rng(0).standard_normal((160, 160)) / 13
    state, product = weights.copy(), np.empty_like(weights)
    began = time.perf_counter()
    for step in range(given["steps"]):
        for _ in range(4):
            # Nothing is allocated: where a heap happens to end makes a loop slower by up to 15 %, with or without us.
            np.tanh(np.matmul(state, weights, out=product), out=state)
        loss = float(np.einsum("ij,ij", state, state) / state.size)
        run.log_metrics({"loss": loss, "accuracy": 1 - loss, "rate": 1e-3}, step=step)
        if step % 50 == 0:
            run.log_lines([f"step {step}: loss {loss:.6f}"])
    print(time.perf_counter() - began, flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    run.end()
    print(time.perf_counter() - began, flush=True)


def measure(
    given: dict[str, Any], environment: dict[str, str], fail: Callable[[], None], *, until_end: bool
) -> tuple[float, float | None]:
    """Seconds of one loop, and of the run's end where it is wanted; else all is killed after the loop."""
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [sys.executable, __file__, "--loop", json.dumps(given)], cwd=directory,
            env={**os.environ, **environment, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            fail()
            process.stdin.write("go\n")
            process.stdin.flush()
            seconds = float(process.stdout.readline())
            if not until_end:
                return seconds, None
            return seconds, float(process.communicate("end\n")[0])
        finally:
            _kill(process, Path(directory) / "journal")


def _kill(process: subprocess.Popen[str], journal: Path) -> None:
    """The training and its courier, at once: the next measurement is to have the machine for itself."""
    process.kill()
    process.wait()
    for log in journal.glob("courier-*.log"):
        courier = int(log.stem.partition("-")[2])
        with contextlib.suppress(ProcessLookupError):
            os.kill(courier, signal.SIGKILL)
        while Path(f"/proc/{courier}").exists():
            time.sleep(0.05)
    time.sleep(0.3)  # for helper processes of SDKs, which notice by themselves


@contextlib.contextmanager
def trackers(names: set[str], scratch: Path) -> Iterator[dict[str, Any]]:
    """The sites of these trackers, by name."""
    from sites import MlflowServer, MlflowSite, WandbSite

    with contextlib.ExitStack() as stack:
        sites: dict[str, Any] = {}
        if "mlflow" in names:
            tell("starting an MLflow server")
            server = MlflowServer(scratch)
            stack.callback(server.kill)
            sites["mlflow"] = stack.enter_context(MlflowSite(server))
        if "wandb" in names:
            sites["wandb"] = stack.enter_context(WandbSite(scratch))
        yield sites


def fault_of(name: str) -> Any:
    import proxy

    return {
        "healthy": proxy.healthy, "down": None, "refused": None, "reset": proxy.reset, "hung": proxy.hung,
        "429": proxy.too_many(5), "500": proxy.bursts(0, 1), "401": proxy.denied, "truncated": proxy.truncated,
        "html": proxy.html, "garbage": proxy.garbage, "slow": proxy.slow(10),
    }[name]  # fmt: skip


def compare(row: str, sites: dict[str, Any], pairs: int, steps: int, *, ends: bool) -> dict[str, Any]:
    """One row of the table."""
    without = {"backends": [], "config": {}, "open": False, "disabled": False, "steps": steps}
    given, environment = without, {}
    tracker, _, name = row.partition(" ")
    site = sites.get(tracker)
    if row == OFF:
        given = {**without, "disabled": True}
    else:
        given = {**without, "backends": [tracker], "config": {tracker: site.options}, "open": name != "down"}
        environment = site.environment

    def fail() -> None:
        if site is not None:
            site.proxy.fail(fault_of(name))

    ratios, end = [], None
    for i in range(pairs):
        times: dict[bool, float] = {}
        for is_faulty in (False, True) if i % 2 else (True, False):
            if not is_faulty:
                times[False], _ = measure(without, {}, lambda: None, until_end=False)
                continue
            if site is not None and name == "down":
                fail()
            until_end = ends and i == 0 and row != OFF
            times[True], took = measure(given, environment, fail, until_end=until_end)
            end = took if until_end else end
            if site is not None:
                site.proxy.lift()
        ratios.append(times[True] / times[False])
        tell(
            f"{row}: pair {i + 1} of {pairs}: {times[True]:.2f} s against {times[False]:.2f} s, ratio {ratios[-1]:.3f}"
        )
    return {"tracker": row, "ratio": statistics.median(ratios), "least": min(ratios), "most": max(ratios),
            "pairs": pairs, "end": end}  # fmt: skip


def steps_for(seconds: float) -> int:
    """Steps that take so long without any tracker."""
    given = {"backends": [], "config": {}, "open": False, "disabled": False, "steps": 1000}
    took, _ = measure(given, {}, lambda: None, until_end=False)
    steps = max(100, round(1000 * seconds / took))
    tell(f"{steps} steps a loop, {1000 / took:.0f} a second")
    return steps


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| tracker | ratio, median | least to most | pairs | end of the run |", "|---|---|---|---|---|"]
    for row in rows:
        end = "" if row["end"] is None else f"{row['end']:.1f} s"
        spread = f"{row['least']:.3f} to {row['most']:.3f}"
        lines.append(f"| {row['tracker']} | {row['ratio']:.3f} | {spread} | {row['pairs']} | {end} |")
    return "\n".join(lines)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    every = [OFF, *(f"{tracker} {fault}" for tracker in TRACKERS for fault in FAULTS)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7, help="pairs a row; default: 7")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long a loop takes, about; default: 5")
    parser.add_argument("--faults", default="all", help=f"rows, separated by commas, or a part of their names: {every}")
    parser.add_argument("--no-end", action="store_true", help="leave out the end of the run, some 30 s a row")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    parser.add_argument("--loop", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.loop:
        return loop(json.loads(given.loop))
    wanted = [part.strip() for part in given.faults.split(",")]
    chosen = [row for row in every if "all" in wanted or any(part in row for part in wanted)]
    if not chosen:
        parser.error(f"--faults: none of {wanted} is one of {every}")
    sys.path[:0] = [str(ROOT / part) for part in ("plugins/mlflow/tests", "plugins/wandb/tests", "tests")]
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update(
            HOME=scratch, XDG_CACHE_HOME=scratch, WANDB_ERROR_REPORTING="false", MLFLOW_DISABLE_TELEMETRY="true",
            DO_NOT_TRACK="true",
        )  # fmt: skip
        with trackers({row.partition(" ")[0] for row in chosen}, Path(scratch)) as sites:
            steps = steps_for(given.seconds)
            rows = [compare(row, sites, given.pairs, steps, ends=not given.no_end) for row in chosen]
    print(json.dumps(rows, indent=1) if given.json else table(rows))
    return None


if __name__ == "__main__":
    main()
