"""Runs of one id in two journals, or beside one of the training's own, do not disturb each other."""

import datetime
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stand_in_server import KEY, StandInServer
from wandb_file import WandbRun, directories
from wandb_lanes import cores, lane_of, step

import multitrack
from multitrack.delivery.lane_state import lane_file, read_state
from multitrack.recording.run import Run
from multitrack_wandb import backend, sdk, session_files


def start(tmp_path: Path, journal: str, **options: Any) -> Run:
    """A run ``same``, into the one directory ``wandb``."""
    table = {"mode": "offline", "dir": str(tmp_path), **options}
    config = {"journal": str(tmp_path / journal), "delivery": "off", "wandb": table}
    return multitrack.start_run("tests", run_id="same", config=config, backends=["wandb"], params={"journal": journal})


def held(tmp_path: Path) -> dict[str, list[float]]:
    """The points of each run's directories, by its journal; each directory is one run's."""
    found: dict[str, list[float]] = {}
    for directory in directories(tmp_path, "same"):
        run = WandbRun()
        run.read(directory)
        assert run.exit_code == 0
        assert run.config["multitrack/status"] == "finished"
        found.setdefault(run.config["journal"], []).extend(row["loss"] for row in run.rows)
    return found


def test_both_are_open_at_once(tmp_path: Path) -> None:
    runs = {journal: start(tmp_path, journal) for journal in "abc"}
    lanes = {journal: lane_of(run) for journal, run in runs.items()}
    for i in range(3):
        for journal, run in runs.items():
            run.log_metric("loss", i + ord(journal), step=i)
            step(lanes[journal])
            assert lanes[journal].state.problem is None
    for journal in "cab":
        runs[journal].end()
        step(lanes[journal])
        lanes[journal].release()
        assert lanes[journal].state.closed
    assert held(tmp_path) == {journal: [i + ord(journal) for i in range(3)] for journal in "abc"}
    assert len(directories(tmp_path, "same")) == 3


@pytest.mark.long("process")
@pytest.mark.parametrize("delivery", ["process", "thread"])
def test_a_training_with_two_journals(tmp_path: Path, delivery: str) -> None:
    """The inner one ends first; neither waits for the other."""
    script = """
import sys, multitrack
def start(journal):
    config = {"journal": journal, "delivery": sys.argv[1], "wandb": {"mode": "offline", "dir": "."}}
    return multitrack.start_run("p", run_id="same", config=config, backends=["wandb"], params={"journal": journal})
with start("a") as a:
    a.log_metric("loss", 1.0, step=0)
    with start("b") as b:
        b.log_metric("loss", 2.0, step=0)
    assert b.flush(timeout=0).complete, b.flush(timeout=0)
    a.log_metric("loss", 3.0, step=1)
assert a.flush(timeout=0).complete, a.flush(timeout=0)
"""
    (tmp_path / "train.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "train.py", delivery], cwd=tmp_path, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert held(tmp_path) == {"a": [1.0, 3.0], "b": [2.0]}


def test_a_training_that_opens_the_same_id_itself(tmp_path: Path) -> None:
    """In its own process, with the SDK: its run and ours are two of the helper process."""
    script = """
import multitrack, wandb
config = {"journal": "a", "delivery": "thread", "wandb": {"mode": "offline", "dir": "ours"}}
run = multitrack.start_run("p", run_id="same", config=config, backends=["wandb"], params={"journal": "a"})
run.wait_open(60)
theirs = wandb.init(project="p", id="same", mode="offline", dir="theirs", config={"theirs": 1})
theirs.log({"x": 1})
run.log_metric("loss", 1.0, step=0)
assert run.end().complete
theirs.log({"x": 2})
theirs.finish()
"""
    (tmp_path / "train.py").write_text(script)
    subprocess.run([sys.executable, "train.py"], cwd=tmp_path, check=True, timeout=100, capture_output=True)
    assert held(tmp_path / "ours") == {"a": [1.0]}
    (directory,) = directories(tmp_path / "theirs", "same")
    theirs = WandbRun()
    theirs.read(directory)
    assert [row["x"] for row in theirs.rows] == [1, 2]
    assert theirs.config["theirs"] == 1


def kill_and_forget() -> None:
    for pid in cores():
        os.kill(pid, signal.SIGKILL)
    backend._open.clear()


@pytest.mark.parametrize("moment", ["starting", "open", "damaged"])
def test_what_one_throws_away_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """One is cut off, the other is finished meanwhile, by another process: its directory stays, and what is in it."""
    first = start(tmp_path, "a")
    first.log_metric("loss", 1.0, step=0)
    first.end()
    if moment == "starting":
        real = sdk.start

        def dying(*given: Any, **more: Any) -> Any:
            real(*given, **more)
            raise SystemExit

        monkeypatch.setattr(sdk, "start", dying)
    lane = lane_of(first)
    if moment == "open":
        lane.step()
        lane.step()
    else:
        step(lane)
    lane.release()
    monkeypatch.undo()
    kill_and_forget()
    assert len(directories(tmp_path, "same")) == 1
    code = (
        "import multitrack\n"
        f"config = {{'journal': 'b', 'delivery': 'off', 'wandb': {{'mode': 'offline', 'dir': {str(tmp_path)!r}}}}}\n"
        "with multitrack.start_run('tests', run_id='same', config=config, backends=['wandb'],\n"
        "        params={'journal': 'b'}) as run:\n"
        "    run.log_metric('loss', 2.0, step=0)\n"
        "multitrack.sync('b')\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=100)
    notes = tmp_path / "a" / "runs" / "same" / "lanes" / "wandb" / "sessions.json"
    if moment == "damaged":
        notes.write_bytes(b'{"x')
        lane_file(tmp_path / "a" / "runs" / "same", "wandb").write_bytes(b"{")
    multitrack.sync(tmp_path / "a")
    assert read_state(tmp_path / "a" / "runs" / "same", "wandb").closed
    assert held(tmp_path) == {"a": [1.0], "b": [2.0]}
    assert len(directories(tmp_path, "same")) == 2


def test_a_directory_of_the_same_second_is_as_good(tmp_path: Path) -> None:
    """The SDK then puts a number behind the id; cut off, it is thrown away all the same."""
    now = datetime.datetime.now()
    for seconds in range(60):
        moment = now + datetime.timedelta(seconds=seconds)
        (tmp_path / "wandb" / f"offline-run-{moment:%Y%m%d_%H%M%S}-same").mkdir(parents=True)
    run = start(tmp_path, "a")
    run.log_metric("loss", 1.0, step=0)
    lane = lane_of(run)
    step(lane)
    lane.release()
    (cut_off,) = (tmp_path / "wandb").glob("*-same-1")
    (cut_off / "of the first").touch()
    kill_and_forget()
    run.end()
    multitrack.sync(tmp_path / "a")
    assert read_state(tmp_path / "a" / "runs" / "same", "wandb").closed
    assert not (cut_off / "of the first").exists()
    (written,) = (tmp_path / "wandb").glob("*-same-1")
    found = WandbRun()
    found.read(written)
    assert [row["loss"] for row in found.rows] == [1.0]


def test_online_both_deliver_into_the_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """W&B has one run of an id in a project; with projects of their own, they are two."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with StandInServer() as server:
        for journal in "ab":
            run = start(tmp_path, journal, mode="online", base_url=server.url)
            run.log_metric("loss", float(ord(journal)), step=0)
            run.end()
        for journal in "ab":
            multitrack.sync(tmp_path / journal)
            assert read_state(tmp_path / journal / "runs" / "same", "wandb").closed
        assert [row["loss"] for row in server.runs["same"].rows] == [97.0, 98.0]
    notes = session_files.read_sessions(tmp_path / "b" / "runs" / "same" / "lanes" / "wandb")
    assert (notes.taken.rows, notes.sessions[0].rows) == (1, 0)
