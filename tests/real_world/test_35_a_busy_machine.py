"""Delivery at the end of a run where other programs keep the processors busy."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

import programs
from multitrack.environment.starvation import Starvation

pytestmark = pytest.mark.case(35)

TRAIN = """
import multitrack, os, sys, time
from pathlib import Path

os.sched_setaffinity(0, {int(sys.argv[1])})

def niceness():
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and b"multitrack.courier" in (entry / "cmdline").read_bytes():
                if (entry / "cwd").readlink() == Path.cwd():
                    found[int(entry.name)] = os.getpriority(os.PRIO_PROCESS, int(entry.name))
        except OSError:
            continue
    return found

run = multitrack.start_run("p", run_id="first", backends=["mlflow"])
for step in range(50):
    run.log_metric("loss", 1 / (step + 1), step=step)
deadline = time.monotonic() + 60
while not (set(niceness().values()) == {19}) and time.monotonic() < deadline:
    time.sleep(0.1)
before = niceness()
began = time.monotonic()
report = run.end()
print("complete", report.complete)
after = niceness()
print("before", sorted(before.values()), "after", sorted(after.values()), "another", before.keys() != after.keys())
if "go on" in sys.argv:
    second = multitrack.start_run("p", run_id="second", backends=["mlflow"])
    deadline = time.monotonic() + 60
    while set(niceness().values()) != {19} and time.monotonic() < deadline:
        time.sleep(0.1)
    print("training", sorted(niceness().values()))
    print("complete", second.end().complete)
"""
BUSY = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nprint('busy', flush=True)\nwhile True: pass"


@pytest.fixture
def cpu() -> int:
    """One that the tests may use."""
    return min(os.sched_getaffinity(0))


@pytest.fixture
def busy(cpu: int) -> Iterator[int]:
    """That processor, with three programs that each want all of it."""
    others = [
        subprocess.Popen([sys.executable, "-c", BUSY, str(cpu)], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    try:
        for other in others:
            assert other.stdout is not None
            assert other.stdout.readline() == "busy\n"
        yield cpu
    finally:
        for other in others:
            other.kill()
            other.communicate()


def project(tmp_path: Path) -> Path:
    cwd = tmp_path / "project"
    programs.write(cwd / "train.py", TRAIN)
    programs.write(cwd / "multitrack.toml", '[mlflow]\ntracking_uri = "sqlite:///runs.db"\n')
    return cwd


def test_delivery_goes_on_at_the_priority_of_the_training(tmp_path: Path, busy: int) -> None:
    """At nice 19 the courier would have a two-hundredth of the processor: no import of MLflow ends in time."""
    cwd = project(tmp_path)
    done = programs.run(cwd, "train.py", str(busy), "go on", limit=400)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines == [
        "complete True", f"before [19] after [{os.getpriority(os.PRIO_PROCESS, 0)}] another True", "training [19]",
        "complete True",
    ], done.stderr  # fmt: skip
    client = MlflowClient(tracking_uri=f"sqlite:///{cwd}/runs.db")
    natives = client.search_runs([client.get_experiment_by_name("p").experiment_id])
    histories = [client.get_metric_history(native.info.run_id, "loss") for native in natives]
    assert sorted(map(len, histories)) == [0, 50]  # each point once, whichever courier brought it
    assert {native.info.status for native in natives} == {"FINISHED"}


@pytest.mark.long
def test_on_a_quiet_machine_the_courier_stays_as_it_is(tmp_path: Path, cpu: int) -> None:
    done = programs.run(project(tmp_path), "train.py", str(cpu))
    if "another True" in done.stdout:  # the other worker of the tests may use the same processor
        done = programs.run(project(tmp_path / "again"), "train.py", str(max(os.sched_getaffinity(0))))
    assert done.stdout.startswith("complete True\nbefore [19]"), done.stderr


def waits(niceness: int, cpu: int) -> bool:
    body = f"import os\nos.nice({niceness})\n" + BUSY
    child = subprocess.Popen([sys.executable, "-c", body, str(cpu)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "busy\n"
        starvation = Starvation(child.pid)
        assert not starvation.look()  # nothing has happened yet
        deadline = time.monotonic() + 20
        while not starvation.look() and time.monotonic() < deadline:
            time.sleep(0.1)
        return starvation.look()
    finally:
        child.kill()
        child.communicate()


def test_how_it_is_told(busy: int) -> None:
    assert waits(19, busy)


def test_one_that_sleeps_does_not_wait_for_a_processor(cpu: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time\ntime.sleep(100)"])
    try:
        time.sleep(0.5)
        starvation = Starvation(child.pid)
        time.sleep(2)
        assert not starvation.look()
    finally:
        child.kill()
        child.communicate()
    assert not Starvation(child.pid).look()  # it is gone
