"""``multitrack sync`` waits for what another process is delivering, as long as records move."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import multitrack
import processes
import programs
from multitrack.delivery.lane_state import state_of
from quiet import ROOT, environment
from recording_backends import delivered

pytestmark = [pytest.mark.case(22), pytest.mark.waits]

#: A job that ends while its courier is still at work.
JOB = """
import multitrack
run = multitrack.start_run(run_id="job", backends=["slow_plugin:plugin"], config={"exit": "detach"})
for step in range(400):
    run.log_metric("loss", 1.0, step=step)
run.wait_open(60)
run.end()
"""
SLOW = """
import time
from recording_backends import FileBackend

class Slow(FileBackend):
    name = "slow"
    def write_all(self, run, what, records):
        for record in records:
            time.sleep(SECONDS)
            super().write_all(run, what, [record])

plugin = Slow()
"""
SYNC = ("-m", "multitrack", "sync", "--trust", "slow_plugin:plugin")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    cwd = tmp_path / "project"
    programs.write(cwd / "train.py", JOB)
    programs.write(cwd / "slow_plugin.py", SLOW.replace("SECONDS", "0.02"))
    return cwd


def test_it_waits_and_says_how_far_it_is(project: Path) -> None:
    done = programs.run(project, "train.py")
    assert done.returncode == 0, done.stderr
    assert len(delivered(project / "delivered.jsonl", "metric")) < 400
    synced = programs.run(project, *SYNC)
    assert synced.returncode == 0, synced.stdout + synced.stderr
    assert "job  slow: 400 delivered" in synced.stdout
    assert "left to" not in synced.stderr
    lines = delivered(project / "delivered.jsonl", "metric")
    assert [line["record"]["step"] for line in lines] == list(range(400)), "the courier was left alone with it"
    assert len(delivered(project / "delivered.jsonl", "close")) == 1
    again = programs.run(project, *SYNC)
    assert (again.returncode, again.stdout) == (0, "nothing is pending\n")


def test_no_wait_leaves_it(project: Path) -> None:
    assert programs.run(project, "train.py").returncode == 0
    began = time.monotonic()
    synced = programs.run(project, *SYNC, "--no-wait")
    assert time.monotonic() - began < 30
    assert synced.returncode == 1
    assert "slow: run job is left to process" in synced.stderr
    assert programs.run(project, *SYNC).returncode == 0  # so that no courier is left behind


def test_a_courier_that_dies_meanwhile_is_taken_over_from(project: Path) -> None:
    assert programs.run(project, "train.py").returncode == 0
    given = environment(project.parent, ROOT / "tests")
    sync = subprocess.Popen(
        [sys.executable, *SYNC], cwd=project, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    os.chdir(project)
    begun = len(delivered(project / "delivered.jsonl", "metric"))
    while len(delivered(project / "delivered.jsonl", "metric")) < begun + 100:  # 2 s: the sync waits by then
        assert sync.poll() is None
        time.sleep(0.05)
    (courier,) = processes.couriers()
    os.kill(courier, signal.SIGKILL)
    said, errors = sync.communicate(timeout=100)
    assert sync.returncode == 0, said + errors
    steps = [line["record"]["step"] for line in delivered(project / "delivered.jsonl", "metric")]
    killed = next((i for i in range(1, len(steps)) if steps[i] != steps[i - 1] + 1), 400)
    assert steps[:killed] == list(range(killed))
    assert steps[killed:] == list(range(killed - (len(steps) - 400), 400))  # again from the position that was saved


def test_one_that_moves_nothing_is_left_after_the_stall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trusted: None
) -> None:
    for module in ("multitrack.delivery.waiting", "multitrack.courier.sync"):
        monkeypatch.setattr(sys.modules[module], "STALL", 2.0)
    config = {"delivery": "off", "hung": {"path": "out.jsonl"}}
    run = multitrack.start_run(backends=["recording_backends:hung"], config=config)
    run.log_metric("x", 1.0, step=0)
    run.end()
    body = (
        "from multitrack.delivery.lane import Lane\nfrom multitrack.journal.manifest import read_manifest\nfrom pathlib import Path\n"
        "from multitrack.delivery.trust import Trust\n"
        f"directory = Path({str(run.directory)!r})\n"
        "lane = Lane(directory, read_manifest(directory).backends[0], trust=Trust(['recording_backends:hung']), notice=print)\n"
        "while not lane.opened: lane.step()\nprint('holds', flush=True)\ntime.sleep(100)\n"
    )
    holder = processes.script(tmp_path, body)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holds\n"
        report = multitrack.sync()[run.id]
    finally:
        holder.kill()
        holder.communicate()
    assert (report["hung"].pending, report.complete) == (1, False)
    assert f"hung: run {run.id} is left to process {holder.pid}" in caplog.text
    assert "nothing has moved for 2 s" in caplog.text


@pytest.mark.parametrize("delivery", ["process", "thread"])
def test_of_a_run_that_is_being_written_what_it_holds_now(tmp_path: Path, delivery: str, trusted: None) -> None:
    """Its own courier delivers it; the sync waits for the records that it had when the sync began."""
    config = {"delivery": delivery, "interval": 3, "file": {"path": "out.jsonl"}}
    with multitrack.start_run(backends=["recording_backends:file"], config=config) as run:
        run.wait_open(60)
        for step in range(50):
            run.log_metric("x", 1.0, step=step)
        report = multitrack.sync()[run.id]
        assert (report["file"].delivered, report["file"].pending) == (50, 0)
        assert len(delivered(tmp_path / "out.jsonl", "metric")) == 50
        assert run.directory is not None
        assert not state_of(run.directory, "file").closed
        run.log_metric("x", 1.0, step=50)
    assert len(delivered(tmp_path / "out.jsonl", "metric")) == 51


def test_two_at_once(project: Path) -> None:
    """Two job epilogues of one journal: both wait, and both are told that everything has arrived."""
    programs.write(project / "train.py", JOB.replace('"exit": "detach"', '"delivery": "off"'))
    assert programs.run(project, "train.py").returncode == 0
    given = environment(project.parent, ROOT / "tests")
    syncs = [
        subprocess.Popen([sys.executable, *SYNC], cwd=project, env=given, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [sync.communicate(timeout=100)[0] for sync in syncs]
    assert [sync.returncode for sync in syncs] == [0, 0], said
    assert all("400 delivered" in text for text in said)
    assert len(delivered(project / "delivered.jsonl", "metric")) == 400
