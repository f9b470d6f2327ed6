"""Very much of everything: nothing grows but the journal."""

import gc
import os
import threading
from pathlib import Path

import pytest

import multitrack
from many_points import measure, resident
from multitrack.journal.derived import WINDOW
from processes import TESTS, couriers, wait_until
from recording_backends import delivered, kept

pytestmark = pytest.mark.slow


def test_memory_stays_flat_while_points_are_logged_and_delivered(tmp_path: Path) -> None:
    """A short form of ``python tests/faults/many_points.py``."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    rows = measure(300_000, "recording_backends:counting", tmp_path, path)
    training = [row["training"] for row in rows if row["training"] > 1]
    assert max(training) - training[1] < 5
    # What tells repeats of a point apart is full by then (multitrack.journal.derived.WINDOW).
    courier = [row["courier"] for row in rows if row["delivered"] > 2 * WINDOW and row["courier"] > 1]
    assert len(courier) > 2
    assert max(courier) - courier[0] < 12


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.long)])
def test_hundreds_of_runs_one_after_the_other(tmp_path: Path, count: int) -> None:
    """In one process with one courier: no file, no thread and next to no memory is left of a run that ended."""
    config = {"interval": 0.05, "exit": "detach"}

    def one(number: int) -> None:
        with multitrack.start_run("p", f"n{number}", backends=["recording_backends:file"], config=config) as run:
            run.log_metric("x", float(number), step=0)

    def held() -> tuple[int, int, float]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")), threading.active_count(), resident(os.getpid())  # noqa: PTH208

    for number in range(200):
        one(number)
    (courier,) = couriers()
    before, memory = held(), resident(courier)
    for number in range(200, count):
        one(number)
    after = held()
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 1
    assert after[2] - before[2] < 20
    wait_until(lambda: len(delivered(tmp_path / "delivered.jsonl", "close")) == count, seconds=120)
    assert couriers() == [courier]
    assert len(os.listdir(f"/proc/{courier}/fd")) < 40  # noqa: PTH208
    assert resident(courier) - memory < 30
    records = [line["record"] for line in delivered(tmp_path / "delivered.jsonl", "metric")]
    assert sorted(record["values"]["x"] for record in records) == [float(number) for number in range(count)]


def test_hundreds_of_runs_open_at_once(tmp_path: Path) -> None:
    count = 300
    config = {"interval": 0.05}
    parent = multitrack.start_run("p", "parent", backends=["recording_backends:file"], config=config)
    runs = [multitrack.start_run(parent=parent, name=f"n{number}") for number in range(count)]
    for step in range(3):
        for run in runs:
            run.log_metric("x", float(step), step=step)
    for run in runs:
        run.end()
    report = parent.end()
    assert report.complete
    by_run: dict[str, list[int]] = {}
    for told in kept(tmp_path / "delivered.jsonl", "metric"):
        by_run.setdefault(told["run"], []).append(told["record"]["step"])
    assert len(by_run) == count
    assert set(map(tuple, by_run.values())) == {(0, 1, 2)}
