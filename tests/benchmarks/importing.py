"""Importing a million points and ten thousand runs, beside the tracker's own reader of the same data."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import Case, Figures, Group, Results

import reading

#: Points of the long run, and of how many metrics; runs of the store with many, each with ten points.
POINTS, METRICS = 1_000_000, 10
RUNS = 10_000
START = 1_700_000_000_000

_MLFLOW = """
import sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
found, token = 0, None
experiments = [each.experiment_id for each in client.search_experiments()]
while True:
    page = client.search_runs(experiments, max_results=1000, page_token=token)
    for run in page:
        found += sum(len(client.get_metric_history(run.info.run_id, key)) for key in run.data.metrics)
    token = page.token
    if not token:
        break
print(found)
"""
#: W&B's newer releases have no reader of these files in Python: their protobuf class, and the tests' framing.
_WANDB = """
import json, sys
from wandb.proto.wandb_internal_pb2 import Record
from wandb_file import payloads
found = 0
for payload in payloads(open(sys.argv[1], "rb").read()):
    for item in Record.FromString(payload).history.item:
        found += (item.nested_key[0] if item.nested_key else item.key)[:1] == "m"
        json.loads(item.value_json)
print(found)
"""
_TENSORBOARD = """
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
store = EventAccumulator(sys.argv[1], {"scalars": 0, "tensors": 0})
store.Reload()
print(sum(len(store.Tensors(tag)) for tag in store.Tags()["tensors"]))
"""


def mlflow_database(points: int) -> str:
    """A database that MLflow's client wrote."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client = MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")
    run = client.create_run("0", start_time=START).info.run_id
    rows = [Metric(f"m{i % METRICS}", 1 / (i + 1), START + i, i // METRICS) for i in range(points)]
    for begin in range(0, points, 1000):
        client.log_batch(run, metrics=rows[begin : begin + 1000])
    client.set_terminated(run)
    return f"sqlite:///{Path.cwd()}/mlflow.db"


def mlflow_runs(points: int) -> str:
    """A database with many runs: one that MLflow's client wrote, and its rows again with other ids."""
    import contextlib
    import sqlite3

    uri = mlflow_database(10)
    with contextlib.closing(sqlite3.connect("mlflow.db")) as store, store:
        (first,) = store.execute("SELECT run_uuid FROM runs").fetchone()
        for table in ("runs", "metrics", "latest_metrics"):
            columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
            taken = ", ".join("?2" if name == "run_uuid" else name for name in columns)
            insert = f"INSERT INTO {table} ({', '.join(columns)}) SELECT {taken} FROM {table} WHERE run_uuid = ?1"  # noqa: S608
            store.executemany(insert, [(first, f"{number:032x}") for number in range(points // 10 - 1)])
    return uri


def mlruns(points: int) -> str:
    """A file store of MLflow, in the layout of mlflow/store/tracking/file_store.py."""
    name = "a" * 32
    run = Path("mlruns/1") / name
    for folder in ("metrics", "params", "tags", "artifacts"):
        (run / folder).mkdir(parents=True)
    (run / "meta.yaml").write_text(
        f"artifact_uri: {(run / 'artifacts').absolute().as_uri()}\nend_time: {START + points}\nentry_point_name: ''\n"
        f"experiment_id: '1'\nlifecycle_stage: active\nrun_id: {name}\nrun_uuid: {name}\nrun_name: one\n"
        f"source_name: ''\nsource_type: 4\nsource_version: ''\nstart_time: {START}\nstatus: 3\nuser_id: ada\ntags: []\n"
    )
    (run.parent / "meta.yaml").write_text(
        f"artifact_location: {run.parent.absolute().as_uri()}\nname: digits\nexperiment_id: '1'\nlifecycle_stage: active\n"
        f"creation_time: {START}\nlast_update_time: {START}\n"
    )
    for metric in range(METRICS):
        lines = (f"{START + 10 * i} {1 / (i + 1)} {i}\n" for i in range(points // METRICS))
        (run / "metrics" / f"m{metric}").write_text("".join(lines))
    return (Path.cwd() / "mlruns").as_uri()


def wandb_file(points: int) -> str:
    import wandb

    run = wandb.init(project="digits", mode="offline")
    for step in range(points // METRICS):
        run.log({f"m{i}": (i + 1) / (step + 1) for i in range(METRICS)}, step=step)
    run.finish()
    (path,) = Path("wandb").glob("offline-run-*/*.wandb")
    return str(path.absolute())


def event_file(points: int) -> str:
    import tensorflow as tf

    with tf.summary.create_file_writer("logs").as_default():
        for i in range(points):
            tf.summary.scalar(f"m{i % METRICS}", 1 / (i + 1), step=i // METRICS)
    return str((Path.cwd() / "logs").absolute())


#: What is imported, by the tracker's own reader; and what that cannot do without.
SOURCES: dict[str, tuple[Callable[[int], str], str, int]] = {
    "MLflow, a database": (mlflow_database, _MLFLOW, POINTS),
    "MLflow, `mlruns`": (mlruns, _MLFLOW, POINTS),
    "MLflow, 10,000 runs of 10 points": (mlflow_runs, _MLFLOW, 10 * RUNS),
    "W&B, a `.wandb` file": (wandb_file, _WANDB, POINTS),
    "TensorBoard, an event file": (event_file, _TENSORBOARD, POINTS),
}


def measured(name: str) -> Callable[[float], Figures]:
    write, reader, full = SOURCES[name]

    def run(scale: float) -> Figures:
        points = max(10 * METRICS, round(full * scale))
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # for its own reader
        address = write(points)
        begun = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", reader, address], check=True, capture_output=True, text=True)
        own = time.perf_counter() - begun
        if int(done.stdout.split()[-1]) != points:
            raise SystemExit(f"{name}: its reader found {done.stdout} points instead of {points}")
        first, memory = reading.command("import", address, turns=1)
        again, _ = reading.command("import", address, turns=1)
        (path, *_) = Path(".multitrack/runs").glob("*/*.jsonl")
        return {
            "own": own, "import": first, "again": again, "rate": points / first, "ratio": first / own, "memory": memory,
            "journal": float(path.stat().st_size),
        }  # fmt: skip

    return run


def page(results: Results) -> str:
    rows = [
        "| source | points | its own reader, s | `multitrack import`, s | against its reader | points a second | "
        "memory, MiB | imported again, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {name} | {full:,} | {results.median(name, 'own'):.1f} | {results.median(name, 'import'):.1f} | "
        f"{results.spread(name, 'ratio', form='.2f')} | {results.median(name, 'rate'):,.0f} | "
        f"{results.median(name, 'memory') / 2**20:.0f} | {results.median(name, 'again'):.1f} |"
        for name, (_, _, full) in SOURCES.items()
        if name in results
    ]
    return "\n".join(rows)


CASES = tuple(Case(name, measured(name)) for name in SOURCES)
GROUP = Group("importing", CASES, page, rounds=3, short=(CASES[1], CASES[3]))
