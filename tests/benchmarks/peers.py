"""How others log one scalar: each as its own documentation shows it."""

from __future__ import annotations

import dataclasses
import sys
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
        kept: What is left of them when the process is killed right after the last.
        python: The interpreter whose environment has it.
    """

    name: str
    start: Callable[[], Call]
    calls: int
    kept: str
    python: Path = Path(sys.executable)


def append() -> Call:
    values: list[tuple[str, float, int]] = []
    return lambda step: values.append(("loss", VALUE, step))


def by_hand() -> Call:
    """The least that keeps a record in a readable form: one JSON line, one flush, with the standard library."""
    import json
    import time

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

    swanlab.init(project="bench", mode="local", logdir="swanlog")
    return lambda step: swanlab.log({"loss": VALUE}, step=step)


def neptune() -> Call:
    import neptune

    run = neptune.init_run(
        mode="offline", capture_stdout=False, capture_stderr=False, capture_hardware_metrics=False, source_files=[]
    )
    series = run["loss"]
    return lambda step: series.append(VALUE, step=step)


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


PEERS = (
    Peer("`list.append`", append, 500_000, "nothing"),
    Peer("`json.dumps`, `write`, `flush` by hand", by_hand, 200_000, "all"),
    Peer("Trackio", trackio, 20_000, "", bench.PEERS),
    Peer("SwanLab, local", swanlab, 5_000, "", bench.PEERS),
    Peer("TensorBoardX", tensorboardx, 5_000, "", bench.PEERS),
    Peer("TensorBoardX, `flush` each time", tensorboardx_flushed, 2_000, "", bench.PEERS),
    Peer("Neptune, offline", neptune, 10_000, "988 to 991 of 1,000"),
    Peer("W&B, offline", wandb, 5_000, "671 to 981 of 1,000"),
    Peer("MLflow on SQLite, `synchronous=False`", mlflow(False), 2_000, "13 to 42 of 1,000"),
    Peer("MLflow on SQLite", mlflow(True), 300, "all"),
)
