"""A distributed search on one machine: KerasTuner's chief and two workers, one run with a child for each trial.

    python examples/distributed_search.py [--trials 6] [--out distributed-run] [--backends mlflow,wandb,neptune]

Starts itself three times, with the variables by which KerasTuner tells chief and workers. On several machines an engine
starts it with these variables, and nothing else changes: ray_search.py, dask_search.py, slurm_search.sh.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up messages
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import multitrack
from multitrack.reading.recorded_run import RecordedRun

NAMES = ("chief", "worker-1", "worker-2")
#: An empty file in each directory that an example has made, and so may remove.
MADE = ".made-by-an-example"
SQLITE = "sqlite:///mlflow.db"
CONFIG = """\
project = "distributed"
backends = {backends}
mlflow.tracking_uri = {tracking_uri}
wandb.mode = "offline"
wandb.dir = "."
neptune.directory = ".neptune"
"""


def search(trials: int, pause: float = 0.0) -> None:
    """What chief and workers all run; KerasTuner's variables say which of them this process is."""
    import keras  # noqa: PLC0415 - not needed by the process that starts the three
    import numpy as np  # noqa: PLC0415

    import multitrack.keras_tuner as kt  # noqa: PLC0415

    def build(hp: Any) -> keras.Model:
        width = hp.Int("width", 4, 32, step=4)
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(width, "relu"), keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")), "mse")
        return model

    random = np.random.default_rng(0)
    x = random.normal(size=(512, 8)).astype("float32")
    y = np.sin(x).sum(axis=1)
    tuner = kt.RandomSearch(
        build,
        objective="val_loss",
        max_trials=trials,
        max_retries_per_trial=1,  # on another worker, too, after the death of the one that had it
        seed=1,
        directory="tuner",  # of chief and workers: on several machines on a file system that they share
        project_name="sine",
    )
    pausing = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: time.sleep(pause))
    tuner.search(x, y, validation_split=0.25, epochs=3, verbose=0, callbacks=[pausing])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, trials=6, pause=0.0, out="distributed-run")
    arguments = parser.parse_args()
    if "KERASTUNER_TUNER_ID" in os.environ:
        search(arguments.trials, arguments.pause)
        return

    out, backends = arguments.out.absolute(), arguments.backends
    prepare(out, backends, arguments.tracking_uri)
    try:
        run_all(out, arguments.trials)
    except KeyboardInterrupt:
        sys.exit(f"interrupted; what was recorded is in {os.path.relpath(out)}")
    print_runs(out, backends)


def add_options(parser: argparse.ArgumentParser, *, trials: int, pause: float, out: str) -> None:
    """The options that this example and those for engines have in common."""
    parser.add_argument("--trials", type=int, default=trials, help="how many sets of hyperparameters to try")
    parser.add_argument("--pause", type=float, default=pause, help="seconds after each epoch, for longer trials")
    parser.add_argument("--out", type=Path, default=Path(out), help="a new directory for all files, or one that an "
                        "example has made, which is removed first; others with files are refused")  # fmt: skip
    parser.add_argument("--backends", type=lambda names: [name for name in names.split(",") if name],
                        default="mlflow,wandb,neptune", help="trackers to deliver to")  # fmt: skip
    parser.add_argument("--tracking-uri", metavar="URI", default=SQLITE,
                        help="MLflow's server, needed by several machines; default: SQLite in --out")  # fmt: skip


def prepare(out: Path, backends: list[str], tracking_uri: str = SQLITE) -> None:
    """An empty directory for the search, with its config. Only a directory that an example has made is removed."""
    if (out / MADE).exists():
        shutil.rmtree(out)
    if not out.exists():
        out.mkdir(parents=True)
        (out / MADE).touch()
    elif not out.is_dir() or any(out.iterdir()):
        sys.exit(f"{out} was not made by an example, so it is not emptied: give --out a directory that does not exist")
    values = {"backends": json.dumps(backends), "tracking_uri": json.dumps(tracking_uri)}
    (out / "multitrack.toml").write_text(CONFIG.format(**values))


def run_all(out: Path, trials: int) -> None:
    """The chief and its workers, to the end; where one fails, or this process is told to stop, none is left behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {**os.environ, "KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(port)}
    command = [sys.executable, Path(__file__).absolute(), "--trials", str(trials)]
    processes: dict[str, subprocess.Popen[bytes]] = {}
    said = set()
    try:
        for name in NAMES:
            with (out / f"{name}.log").open("wb") as log:
                environment = {**shared, "KERASTUNER_TUNER_ID": name}
                processes[name] = subprocess.Popen(command, cwd=out, env=environment, stdout=log, stderr=log)
        started = ", ".join(f"{name} (pid {process.pid})" for name, process in processes.items())
        print(f"started {started}; what they say is in {os.path.relpath(out)}/*.log", flush=True)
        going = True
        while going:
            time.sleep(0.2)
            statuses = {name: process.poll() for name, process in processes.items()}
            for run in trials_in(out):
                if run.id not in said and run.summary().status != "running":
                    said.add(run.id)
                    print(f"{run.manifest.name} ended, {len(said)} of {trials}", flush=True)
            for name, status in statuses.items():
                if status:
                    last = "\n".join((out / f"{name}.log").read_text().splitlines()[-10:])
                    sys.exit(f"{name} ended with status {status}, so all end. It said last:\n{last}")
            going = None in statuses.values()
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def trials_in(out: Path) -> Iterator[RecordedRun]:
    with contextlib.suppress(multitrack.JournalError):  # there is none until the chief has begun
        yield from (run for run in multitrack.open_journal(out / ".multitrack").runs() if run.manifest.parent)


def print_runs(out: Path, backends: list[str]) -> None:
    """The search, each trial below it, and their ids in each tracker."""
    print(f"\n{'run':13} {'worker':9} {'score':>8}  {'status':9}", *(f"{name:36}" for name in backends))
    directories: dict[str, Any] = {}
    for run in multitrack.open_journal(out / ".multitrack").runs():
        told, lanes = run.summary(), run.lanes()
        directories |= {entry.name: entry.options.get("directory") for entry in run.manifest.backends}
        ids = [lanes[each].id or "pending" for each in backends]
        name = f"  {run.manifest.name}" if run.manifest.parent else run.manifest.name
        worker = told.tags.get("keras_tuner/tuner_id", "")
        score = told.metrics.get("score", told.metrics.get("best_score", float("nan")))
        print(f"{name:13} {worker:9} {score:8.4f}  {told.status:9}", *(f"{each:36}" for each in ids))
    shown = os.path.relpath(out)
    places = {name: os.path.relpath(directory) for name, directory in directories.items() if directory}
    if (out / "mlflow.db").exists():
        places["mlflow"] = f"{shown}/mlflow.db"
    places |= {"wandb": f"{shown}/wandb", "neptune": f"{shown}/.neptune"}
    lines = [f"{name:12} {places[name]}" for name in backends if name in places]  # others are servers, or elsewhere
    print(*lines, f"multitrack   {shown}/.multitrack", sep="\n")


if __name__ == "__main__":
    main()
