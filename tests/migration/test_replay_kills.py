"""A replay or verification that is killed at any moment and started again ends as one that was not killed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import multitrack

pytestmark = pytest.mark.slow
RUNS, POINTS = 8, 2000


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "multitrack", *words, "--journal", "journal"]


def killed(directory: Path, words: tuple[str, ...], begun: Callable[[], bool], later: float) -> bool:
    """Start a command, kill it some seconds after it has begun, and say whether it was still running."""
    process = subprocess.Popen(command(*words), cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not begun() and process.poll() is None:
        time.sleep(0.002)
    time.sleep(later)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def grows(directory: Path) -> Callable[[], bool]:
    """Whether there are more event files than now."""
    before = len(list(directory.rglob("*tfevents*")))
    return lambda: len(list(directory.rglob("*tfevents*"))) > before


def files(directory: Path) -> dict[Path, bytes]:
    """All but the caches, which any reader writes."""
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file() and path.suffix != ".msgpack"}


def test_killed_replays_and_verifications_change_nothing(tmp_path: Path) -> None:
    config: dict[str, Any] = {"journal": str(tmp_path / "journal"), "delivery": "off"}
    for number in range(RUNS):
        with multitrack.start_run("digits", f"r{number}", config=config) as run:
            run.log_params({"lr": 0.1, "number": number})
            for step in range(POINTS):
                run.log_metrics({"loss": 1 / (step + 1), "odd": step / 7}, step=step)
            run.log_lines(["one", "two"])
    (tmp_path / "multitrack.toml").write_text('[tensorboard]\ndirectory = "logs"\n')
    replay, verify = ("replay", "--to", "tensorboard"), ("verify", "--against", "tensorboard", "--json")
    chance, kills, partial = random.Random(5), 0, 0
    for number in range(6):
        kills += killed(tmp_path, replay, grows(tmp_path / "logs"), chance.uniform(0, 0.02 * number))
        lanes = [lane for run in multitrack.open_journal(tmp_path / "journal").runs() for lane in run.lanes().values()]
        partial += any(lane.id for lane in lanes) and not all(lane.settled for lane in lanes)
    assert kills
    assert partial  # or no kill came in the middle
    subprocess.run(command(*replay), cwd=tmp_path, check=True, capture_output=True)
    before = files(tmp_path)
    assert len(before) > RUNS
    assert [killed(tmp_path, verify, lambda: True, chance.uniform(0.05, 0.15)) for _ in range(3)] == [True] * 3
    done = subprocess.run(command(*verify), cwd=tmp_path, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert len(found) == RUNS
    for each in found:
        assert (each["passed"], each["findings"], each["extra"]) == (True, [], 0)
        assert each["equal"] == 5 + 2 + 2 * POINTS + 2
    assert files(tmp_path) == before
