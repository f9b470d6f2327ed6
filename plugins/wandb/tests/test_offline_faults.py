"""Offline: whatever dies on the way, the files hold every record once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from offline_runs import expect, record, start, sync
from wandb_file import directories, read_native
from wandb_lanes import cores, lane_of, step

from multitrack.delivery.lane_state import lane_file, read_state
from multitrack_wandb import backend, sdk, session_files, wandb_log


def test_an_unfinished_directory_is_written_anew(tmp_path: Path) -> None:
    """As after a courier's death: nothing of the first directory is left, nothing is missing in the second."""
    run = start(tmp_path)
    record(run)
    sync(tmp_path)
    (first,) = directories(tmp_path, run.id)
    assert (tmp_path / "wandb" / "latest-run").resolve() == first
    backend._open.clear()  # this process no longer knows of it
    assert run.directory is not None
    sessions = session_files.read_sessions(run.directory / "lanes" / "wandb")
    assert [(session.directory, session.end) for session in sessions.sessions] == [(str(first), None)]
    for pid in cores():
        os.kill(pid, signal.SIGKILL)
    run.end()
    lane = lane_of(run)
    step(lane)  # notices that the SDK's process is gone
    step(lane)
    lane.release()
    assert lane.state.closed, lane.state.problem
    (second,) = directories(tmp_path, run.id)
    assert (tmp_path / "wandb" / "latest-run").resolve() == second
    expect(tmp_path, run, 0)


def test_a_link_that_the_sdk_replaces_meanwhile_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``latest-run``, which each of the SDK's runs removes and makes anew."""
    directory = tmp_path / "wandb" / "offline-run-1"
    directory.mkdir(parents=True)
    link = tmp_path / "wandb" / "latest-run"
    link.symlink_to(directory.name)
    is_symlink = Path.is_symlink

    def removed_after_the_look(path: Path) -> bool:
        found = is_symlink(path)
        path.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Path, "is_symlink", removed_after_the_look)
    session_files._discard(directory)
    assert list((tmp_path / "wandb").iterdir()) == []


def test_a_session_that_was_killed_while_it_started_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its directory is there, and nobody has noted it yet."""
    run = start(tmp_path)
    record(run)
    run.end()
    real = sdk.start

    def dying(*given: Any, **more: Any) -> Any:
        real(*given, **more)
        raise SystemExit

    monkeypatch.setattr(sdk, "start", dying)
    lane = lane_of(run)
    step(lane)
    assert "SystemExit" in str(lane.state.problem)
    lane.release()
    backend._open.clear()
    (first,) = directories(tmp_path, run.id)
    mark = first / "of the killed session"  # the next one's directory has the same name if it starts within the second
    mark.touch()
    for pid in cores():
        os.kill(pid, signal.SIGKILL)
    monkeypatch.undo()
    sync(tmp_path)
    assert not mark.exists()
    expect(tmp_path, run, 0)


def test_after_damaged_notes_the_run_is_written_anew_and_is_there_once(tmp_path: Path) -> None:
    run = start(tmp_path)
    record(run)
    run.end()
    sync(tmp_path)
    assert len(directories(tmp_path, run.id)) == 1
    assert run.directory is not None
    (run.directory / "lanes" / "wandb" / "sessions.json").write_bytes(b'{"x')
    lane_file(run.directory, "wandb").write_bytes(b"{")
    sync(tmp_path)
    assert len(directories(tmp_path, run.id)) == 1
    expect(tmp_path, run, 0)


def test_when_wandb_core_dies_every_open_run_is_delivered_whole(tmp_path: Path) -> None:
    runs = [start(tmp_path), start(tmp_path)]
    lanes = [lane_of(run) for run in runs]
    for run, lane in zip(runs, lanes, strict=True):
        record(run)
        step(lane)
        assert lane.state.problem is None
    for pid in cores():
        os.kill(pid, signal.SIGKILL)
    for run, lane in zip(runs, lanes, strict=True):
        record(run, 100)
        while lane.state.problem is None:  # what goes into the socket's buffer is taken for written at first
            run.log_metric("beat", 1)
            step(lane)
        assert not lane.state.stopped
        assert lane.state.set_aside == 0
        lane.release()
        run.end()
    sync(tmp_path)
    for run in runs:
        assert run.flush().complete
        expect(tmp_path, run, 0, 100)


def test_when_wandb_core_dies_the_same_lane_goes_on(tmp_path: Path) -> None:
    run = start(tmp_path)
    lane = lane_of(run)
    record(run)
    step(lane)
    for pid in cores():
        os.kill(pid, signal.SIGKILL)
    record(run, 100)
    run.end()
    while not lane.done:
        lane.step()
    lane.release()
    assert run.flush().complete
    expect(tmp_path, run, 0, 100)


def test_kill_9_of_training_and_courier(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import multitrack, pathlib, sys, time\n"
        "config = {'journal': 'journal', 'interval': 0.1, 'wandb': {'mode': 'offline'}}\n"
        "run = multitrack.start_run(project='p', run_id='killed', config=config, backends=['wandb'])\n"
        "for i in range(100_000):\n"
        "    run.log_metric('loss', i / 8, step=i)\n"
        "    run.log_lines(f'line {i}')\n"
        "    print(i, flush=True)\n"
        "    time.sleep(0.001)\n"
    )
    # As from a training that uses W&B itself; the courier must not lean on that one's helper process.
    environment = {**os.environ, "WANDB_SERVICE": "3-1-unix-/nowhere"}
    training = subprocess.Popen(
        [sys.executable, str(script)], cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment
    )
    directory = tmp_path / "journal" / "runs" / "killed"
    deadline = time.monotonic() + 60
    while read_state(directory, "wandb").delivered < 200 and time.monotonic() < deadline:
        time.sleep(0.02)
    (log,) = (tmp_path / "journal").glob("courier-*.log")
    courier = int(log.stem.partition("-")[2])
    os.kill(courier, signal.SIGSTOP)  # so that neither outlives the other and mends it
    training.kill()
    os.kill(courier, signal.SIGKILL)
    returned = training.communicate()[0].splitlines()
    assert len(directories(tmp_path, "killed")) == 1
    deadline = time.monotonic() + 30
    while not read_state(directory, "wandb").settled and time.monotonic() < deadline:
        sync(tmp_path)  # leaves the lane alone for as long as the dying courier's lock is held
    assert read_state(directory, "wandb").settled
    held = read_native(tmp_path, "killed")
    kept = len(held.series["loss"])
    assert kept - len(returned) in (0, 1)  # a call that had not returned may be there or not
    assert [(point.step, point.value) for point in held.series["loss"]] == [(i, i / 8) for i in range(kept)]
    assert held.lines[: len(returned)] == [f"line {i}" for i in range(len(returned))]
    assert held.status == "killed"
    assert len(directories(tmp_path, "killed")) == 1


def test_a_finished_directory_is_kept_and_a_resumed_run_gets_a_second(tmp_path: Path) -> None:
    run = start(tmp_path)
    record(run)
    run.end()
    sync(tmp_path)
    (first,) = directories(tmp_path, run.id)
    before = next(first.glob("*.wandb")).read_bytes()
    again = start(tmp_path, run_id=run.id)
    record(again, 100)
    again.end()
    sync(tmp_path)
    assert next(first.glob("*.wandb")).read_bytes() == before
    assert len(directories(tmp_path, run.id)) == 2
    expect(tmp_path, again, 0, 100)


def test_a_courier_that_died_after_the_end_changes_nothing(tmp_path: Path) -> None:
    run = start(tmp_path)
    record(run)
    run.end()
    sync(tmp_path)
    assert run.directory is not None
    lane_file(run.directory, "wandb").unlink()
    sync(tmp_path)
    assert read_state(run.directory, "wandb").closed
    assert len(directories(tmp_path, run.id)) == 1
    expect(tmp_path, run, 0)


def test_a_part_that_was_uploaded_by_hand_is_not_written_anew(tmp_path: Path) -> None:
    run = start(tmp_path)
    record(run)
    lane = lane_of(run)
    step(lane)
    lane.release()
    backend._open.clear()
    (first,) = directories(tmp_path, run.id)
    (first / f"run-{run.id}.wandb.synced").touch()
    run.end()
    sync(tmp_path)
    assert run.directory is not None
    state = read_state(run.directory, "wandb")
    assert state.stopped
    assert str(first) in str(state.problem)
    assert "multitrack sync" in str(state.problem)
    assert first.exists()


def test_a_file_that_lost_something_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, say: the SDK does not tell, the count does."""
    run = start(tmp_path)
    record(run)
    run.end()
    whole, seen = wandb_log.tally_finished, []

    def short_once(directory: Path) -> wandb_log.Tally:
        seen.append(directory)
        found = whole(directory)
        return found._replace(rows=found.rows - 1) if len(seen) == 1 else found

    monkeypatch.setattr(wandb_log, "tally_finished", short_once)
    lane = lane_of(run)
    step(lane)
    assert "instead of" in str(lane.state.problem)
    lane.release()
    sync(tmp_path)
    expect(tmp_path, run, 0)


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = start(tmp_path, options={"dir": str(tmp_path / "file" / "x")})
    run.end()
    sync(tmp_path)
    assert run.directory is not None
    assert "set the option dir" in str(read_state(run.directory, "wandb").problem)


def test_many_runs_at_once(tmp_path: Path) -> None:
    runs = [start(tmp_path) for _ in range(8)]
    for run in runs:
        record(run)
        run.end()
    sync(tmp_path)
    for run in runs:
        expect(tmp_path, run, 0)
