"""Lanes and the courier: everything arrives, once and in order, whatever a tracker does, and training never notices."""

import itertools
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.courier.loop import AT_ONCE
from multitrack.delivery.backoff import LONGEST_PAUSE, Pace
from multitrack.delivery.lane import Lane
from multitrack.delivery.lane_state import lane_file, read_state
from multitrack.delivery.waiting import Settling
from multitrack.recording.run import Run
from multitrack.testing import MemoryBackend
from processes import but_progress, couriers, script, wait_until
from recording_backends import delivered

pytestmark = pytest.mark.usefixtures("trusted")


def start(*backends: object, **config: Any) -> Run:
    return multitrack.start_run("p", backends=list(backends), config={"interval": 0.05, **config})


def steps(path: Path) -> list[int]:
    return [line["record"]["step"] for line in delivered(path, "metric")]


# -- the process host -----------------------------------------------------------------------------------------


def test_the_courier_delivers_from_a_process_of_its_own(tmp_path: Path) -> None:
    with start("recording_backends:file") as run:
        run.log_params({"a": 1})
        for step in range(100):
            run.log_metric("x", float(step), step=step)
        report = run.flush(timeout=20)
        assert (report["file"].delivered, report["file"].pending) == (101, 0)
        assert run.backend_ids == {"file": f"file-{run.id}"}
        assert run.urls["file"].startswith("file://")
    (opened,) = delivered(tmp_path / "delivered.jsonl", "open")
    assert opened["pid"] != os.getpid()
    assert opened["context_pid"] == os.getpid()
    assert steps(tmp_path / "delivered.jsonl") == list(range(100))
    (closed,) = delivered(tmp_path / "delivered.jsonl", "close")
    assert closed["status"] == "finished"
    assert run.end().complete


def test_one_courier_serves_all_runs_of_a_process(tmp_path: Path) -> None:
    runs = [start("recording_backends:file") for _ in range(5)]
    for run in runs:
        run.log_metric("x", 1.0, step=0)
    for run in runs:
        run.end()
    assert len({line["pid"] for line in delivered(tmp_path / "delivered.jsonl", "open")}) == 1
    assert len(delivered(tmp_path / "delivered.jsonl", "close")) == 5


def test_a_child_does_not_wait_and_its_parent_is_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, waits = multitrack.recording.run_lanes.wait, []
    monkeypatch.setattr(
        "multitrack.recording.run_lanes.wait", lambda *given, **more: (waits.append(given), real(*given, **more))
    )
    with start("recording_backends:file") as parent:
        child = multitrack.start_run(parent=parent)
        child.log_metric("x", 1.0, step=0)
        child.end()
        assert waits == []
    assert len(waits) == 1
    (link,) = delivered(tmp_path / "delivered.jsonl", "link")
    assert (link["run"], link["parent"]) == (child.id, f"file-{parent.id}")
    assert {line["run"] for line in delivered(tmp_path / "delivered.jsonl", "close")} == {parent.id, child.id}


def test_a_parent_waits_for_children_that_nobody_holds(tmp_path: Path) -> None:
    with start("recording_backends:file") as parent:
        for _ in range(20):
            multitrack.start_run(parent=parent).end()
    assert len(parent.family()) == 21
    assert len(delivered(tmp_path / "delivered.jsonl", "close")) == 21


def test_secrets_reach_the_courier_but_no_file(tmp_path: Path) -> None:
    uri = "https://user:hunter2@host/x"
    with start("recording_backends:file", file={"secret": uri}) as run:
        run.log_metric("x", 1.0, step=0)
    (opened,) = delivered(tmp_path / "delivered.jsonl", "open")
    assert opened["options"]["secret"] == uri
    kept = b"".join(path.read_bytes() for path in (tmp_path / ".multitrack").rglob("*") if path.is_file())
    assert run.id.encode() in kept
    assert b"hunter2" not in kept


def test_no_sdk_is_imported_into_the_training_process(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "config = {'wandb': {'mode': 'offline'}, 'delivery': 'process'}\n"
        "strangers = 'mlflow wandb neptune numpy pandas sqlalchemy alembic requests pydantic keras tensorflow multitrack.courier'\n"
        "with multitrack.start_run(backends=['mlflow', 'wandb', 'neptune'], config=config) as run:\n"
        "    run.log_params({'lr': 0.1}); run.log_metric('x', 1.0, step=0); run.log_list_metric('y', [1.0]); run.log_lines('z')\n"
        "    run.set_tags({'a': 'b'}); run.log_artifact_ref('script', __file__); run.flush()\n"
        "print(sorted(set(strangers.split()) & set(sys.modules)), run.end().complete)\n",
        WANDB_ERROR_REPORTING="false", MLFLOW_DISABLE_TELEMETRY="true",
    )  # fmt: skip
    out, errors = training.communicate(timeout=200)
    assert out == "[] True\n", errors


def test_a_run_may_end_without_a_word_and_the_courier_goes(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "run = multitrack.start_run(backends=['recording_backends:file'])\n"
        "for i in range(50): run.log_metric('x', 1.0, step=i)\n",
    )
    _, errors = training.communicate(timeout=60)
    assert (training.returncode, but_progress(errors)) == (0, [])
    assert steps(tmp_path / "delivered.jsonl") == list(range(50))
    assert delivered(tmp_path / "delivered.jsonl", "close")[0]["status"] == "finished"
    wait_until(lambda: couriers() == [])


def test_when_training_is_killed_the_courier_delivers_the_rest_and_goes(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "run = multitrack.start_run(backends=['recording_backends:file'])\nrun.wait_open()\n"
        "for i in range(500): run.log_metric('x', 1.0, step=i)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    training.communicate(timeout=60)
    path = tmp_path / "delivered.jsonl"
    wait_until(lambda: delivered(path, "close"))
    assert steps(path) == list(range(500))
    (closed,) = delivered(path, "close")
    assert closed["status"] == "killed"
    assert closed["time"] == delivered(path, "metric")[-1]["time"]  # its last sign of life
    wait_until(lambda: couriers() == [])
    (run,) = multitrack.open_journal().runs()
    assert run.summary().status == "killed"


def test_a_pipe_that_somebody_else_holds_open_does_not_keep_the_courier(tmp_path: Path) -> None:
    """As a process that C code forked does: training's death is seen by its children's new parent."""
    training = script(
        tmp_path,
        "import subprocess\nfrom multitrack.recording import lifecycle\n"
        "run = multitrack.start_run(backends=['recording_backends:file'])\nrun.wait_open()\n"
        "pipe = lifecycle._hosts['process']._pipe\n"
        "holder = subprocess.Popen(['sleep', '60'], pass_fds=[pipe])\nprint(holder.pid, flush=True)\n"
        "run.log_metric('x', 1.0, step=0)\nos.write(pipe, b'{\"add\": \"cut o')\nos.kill(os.getpid(), signal.SIGKILL)\n",
    )
    assert training.stdout is not None
    holder = int(training.stdout.readline())
    try:
        wait_until(lambda: delivered(tmp_path / "delivered.jsonl", "close"))
        wait_until(lambda: couriers() == [])
    finally:
        os.kill(holder, signal.SIGKILL)
        training.communicate()
    assert delivered(tmp_path / "delivered.jsonl", "close")[0]["status"] == "killed"


def test_a_journal_that_is_taken_away_stops_its_lanes_alone(tmp_path: Path) -> None:
    gone = start("recording_backends:file")
    gone.log_metric("x", 1.0, step=0)
    gone.flush(timeout=20)
    assert gone.directory is not None
    gone.directory.rename(tmp_path / "elsewhere")
    with start("recording_backends:file") as run:
        run.log_metric("x", 1.0, step=1)
    assert run.end().complete
    assert steps(tmp_path / "delivered.jsonl") == [0, 1]


def test_a_courier_that_dies_is_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = start("recording_backends:file")
    run.log_metric("x", 1.0, step=0)
    run.flush(timeout=20)
    for pid in couriers():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: couriers() == [])
    run.log_metric("x", 1.0, step=1)
    assert run.end().complete
    assert sorted(set(steps(tmp_path / "delivered.jsonl"))) == [0, 1]
    assert "the courier process died; starting it again" in caplog.text


def test_detach_returns_at_once_and_the_courier_goes_on(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "with multitrack.start_run(backends=['recording_backends:file'], config={'exit': 'detach'}) as run:\n"
        "    for i in range(50): run.log_metric('x', 1.0, step=i)\n",
    )
    _, errors = training.communicate(timeout=60)
    assert training.returncode == 0
    wait_until(lambda: delivered(tmp_path / "delivered.jsonl", "close"))
    assert steps(tmp_path / "delivered.jsonl") == list(range(50))
    assert "the courier goes on" in errors or but_progress(errors) == []
    wait_until(lambda: couriers() == [])


def test_the_courier_is_not_led_to_other_runs_or_gpus(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "run = multitrack.start_run(backends=['recording_backends:file'])\nrun.wait_open()\nprint('ready', flush=True)\n"
        "sys.stdin.readline()\n",
        WANDB_RUN_ID="somebody", MLFLOW_RUN_ID="else", CUDA_VISIBLE_DEVICES="0",
    )  # fmt: skip
    assert training.stdout is not None
    assert training.stdout.readline() == "ready\n"
    (pid,) = couriers()
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    training.kill()
    training.communicate()
    assert not [entry for entry in environment if entry.startswith((b"WANDB_RUN_ID", b"MLFLOW_RUN_ID"))]
    assert b"CUDA_VISIBLE_DEVICES=-1" in environment
    wait_until(lambda: couriers() == [])


def test_ctrl_c_reaches_training_alone_and_the_run_ends_as_killed(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "with multitrack.start_run(backends=['recording_backends:file']) as run:\n"
        "    run.log_metric('x', 1.0, step=0)\n    print('ready', flush=True)\n    time.sleep(60)\n",
    )
    assert training.stdout is not None
    assert training.stdout.readline() == "ready\n"
    training.send_signal(signal.SIGINT)
    training.communicate(timeout=60)
    assert training.returncode == -signal.SIGINT
    assert delivered(tmp_path / "delivered.jsonl", "close")[0]["status"] == "killed"


# -- trackers in trouble --------------------------------------------------------------------------------------


def test_a_tracker_that_raises_in_every_call_changes_nothing_for_the_others(tmp_path: Path) -> None:
    with start("recording_backends:raising", "recording_backends:file", "recording_backends:closed") as run:
        result = 0.0
        for step in range(200):
            result += step / 2
            run.log_metric("x", result, step=step)
        run.log_lines("done")
    assert result == sum(range(200)) / 2
    report = run.end()
    assert report["file"].complete
    assert (report["file"].delivered, report["file"].set_aside) == (201, 0)
    assert (report["raising"].set_aside, report["raising"].delivered, report["raising"].pending) == (201, 0, 0)
    assert set(report["raising"].reasons) == {"PermanentError: no metric today", "PermanentError: no lines today"}
    assert (report["closed"].pending, report["closed"].problem) == (201, "ZeroDivisionError: the door is closed")
    assert steps(tmp_path / "delivered.jsonl") == list(range(200))
    assert run.directory is not None
    kept = lane_file(run.directory, "raising", ".aside.jsonl").read_text().splitlines()
    assert len(kept) == 201


def test_one_bad_record_is_set_aside_alone(tmp_path: Path) -> None:
    run = start("recording_backends:picky", delivery="off")
    for step in range(10):
        run.log_metric("bad" if step == 4 else "x", 1.0, step=step)
    run.end()
    report = multitrack.sync()[run.id]["picky"]
    assert (report.delivered, report.set_aside, report.reasons) == (9, 1, {"ValueError: a bad metric": 1})
    assert sorted(set(steps(tmp_path / "delivered.jsonl"))) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert report.complete


def test_a_tracker_that_is_down_for_a_moment_is_tried_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with start("recording_backends:flaky") as run:
        for step in range(10):
            run.log_metric("x", 1.0, step=step)
    assert run.end().complete
    assert steps(tmp_path / "delivered.jsonl") == list(range(10))
    said = capfd.readouterr().err
    assert said.count("down for a moment (training goes on, delivery is tried again)") == 1
    assert "flaky: delivering again" in said


def test_a_run_that_a_backend_lost_is_opened_again_and_comes_whole(tmp_path: Path) -> None:
    run = start("recording_backends:losing", delivery="off")
    for step in range(10):
        run.log_metric("x", 1.0, step=step)
    run.end()
    report = multitrack.sync()[run.id]["losing"]
    assert (report.delivered, report.complete) == (10, True)
    assert len(delivered(tmp_path / "delivered.jsonl", "open")) == 1
    assert steps(tmp_path / "delivered.jsonl") == list(range(10))


def test_a_hung_tracker_is_left_to_sync_and_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("multitrack.delivery.waiting.STALL", 1.0)
    before = time.monotonic()
    with start("recording_backends:hung", "recording_backends:file") as run:
        run.log_metric("x", 1.0, step=0)
    assert time.monotonic() - before < 15
    report = run.end()
    assert report["file"].complete
    assert report["hung"].pending == 1
    assert "send the rest with: multitrack sync" in caplog.text
    assert str(tmp_path / ".multitrack") in caplog.text


def test_ctrl_c_ends_the_wait(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "with multitrack.start_run(backends=['recording_backends:hung']) as run:\n    run.log_metric('x', 1.0, step=0)\n"
        "    run.wait_open()\n    print('ready', flush=True)\nprint('went on', flush=True)\n",
    )
    assert training.stdout is not None
    assert training.stdout.readline() == "ready\n"
    time.sleep(1.5)
    training.send_signal(signal.SIGINT)
    out, errors = training.communicate(timeout=30)
    assert (out, training.returncode) == ("went on\n", 0)
    assert "multitrack: delivering hung: 0/1" in errors  # there was progress
    assert "ended by Ctrl-C" in errors
    assert "1 pending" in errors
    wait_until(lambda: couriers() == [])


# -- positions and sync ---------------------------------------------------------------------------------------


def test_delivery_off_then_sync(tmp_path: Path) -> None:
    with start("recording_backends:file", delivery="off") as run:
        run.log_metric("x", 1.0, step=0)
    assert delivered(tmp_path / "delivered.jsonl") == []
    assert run.flush()["file"].pending == 1
    assert multitrack.sync()[run.id].complete
    assert steps(tmp_path / "delivered.jsonl") == [0]
    assert multitrack.sync() == {}
    assert steps(tmp_path / "delivered.jsonl") == [0]


def test_a_run_still_being_written_is_synced_as_far_as_it_goes(tmp_path: Path) -> None:
    run = start("recording_backends:file", delivery="off")
    run.log_metric("x", 1.0, step=0)
    report = multitrack.sync()[run.id]["file"]
    assert (report.delivered, report.pending, report.complete) == (1, 0, True)
    run.log_metric("x", 1.0, step=1)
    run.end()
    assert multitrack.sync()[run.id].complete
    assert steps(tmp_path / "delivered.jsonl") == [0, 1]


def test_a_lane_goes_on_where_it_saved_its_position(tmp_path: Path) -> None:
    run = start("recording_backends:file", delivery="off")
    for step in range(3):
        run.log_metric("x", 1.0, step=step)
        multitrack.sync()
        assert run.directory is not None
        assert read_state(run.directory, "file").position == step + 2
    run.end()
    multitrack.sync()
    ordinals = [line["ordinal"] for line in delivered(tmp_path / "delivered.jsonl", "metric")]
    assert ordinals == [1, 2, 3]


def test_two_couriers_do_not_drive_one_lane(tmp_path: Path) -> None:
    run = start("recording_backends:file")
    run.log_metric("x", 1.0, step=0)
    run.flush(timeout=20)
    assert multitrack.sync()[run.id]["file"].delivered == 1  # the live courier has the lane: left to it
    run.log_metric("x", 1.0, step=1)
    run.end()
    assert steps(tmp_path / "delivered.jsonl") == [0, 1]


def test_a_lane_that_another_courier_has_ended_is_not_opened_again(tmp_path: Path) -> None:
    run = start("recording_backends:file", delivery="off")
    run.log_metric("x", 1.0, step=0)
    run.end()
    assert run.directory is not None
    (entry,) = run.manifest.backends
    first, second = (Lane(run.directory, entry, options={}, notice=print) for _ in range(2))
    assert first.step()
    assert not second.step()
    assert second.idle  # the first one has it
    while first.step():
        pass
    first.release()
    assert not second.step()
    assert second.done
    assert len(delivered(tmp_path / "delivered.jsonl", "open")) == 1


def test_a_damaged_line_is_reported_and_the_rest_delivered(tmp_path: Path) -> None:
    run = start("recording_backends:file", delivery="off")
    for step in range(4):
        run.log_metric("x", 1.0, step=step)
    run.end()
    assert run.directory is not None
    path = run.directory / "000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = b"#" + lines[2][1:]
    path.write_bytes(b"".join(lines))
    report = multitrack.sync()[run.id]
    assert (report.damaged, report.complete) == (1, True)
    assert steps(tmp_path / "delivered.jsonl") == [0, 2, 3]


def test_a_tracker_may_be_added_to_a_finished_run(tmp_path: Path) -> None:
    run = start("recording_backends:file", delivery="off")
    run.log_metric("x", 1.0, step=0)
    run.end()
    multitrack.sync()
    again = multitrack.start_run(run_id=run.id, backends=["recording_backends:picky"],
                                 config={"delivery": "off", "picky": {"path": "picky.jsonl"}})  # fmt: skip
    again.end()
    assert multitrack.sync()[run.id].complete
    assert steps(tmp_path / "picky.jsonl") == [0]
    assert steps(tmp_path / "delivered.jsonl") == [0]


# -- the thread host ------------------------------------------------------------------------------------------


def test_the_thread_host_delivers_to_an_object_of_this_process() -> None:
    memory = MemoryBackend()
    with start(memory, delivery="thread") as run:
        for step in range(100):
            run.log_metric("x", float(step), step=step)
        assert run.flush(timeout=20)["memory"].delivered == 100
    assert [point.step for point in memory.runs[run.id].series["x"]] == list(range(100))
    assert memory.runs[run.id].status == "finished"


def test_the_thread_host_delivers_at_the_interpreters_exit(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "run = multitrack.start_run(backends=['recording_backends:file'], config={'delivery': 'thread'})\n"
        "for i in range(50): run.log_metric('x', 1.0, step=i)\n",
    )
    _, errors = training.communicate(timeout=60)
    assert (training.returncode, but_progress(errors)) == (0, [])
    assert steps(tmp_path / "delivered.jsonl") == list(range(50))
    assert delivered(tmp_path / "delivered.jsonl", "close")[0]["status"] == "finished"


@pytest.mark.slow
def test_the_thread_host_hands_over_what_it_cannot_open_at_exit(tmp_path: Path) -> None:
    """A short script is over before the SDKs are imported, and then they cannot be any more in its process."""
    training = script(
        tmp_path,
        "backends = ['mlflow', 'wandb', 'neptune']\n"
        "config = {'delivery': 'thread', 'wandb': {'mode': 'offline'}}\n"
        "run = multitrack.start_run(backends=backends, config=config)\n"
        "for i in range(50): run.log_metric('x', 1.0, step=i)\n",
        WANDB_ERROR_REPORTING="false", MLFLOW_DISABLE_TELEMETRY="true",
    )  # fmt: skip
    _, errors = training.communicate(timeout=200)
    assert training.returncode == 0
    assert "atexit" not in errors
    (run,) = multitrack.open_journal().runs()
    assert {name: (lane.delivered, lane.settled) for name, lane in run.lanes().items()} == dict.fromkeys(
        ("mlflow", "wandb", "neptune"), (50, True)
    ), errors


def test_many_runs_open_at_once_have_a_bounded_pool(tmp_path: Path) -> None:
    import threading

    memory = MemoryBackend()
    before = threading.active_count()
    with start(memory, delivery="thread") as parent:
        children = [multitrack.start_run(parent=parent) for _ in range(150)]
        for child in children:
            child.log_metric("x", 1.0, step=0)
        parent.flush(timeout=20)
        assert threading.active_count() - before < 20
        for child in children:
            child.end()
    assert len(memory.runs) == 151
    assert {native.status for native in memory.runs.values()} == {"finished"}
    assert {native.parent for run_id, native in memory.runs.items() if run_id != parent.id} == {parent.id}


def test_of_many_pending_runs_a_tracker_has_not_all_open_at_once(tmp_path: Path) -> None:
    for number in range(AT_ONCE + 20):
        run = start("recording_backends:file", delivery="off")
        run.log_metric("x", float(number), step=number)
        run.end()
    reports = multitrack.sync()
    assert len(reports) == AT_ONCE + 20
    assert all(report.complete for report in reports.values())
    opened = [1 if line["what"] == "open" else -1 if line["what"] == "close" else 0
              for line in delivered(tmp_path / "delivered.jsonl")]  # fmt: skip
    assert max(itertools.accumulate(opened)) <= AT_ONCE


def test_a_forked_childs_records_are_delivered_in_their_order(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "with multitrack.start_run(backends=['recording_backends:file']) as run:\n"
        "    run.log_metric('x', 1.0, step=0)\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n        run.log_metric('x', 1.0, step=2)\n        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n    run.log_metric('x', 1.0, step=1)\n",
    )
    _, errors = training.communicate(timeout=60)
    assert training.returncode == 0, errors
    assert steps(tmp_path / "delivered.jsonl") == [0, 1, 2]
    wait_until(lambda: couriers() == [])


def test_settling_waits_as_long_as_records_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multitrack.delivery.waiting.STALL", 0.3)
    run = start("recording_backends:file", delivery="off")
    run.log_metric("x", 1.0, step=0)
    multitrack.sync()
    assert run.directory is not None
    settling = Settling([(run.directory, "file")])
    state = read_state(run.directory, "file")
    for delivered_by_now in range(2, 6):
        time.sleep(0.15)
        state.delivered = delivered_by_now
        multitrack.journal.atomic.write_json(lane_file(run.directory, "file"), state)
        assert not settling.look()
    time.sleep(0.4)
    assert settling.look()
    assert settling.stalled == {(run.directory, "file")}


def test_a_lane_that_moves_again_is_waited_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another one moves, nobody has gone yet."""
    monkeypatch.setattr("multitrack.delivery.waiting.STALL", 0.3)
    run = start("recording_backends:file", "recording_backends:picky", delivery="off")
    run.log_metric("x", 1.0, step=0)
    multitrack.sync()
    assert run.directory is not None
    states = {name: read_state(run.directory, name) for name in ("file", "picky")}
    settling = Settling([(run.directory, name) for name in states])

    def moves(*names: str) -> bool:
        for name in names:
            states[name].delivered += 1
            multitrack.journal.atomic.write_json(lane_file(run.directory or tmp_path, name), states[name])
        time.sleep(0.1)
        return not settling.look()

    assert all(moves("file") for _ in range(5))
    assert settling.waiting == [(run.directory, "file")]
    assert moves("picky")
    assert settling.waiting == [(run.directory, "file"), (run.directory, "picky")]
    assert settling.stalled == set()
    while moves():
        pass
    assert settling.stalled == {(run.directory, "file"), (run.directory, "picky")}


def test_a_lane_that_goes_round_in_circles_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multitrack.delivery.waiting.STALL", 0.3)
    run = start("recording_backends:file", delivery="off")
    run.log_metric("x", 1.0, step=0)
    multitrack.sync()
    assert run.directory is not None
    settling = Settling([(run.directory, "file")])
    state = read_state(run.directory, "file")
    looks = 0
    while not settling.look():
        looks += 1
        assert looks < 60
        state.delivered = looks % 3
        multitrack.journal.atomic.write_json(lane_file(run.directory, "file"), state)
        time.sleep(0.05)
    assert settling.stalled == {(run.directory, "file")}


def test_a_pause_draws_none_of_the_users_random_numbers():
    """With ``delivery = "thread"`` the lanes live in the training process."""
    before = random.getstate()
    Pace().failed(None)
    assert random.getstate() == before


def test_a_tracker_that_is_away_for_days_is_still_tried() -> None:
    """The pause no longer grows, and neither does the number that it comes from."""
    pace = Pace()
    pace.tries = 10_000
    pace.failed(None)
    assert 0 < pace.due - time.monotonic() <= LONGEST_PAUSE
