"""Memory while millions of points are logged and delivered: of the training process and of its courier.

    python tests/faults/many_points.py [--points 10000000] [--backends neptune] [--json]

The training process logs as fast as it can; the courier lags behind, and the disk is the buffer between them. The
table gives resident memory (MB) at each tenth of the way, first of logging, then of what is left to deliver.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TRAINING = """
import json, sys
import multitrack

points, backends = int(sys.argv[1]), sys.argv[2].split(",")
config = {"interval": 0.2, "wandb": {"mode": "offline"}} if "wandb" in backends else {"interval": 0.2}
run = multitrack.start_run("many", run_id="many", backends=backends, config=config)
run.wait_open()
for step in range(points):
    run.log_metric("loss", 1 / (step + 1), step=step)
    if step % (points // 10) == 0:
        print(json.dumps({"logged": step}), flush=True)
print(json.dumps({"logged": points}), flush=True)
report = run.end()
print(json.dumps({"complete": report.complete, "delivered": {n: lane.delivered for n, lane in report.items()}}), flush=True)
"""


def resident(pid: int) -> float:
    """Resident memory of a process and of all it started, in MB; 0 where there is none."""
    total = 0.0
    with contextlib.suppress(OSError, IndexError):
        total = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6
    for child in children(pid):
        total += resident(child)
    return total


def cpu(pid: int) -> float:
    """CPU seconds of a process and of all it started that still live."""
    total = 0.0
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total + sum(map(cpu, children(pid)))


def children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def measure(points: int, backends: str, directory: Path, path: str | None = None) -> list[dict[str, Any]]:
    """One run; a row for each tenth of logging and of delivering."""
    from multitrack.delivery.lane_state import read_state

    environment = None if path is None else {**os.environ, "PYTHONPATH": path}
    training = subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(points), backends], cwd=directory, stdout=subprocess.PIPE, text=True,
        env=environment,
    )  # fmt: skip
    assert training.stdout is not None
    run = directory / ".multitrack" / "runs" / "many"
    names = [name.rpartition(":")[2] for name in backends.split(",")]
    rows: list[dict[str, Any]] = []

    def look(logged: int) -> None:
        couriers = children(training.pid)
        delivered = min(read_state(run, name).delivered for name in names)
        courier = sum(map(resident, couriers))
        row = {
            "logged": logged,
            "delivered": delivered,
            "training": resident(training.pid) - courier,
            "courier": courier,
            "cpu": sum(map(cpu, couriers)),
        }
        rows.append(row)
        print(row, file=sys.stderr, flush=True)

    output = iter(training.stdout)
    for line in output:
        said = json.loads(line)
        look(said["logged"])
        if said["logged"] == points:
            break
    tenth = rows[-1]["delivered"] // (points // 10) + 1
    while training.poll() is None:
        time.sleep(0.05)
        if min(read_state(run, name).delivered for name in names) >= tenth * points // 10 and children(training.pid):
            look(points)
            tenth = rows[-1]["delivered"] // (points // 10) + 1
    (last,) = map(json.loads, output)
    training.stdout.close()
    assert last["complete"], last
    assert set(last["delivered"].values()) == {points}, last
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--backends", default="neptune", help="comma-separated: mlflow, wandb, neptune")
    parser.add_argument("--json", action="store_true", help="the rows as JSON instead of the table")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        rows = measure(given.points, given.backends, Path(directory))
    if given.json:
        print(json.dumps(rows))
        return
    print("| logged | delivered | training MB | courier MB | courier CPU s |\n|---|---|---|---|---|")
    for row in rows:
        figures = f"{row['training']:.0f} | {row['courier']:.0f} | {row['cpu']:.1f}"
        print(f"| {row['logged']:,} | {row['delivered']:,} | {figures} |")


if __name__ == "__main__":
    main()
