"""How many of 1,000 scalars are left when the process that logged them is killed right after the last call.

    python tests/faults/kept.py --tries 5

Each try is a fresh process that uses a tracker as its documentation shows, and then sends itself SIGKILL. What is left is
read by the tracker's own reader, once every helper process is gone. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import trackers
from alive import VARIABLE, left_of, until

POINTS = 1000

_END = """
import json, os, signal, time
begun = time.perf_counter()
for i in range({points}):
    {call}
os.write(1, json.dumps(time.perf_counter() - begun).encode())
os.kill(os.getpid(), signal.SIGKILL)
"""


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to log.

    Attributes:
        name: What the table calls it.
        setup: Python that comes before the calls.
        call: The call.
        count: How many points are left, in that directory.
    """

    name: str
    setup: str
    call: str
    count: Callable[[Path], int]


def in_journal(directory: Path) -> int:
    import multitrack

    (run,) = multitrack.open_journal(directory / ".multitrack").runs()
    return len(run.get_metrics("loss")["loss"])


def after_sync(directory: Path) -> int:
    from mlflow_reader import read_run

    import multitrack

    command = Path(sys.executable).with_name("multitrack")
    subprocess.run(
        [command, "sync", "--journal", directory / ".multitrack"],
        env=trackers.environment(directory),
        check=True,
        capture_output=True,
    )
    (run,) = multitrack.open_journal(directory / ".multitrack").runs()
    native = read_run(f"sqlite:///{directory}/mlflow.db", run.lanes()["mlflow"].id or "")
    return len(native.series["loss"])


def in_mlflow(directory: Path) -> int:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{directory}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(experiments)
    return len(client.get_metric_history(run.info.run_id, "loss"))


def in_wandb(directory: Path) -> int:
    """W&B's own reader of its files is the command that uploads them; what a server then has is what is left."""
    from stand_in_server import KEY, StandInServer

    (path,) = directory.glob("wandb/offline-run-*")
    with StandInServer() as server:
        environment = {**trackers.environment(directory), "WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
        command = [sys.executable, "-m", "wandb", "sync", path]
        subprocess.run(command, env=environment, cwd=directory, check=True, capture_output=True)
        return sum(len(run.rows) for run in server.runs.values())


def in_neptune(directory: Path) -> int:
    import threading

    from neptune.core.components.queue.disk_queue import DiskQueue
    from neptune.internal.operation import LogFloats, Operation

    (path,) = (directory / ".neptune").glob("offline/run__*")
    queue = DiskQueue(
        data_path=path, to_dict=lambda op: op.to_dict(), from_dict=Operation.from_dict, lock=threading.RLock()
    )
    points = 0
    while batch := queue.get_batch(1000):
        points += sum(
            len(each.obj.values) for each in batch if isinstance(each.obj, LogFloats) and each.obj.path == ["loss"]
        )
    queue.close()
    return points


_MULTITRACK = "import multitrack\nrun = multitrack.start_run('kept', backends=['mlflow'])"
_MLFLOW = "import mlflow\nmlflow.set_tracking_uri('sqlite:///mlflow.db')\nmlflow.start_run()"
WAYS = (
    Way("multitrack: in its journal", _MULTITRACK, "run.log_metric('loss', i / 7, step=i)", in_journal),
    Way("multitrack: in MLflow, after `multitrack sync`", _MULTITRACK, "run.log_metric('loss', i / 7, step=i)", after_sync),
    Way("MLflow on SQLite, `log_metric`", _MLFLOW, "mlflow.log_metric('loss', i / 7, step=i)", in_mlflow),
    Way("MLflow on SQLite, `log_metric(synchronous=False)`", _MLFLOW,
        "mlflow.log_metric('loss', i / 7, step=i, synchronous=False)", in_mlflow),
    Way("W&B offline, `run.log`", "import wandb\nrun = wandb.init(project='kept', mode='offline')",
        "run.log({'loss': i / 7}, step=i)", in_wandb),
    Way("Neptune offline, `run[...].append`", "import neptune\nrun = neptune.init_run(mode='offline')",
        "run['loss'].append(i / 7, step=i)", in_neptune),
)  # fmt: skip


def kept(way: Way, root: Path) -> tuple[int, float]:
    """One try: how many points are left, and how many milliseconds a call took."""
    directory = Path(tempfile.mkdtemp(dir=root))
    script = directory / "train.py"
    script.write_text(way.setup + _END.format(points=POINTS, call=way.call))
    mark = directory.name
    done = subprocess.run(
        [sys.executable, script], cwd=directory, env={**trackers.environment(root), VARIABLE: mark},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, f"{way.name} ended by itself: {done}"
    # What helper processes still write counts as kept.
    if not until(lambda: not left_of(mark), 120):
        raise AssertionError(f"{way.name} leaves processes behind: {left_of(mark)}")
    taken = json.loads(done.stdout[done.stdout.rindex(b"\n") + 1 if b"\n" in done.stdout else 0 :])
    return way.count(directory), taken / POINTS * 1000


def table(tried: Sequence[tuple[Way, list[tuple[int, float]]]]) -> str:
    lines = [f"| {POINTS:,} scalars, then `kill -9` | kept, median | range | ms a call, median |", "|---|---|---|---|"]
    for way, results in tried:
        counts = [count for count, _ in results]
        milliseconds = statistics.median(taken for _, taken in results)
        lines.append(
            f"| {way.name} | {statistics.median_low(counts)} | {min(counts)} to {max(counts)} | {milliseconds:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=5, help="processes for each way (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kept-", ignore_cleanup_errors=True) as root:
        os.environ.update(trackers.QUIET)
        tried = []
        for way in WAYS:
            tried.append((way, [kept(way, Path(root)) for _ in range(options.tries)]))
            print(f"{way.name}: {[count for count, _ in tried[-1][1]]}", file=sys.stderr, flush=True)
    print(table(tried))


if __name__ == "__main__":
    main()
