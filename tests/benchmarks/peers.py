"""How others log one scalar: each as its own documentation shows it."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bench

Call = Callable[[int], object]
VALUE = 0.3141592653589793


@dataclasses.dataclass(frozen=True)
class Peer:
    """Another way to log.

    Attributes:
        name: What tables call it.
        start: Opens a run; gives back the call of a step.
        calls: How many are made.
        kept: What is left of 1,000 of them when the process is killed right after the last: in words, where
            ``tests/faults/kept.py`` says it with the tracker's own reader, or counted in a directory.
        python: The interpreter whose environment has it.
    """

    name: str
    start: Callable[[], Call]
    calls: int
    kept: str | Callable[[Path], int]
    python: Path = Path(sys.executable)


def delivered() -> Call:
    """Ours, while its courier delivers to three trackers on the same cores."""
    import multitrack

    config = {"mlflow": {"tracking_uri": "sqlite:///mlflow.db"}, "wandb": {"mode": "offline"}}
    run = multitrack.start_run("bench", config=config, backends=["mlflow", "wandb", "neptune"])
    run.wait_open()
    return lambda step: run.log_metric("loss", VALUE, step)


def append() -> Call:
    values: list[tuple[str, float, int]] = []
    return lambda step: values.append(("loss", VALUE, step))


def by_hand() -> Call:
    """The least that keeps a record in a readable form: one JSON line, one flush, with the standard library."""
    import json

    file = open("metrics.jsonl", "a")  # noqa: PTH123, SIM115

    def call(step: int) -> None:
        file.write(json.dumps({"time": time.time(), "name": "loss", "value": VALUE, "step": step}) + "\n")
        file.flush()

    return call


def tensorboardx() -> Call:
    from tensorboardX import SummaryWriter

    writer = SummaryWriter("logs")
    return lambda step: writer.add_scalar("loss", VALUE, step)


def tensorboardx_flushed() -> Call:
    from tensorboardX import SummaryWriter

    writer = SummaryWriter("logs")

    def call(step: int) -> None:
        writer.add_scalar("loss", VALUE, step)
        writer.flush()

    return call


def trackio() -> Call:
    import trackio

    trackio.init(project="bench")
    return lambda step: trackio.log({"loss": VALUE}, step=step)


def swanlab() -> Call:
    import swanlab

    swanlab.init(project="bench", mode="offline", logdir="swanlog")
    return lambda step: swanlab.log({"loss": VALUE}, step=step)


def neptune() -> Call:
    import neptune

    run = neptune.init_run(mode="offline")
    return lambda step: run["loss"].append(VALUE, step=step)


def wandb() -> Call:
    import wandb

    run = wandb.init(project="bench", mode="offline")
    return lambda step: run.log({"loss": VALUE}, step=step)


def mlflow(synchronous: bool) -> Callable[[], Call]:
    def start() -> Call:
        import mlflow

        mlflow.set_tracking_uri("sqlite:///mlflow.db")
        mlflow.start_run()
        return lambda step: mlflow.log_metric("loss", VALUE, step=step, synchronous=synchronous)

    return start


def killed(one: Peer) -> int:
    """Log 1,000 scalars in a process that is killed right after the last; how many are left on disk."""
    assert callable(one.kept)
    directory = Path("killed").absolute()
    directory.mkdir()
    pid = os.fork()
    if pid == 0:
        try:
            os.environ["TRACKIO_DIR"] = str(directory)
            os.chdir(directory)
            call = one.start()
            for step in range(1000):
                call(step)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    time.sleep(2)  # for processes of its own, if it has any
    return one.kept(directory)


def in_events(directory: Path) -> int:
    """Scalars in TensorBoard's files: each record is a length, its checksum, the data, their checksum."""
    (path,) = directory.glob("logs/*tfevents*")
    data, place, records = path.read_bytes(), 0, 0
    while place + 12 <= len(data) and place + 16 + int.from_bytes(data[place : place + 8], "little") <= len(data):
        place += 16 + int.from_bytes(data[place : place + 8], "little")
        records += 1
    return max(0, records - 1)  # the first says the version


def in_files(directory: Path) -> int:
    """How often the metric is named in any file: at least as often as it is kept."""
    return sum(path.read_bytes().count(b"loss") for path in directory.rglob("*") if path.is_file())


PEERS = (
    Peer("multitrack, while MLflow, W&B and Neptune are delivered to", delivered, 50_000, "all"),
    Peer("`list.append`", append, 500_000, "nothing"),
    Peer("`json.dumps`, `write`, `flush` by hand", by_hand, 200_000, "all"),
    Peer("Trackio", trackio, 20_000, in_files, bench.PEERS),
    Peer("SwanLab, offline", swanlab, 5_000, in_files, bench.PEERS),
    Peer("TensorBoardX", tensorboardx, 5_000, in_events, bench.PEERS),
    Peer("TensorBoardX, `flush` each time", tensorboardx_flushed, 2_000, in_events, bench.PEERS),
    Peer("Neptune, offline", neptune, 10_000, "988 to 991 of 1,000"),
    Peer("W&B, offline", wandb, 5_000, "671 to 981 of 1,000"),
    Peer("MLflow on SQLite, `synchronous=False`", mlflow(False), 2_000, "13 to 42 of 1,000"),
    Peer("MLflow on SQLite", mlflow(True), 300, "all"),
)
