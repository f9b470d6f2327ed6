"""Trainings that deliver to a W&B server, ended by themselves or killed together with their courier."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SCRIPT = """
import json, sys, time, multitrack
run_id, first, last, pause, options = sys.argv[1:6]
config = {"journal": "journal", "interval": 0.1, "wandb": json.loads(options)}
with multitrack.start_run(project="multitrack-check", run_id=run_id, config=config, backends=["wandb"]) as run:
    for i in range(int(first), int(last)):
        run.log_metric("loss", i / 8, step=i)
        run.log_lines(f"line {i}")
        print(i, flush=True)
        time.sleep(float(pause))
"""


def start(place: Path, run_id: str, first: int, last: int, options: str, pause: float = 0.0) -> subprocess.Popen[str]:
    """A training that records a point and a line for each number; the options are JSON."""
    place.mkdir(exist_ok=True)
    (place / "train.py").write_text(SCRIPT)
    command = [sys.executable, "train.py", run_id, str(first), str(last), str(pause), options]
    return subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, text=True)


def train(place: Path, run_id: str, first: int, last: int, options: str) -> None:
    """The same, to its end."""
    training = start(place, run_id, first, last, options)
    training.communicate(timeout=180)
    assert training.returncode == 0


def kill(training: subprocess.Popen[str], place: Path, now: Callable[[], bool], limit: float = 60.0) -> int:
    """Kill the training and its courier once it is time; how many points it had recorded for certain."""
    logs = {path.name for path in (place / "journal").glob("courier-*.log")}
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline and not now():
        time.sleep(0.02)
    (log,) = (path for path in (place / "journal").glob("courier-*.log") if path.name not in logs)
    courier = int(log.stem.partition("-")[2])
    os.kill(courier, signal.SIGSTOP)  # so that neither outlives the other and mends it
    training.kill()
    os.kill(courier, signal.SIGKILL)
    return len(training.communicate()[0].splitlines())


def sync(place: Path) -> None:
    """``multitrack sync``, until everything is delivered: at first a dead courier's lock may still be held."""
    deadline = time.monotonic() + 120
    command = [sys.executable, "-m", "multitrack", "sync", "--journal", "journal"]
    while subprocess.run(command, cwd=place, capture_output=True).returncode and time.monotonic() < deadline:
        time.sleep(0.2)
