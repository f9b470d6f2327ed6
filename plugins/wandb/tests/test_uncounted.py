"""Servers that do not say how much they hold, or not yet, or count what others log: every row is there once."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stand_in_server import KEY, ServedRun, StandInServer
from wandb_lanes import cores, lane_of

import multitrack
from multitrack.delivery.lane import Lane
from multitrack.recording.run import Run
from multitrack_wandb import backend, held, session_files

#: For releases that log what they send (0.25), and continue a resumed run's lines after those that are there (0.28.2).
sent_is_known = pytest.mark.wandb_from(0, 29)

#: How a server answers: by what it does not know, by what it gets wrong, and by HTTP status.
ANSWERS = ["errors", "operation", "nothing", "null", "text", "zero", "never", 400, 403, 404, 500, 503]
#: Of these, those that the SDK cannot tell from a server that is down: a run that goes on waits for its answer.
OUTAGES = {"never", 500, 503}

pytestmark = pytest.mark.waits


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInServer]:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL", "1")
    monkeypatch.setattr(held, "_ANSWER_TIMEOUT", 1.0)
    monkeypatch.setattr(held, "_COUNT_TIMEOUT", 1.0)
    monkeypatch.setattr("multitrack_wandb.settings._INIT_TIMEOUT", 3.0)
    with StandInServer() as server:
        yield server


def start(tmp_path: Path, server: StandInServer, **arguments: Any) -> Run:
    options = {"mode": "online", "base_url": server.url, "dir": str(tmp_path)}
    config = {"journal": str(tmp_path / "journal"), "delivery": "off", "wandb": options}
    return multitrack.start_run(config=config, backends=["wandb"], **{"project": "tests", **arguments})


def log(run: Run, first: int, last: int) -> None:
    for i in range(first, last):
        run.log_metric("loss", i / 8, step=i)
        run.log_lines(f"line {i}")


def expect(held: ServedRun, count: int) -> None:
    assert [(row["multitrack/step"], row["loss"]) for row in held.rows if "loss" in row] == [
        (i, i / 8) for i in range(count)
    ]
    assert [line.partition(" ")[2].rstrip("\n") for line in held.lines] == [f"line {i}" for i in range(count)]


def until(lane: Lane) -> None:
    """Until the lane is done, whatever it meets."""
    deadline = time.monotonic() + 60
    while not lane.done and time.monotonic() < deadline:
        lane.pace.hurry()
        if not lane.step():
            time.sleep(0.1)
    lane.release()


def cut_off(run: Run, server: StandInServer, count: int) -> None:
    """So many rows arrive, and then the courier and its helper are killed."""
    lane = lane_of(run)
    deadline = time.monotonic() + 20
    while (run.id not in server.runs or len(server.runs[run.id].rows) < count) and time.monotonic() < deadline:
        lane.pace.hurry()
        lane.step()
        time.sleep(0.01)
    time.sleep(0.1)  # the answer is on its way to whoever is killed
    for pid in cores():
        os.kill(pid, signal.SIGKILL)
    backend._open.clear()
    lane.release()


@pytest.mark.long("errors", "nothing", "zero", "403", "503")
@pytest.mark.parametrize("counts", ANSWERS)
@sent_is_known
def test_a_server_that_cannot_be_asked_is_delivered_to_once(
    tmp_path: Path, server: StandInServer, counts: str | int
) -> None:
    server.counts, server.appends = counts, True
    run = start(tmp_path, server)
    log(run, 0, 30)
    run.end()
    lane = lane_of(run)
    until(lane)
    assert lane.state.closed, lane.state.problem
    expect(server.runs[run.id], 30)
    (sentence,) = run.flush(timeout=0)["wandb"].stand_ins
    assert "30 rows and 30 lines" in sentence
    assert "acknowledged" in sentence
    if counts in OUTAGES:
        return
    again = start(tmp_path, server, run_id=run.id)
    log(again, 30, 40)
    again.end()
    until(lane := lane_of(again))
    assert lane.state.closed, lane.state.problem
    expect(server.runs[run.id], 40)


@pytest.mark.long("exact", "errors", "zero")
@pytest.mark.parametrize("counts", ["exact", *(one for one in ANSWERS if one not in OUTAGES)])
@sent_is_known
def test_after_a_kill_every_row_is_there_once(tmp_path: Path, server: StandInServer, counts: str | int) -> None:
    server.counts, server.appends = counts, counts != "exact"
    run = start(tmp_path, server)
    log(run, 0, 30)
    cut_off(run, server, 30)
    log(run, 30, 50)
    cut_off(run, server, 50)
    log(run, 50, 60)
    run.end()
    until(lane := lane_of(run))
    assert lane.state.closed, lane.state.problem
    expect(server.runs[run.id], 60)


@pytest.mark.parametrize("counts", ["exact", "zero", "errors"])
@sent_is_known
def test_what_was_on_its_way_when_the_courier_was_killed_is_there_once(
    tmp_path: Path, server: StandInServer, counts: str
) -> None:
    """The server takes the rows; nobody is left to take its answer."""
    server.counts, server.appends = counts, counts != "exact"
    run = start(tmp_path, server)
    log(run, 0, 30)

    def kill() -> None:
        for pid in cores():
            os.kill(pid, signal.SIGKILL)

    server.interrupted = kill
    cut_off(run, server, 30)
    server.interrupted = None
    log(run, 30, 50)
    run.end()
    until(lane := lane_of(run))
    assert lane.state.closed, lane.state.problem
    assert session_files.read_sessions(run.directory / "lanes" / "wandb").sessions[-1].rows == 30  # type: ignore[operator]
    expect(server.runs[run.id], 50)


def test_rows_that_nobody_can_tell_of_are_sent_again_and_that_is_said(tmp_path: Path, server: StandInServer) -> None:
    """On their way at the kill, to a server that neither counts nor hands out its files."""
    server.counts = "errors"
    run = start(tmp_path, server)
    log(run, 0, 30)

    def kill() -> None:
        for pid in cores():
            os.kill(pid, signal.SIGKILL)

    server.interrupted = kill
    cut_off(run, server, 30)
    server.interrupted = None
    run.end()
    until(lane := lane_of(run))
    assert lane.state.closed, lane.state.problem
    losses = [row["loss"] for row in server.runs[run.id].rows if "loss" in row]
    assert set(losses) == {i / 8 for i in range(30)}
    said = run.flush(timeout=0)["wandb"].stand_ins
    # Before 0.25, the SDK does not log what it sends.
    assert any(re.search(r"(rows 0 to 29|from row 0).* sent again", sentence) for sentence in said), said


@pytest.mark.parametrize("behind", [1, 10, 30])
@sent_is_known
def test_a_count_that_is_behind_is_waited_for(tmp_path: Path, server: StandInServer, behind: int) -> None:
    run = start(tmp_path, server)
    log(run, 0, 30)
    cut_off(run, server, 30)
    server.behind, server.step_behind = behind, 7
    log(run, 30, 50)
    run.end()
    until(lane := lane_of(run))
    assert lane.state.closed, lane.state.problem
    expect(server.runs[run.id], 50)
    assert run.flush(timeout=0)["wandb"].stand_ins == []


@sent_is_known
def test_a_count_that_stays_behind_keeps_no_run_open(tmp_path: Path, server: StandInServer) -> None:
    run = start(tmp_path, server)
    log(run, 0, 30)
    run.end()
    server.behind, server.step_behind = 5, 0
    until(lane := lane_of(run))
    assert lane.state.closed, lane.state.problem
    expect(server.runs[run.id], 30)
    (sentence,) = run.flush(timeout=0)["wandb"].stand_ins
    assert "reports 25 rows" in sentence


def others_log(server: StandInServer, run: Run, count: int) -> None:
    """Somebody opens the run by its id, as with ``wandb.init(id=…, resume="must")``."""
    rows = server.runs[run.id].files.setdefault("wandb-history.jsonl", [])
    rows += [json.dumps({"_step": len(rows) + i, "theirs": i}) for i in range(count)]


@pytest.mark.parametrize("is_cut_off", [False, True])
@sent_is_known
def test_rows_of_others_in_the_run_are_not_taken_for_ours(
    tmp_path: Path, server: StandInServer, is_cut_off: bool
) -> None:
    run = start(tmp_path, server)
    log(run, 0, 30)
    if is_cut_off:
        cut_off(run, server, 30)
    else:
        run.end()
        until(lane_of(run))
    others_log(server, run, 15)
    again = run if is_cut_off else start(tmp_path, server, run_id=run.id)
    log(again, 30, 50)
    again.end()
    until(lane := lane_of(again))
    assert lane.state.closed, lane.state.problem
    expect(server.runs[run.id], 50)
    held_rows = server.runs[run.id].rows
    assert [row["theirs"] for row in held_rows if "theirs" in row] == list(range(15))
    assert [row["_step"] for row in held_rows] == list(range(65))
    assert any("another writer logs" in sentence for sentence in again.flush(timeout=0)["wandb"].stand_ins)


@sent_is_known
def test_two_journals_with_a_run_of_one_id_lose_no_row(tmp_path: Path, server: StandInServer) -> None:
    """Online they are one run, which has the rows of both."""
    runs = []
    for place, first in (("a", 0), ("b", 100)):
        run = start(tmp_path / place, server, run_id="same")
        for i in range(first, first + 20):
            run.log_metric("loss", i / 8, step=i)
        run.end()
        runs.append(run)
        time.sleep(0.002)
    for run in runs:
        until(lane := lane_of(run))
        assert lane.state.closed, lane.state.problem
    losses = [row["loss"] for row in server.runs["same"].rows if "loss" in row]
    assert losses == [i / 8 for i in (*range(20), *range(100, 120))]


@pytest.mark.parametrize("counts", ["exact", "errors"])
@sent_is_known
def test_what_a_server_refused_comes_again_and_no_more(tmp_path: Path, server: StandInServer, counts: str) -> None:
    """The SDK then gives up for good: what was acknowledged before tells where to go on."""
    server.counts, server.appends = counts, counts != "exact"
    run = start(tmp_path, server)
    log(run, 0, 30)
    lane = lane_of(run)
    deadline = time.monotonic() + 20
    while (run.id not in server.runs or len(server.runs[run.id].rows) < 30) and time.monotonic() < deadline:
        lane.pace.hurry()
        lane.step()
    server.refuses_rows = True
    log(run, 30, 50)
    run.end()
    while not lane.state.problem and time.monotonic() < deadline:
        lane.step()
    assert "W&B did not take all of the run" in str(lane.state.problem)
    server.refuses_rows = False
    lane.release()
    until(lane := lane_of(run))
    assert lane.state.closed, lane.state.problem
    expect(server.runs[run.id], 50)


@sent_is_known
def test_no_failure_after_everything_was_taken_sends_it_again(
    tmp_path: Path, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.counts, server.appends = "errors", True
    run = start(tmp_path, server)
    log(run, 0, 30)
    run.end()
    real, failures = session_files.write_sessions, iter(range(2))

    def full_disk(notes: Path, sessions: session_files.Sessions) -> None:
        if sessions.held and next(failures, None) is not None:
            raise OSError(28, "No space left on device")
        real(notes, sessions)

    monkeypatch.setattr(session_files, "write_sessions", full_disk)
    until(lane := lane_of(run))
    assert lane.state.closed, lane.state.problem
    assert next(failures, None) is None
    expect(server.runs[run.id], 30)


@pytest.mark.parametrize("counts", ["exact", "errors", "zero"])
@sent_is_known
def test_a_server_that_answers_rows_with_nonsense_does_not_get_them_without_end(
    tmp_path: Path, server: StandInServer, counts: str
) -> None:
    server.counts, server.appends, server.nonsense = counts, counts != "exact", True
    run = start(tmp_path, server)
    log(run, 0, 30)
    run.end()
    until(lane := lane_of(run))
    assert lane.state.closed, lane.state.problem
    if counts != "zero":
        expect(server.runs[run.id], 30)
    said = run.flush(timeout=0)["wandb"].stand_ins
    assert any("invalid answer" in sentence for sentence in said) == (counts != "exact"), said
