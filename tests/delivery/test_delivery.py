"""Trackers in trouble, positions and sync."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.delivery.lane import Lane
from multitrack.delivery.lane_state import lane_file, read_state
from multitrack.recording.run import Run
from processes import couriers, script, wait_until
from recording_backends import delivered

pytestmark = pytest.mark.usefixtures("trusted")


def start(*backends: object, **config: Any) -> Run:
    return multitrack.start_run("p", backends=list(backends), config={"interval": 0.05, **config})


def steps(path: Path) -> list[int]:
    return [line["record"]["step"] for line in delivered(path, "metric")]


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
    assert steps(tmp_path / "delivered.jsonl") == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert report.complete


def test_a_tracker_that_is_down_for_a_moment_is_tried_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with start("recording_backends:flaky") as run:
        for step in range(10):
            run.log_metric("x", 1.0, step=step)
    assert run.end().complete
    assert steps(tmp_path / "delivered.jsonl") == list(range(10))
    said = capfd.readouterr().err
    assert said.count("down for a moment (training goes on, delivery will be retried)") == 1
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
    assert "Ctrl-C ended the wait" in errors
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
