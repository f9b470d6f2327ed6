"""What delivery takes beside 1, 8 and 32 processes that train at once: memory and CPU of all couriers together.

Each process records a few points a second, as the workers of a search do, and says so; the couriers are found by their
command lines and by the directory that they work in. PSS counts a page that processes share in part, so that the sum is
what would be free without them.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import Case, Figures, Group, Results

#: Numbers of processes.
PROCESSES = (1, 8, 32)
#: Seconds that are measured, once all runs are open.
SECONDS = 20.0
#: Points a second of each process.
RATE = 5
BACKENDS = ("mlflow", "neptune")
_SHOWN = {"mlflow": "MLflow on SQLite", "neptune": "Neptune offline"}

_TRAINING = """
import pathlib, sys, time
import multitrack

backend, courier, rate = sys.argv[1], sys.argv[2], float(sys.argv[3])
config = {"courier": courier, "mlflow": {"tracking_uri": "sqlite:///mlflow.db"}}
with multitrack.start_run("bench", backends=[backend], config=config) as run:
    while not run.wait_open(600):
        time.sleep(0.1)
    print("open", flush=True)
    step = 0
    while not pathlib.Path("stop").exists():
        run.log_metrics({"loss": 1 / (step + 1), "accuracy": 0.5}, step=step)
        step += 1
        time.sleep(1 / rate)
assert run.end().complete
print(step, flush=True)
"""


def beside(backend: str, courier: str, processes: int) -> Callable[[float], Figures]:
    """Memory of all couriers at the end of the time measured, and their CPU in it."""

    def run(scale: float) -> Figures:
        command = [sys.executable, "-c", _TRAINING, backend, courier, str(RATE)]
        trainings = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
        try:
            said = [training.stdout.readline() for training in trainings if training.stdout is not None]
            assert said == ["open\n"] * processes, said
            before = _couriers()
            cpu = {pid: _cpu(pid) for pid in before}
            time.sleep(max(2.0, SECONDS * scale))
            after = _couriers()
            assert after == before, "a courier has died"
            figures = {
                "couriers": float(len(after)),
                "memory": sum(map(_memory, after)),
                "cpu": sum(_cpu(pid) - cpu[pid] for pid in after) / max(2.0, SECONDS * scale),
            }
        finally:
            Path("stop").touch()
            ended = [training.communicate(timeout=600)[0] for training in trainings]
        assert all(int(out) > 0 for out in ended), ended
        return figures

    return run


def _couriers() -> list[int]:
    """The couriers, and the helper processes of their SDKs."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if b"multitrack.courier" in (entry / "cmdline").read_bytes() and (entry / "cwd").readlink() == Path.cwd():
                found.append(int(entry.name))
    return sorted(found)


def _memory(pid: int) -> float:
    """The proportional set size of a process, in MB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError("the kernel tells no proportional set size")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _named(backend: str, courier: str, processes: int) -> str:
    return f"{backend}, {courier}, {processes}"


CASES = tuple(
    Case(_named(backend, courier, processes), beside(backend, courier, processes))
    for backend in BACKENDS
    for processes in PROCESSES
    for courier in ("process", "node")
)


def page(results: Results) -> str:
    rows = [
        '| tracker | processes | couriers, MB in all, `courier = "process"` | `"node"` | CPU, % of a core | `"node"` |',
        "|---|---|---|---|---|---|",
    ]
    for backend in BACKENDS:
        for processes in PROCESSES:
            each, shared = (_named(backend, courier, processes) for courier in ("process", "node"))
            if each not in results or shared not in results:
                continue
            assert results.values(shared, "couriers") == [1.0] * len(results.values(shared, "couriers"))
            rows.append(
                f"| {_SHOWN[backend]} | {processes} | {results.spread(each, 'memory', form='.0f')} | "
                f"{results.spread(shared, 'memory', form='.0f')} | {results.spread(each, 'cpu', 100)} | "
                f"{results.spread(shared, 'cpu', 100)} |"
            )
    return "\n".join([*rows, "", f"Each process records {RATE} times a second, two metrics each."])


#: Neptune, which needs no database, beside 1 and 8.
GROUP = Group("nodes", CASES, page, rounds=3, short=CASES[6:10])
