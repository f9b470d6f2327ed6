"""Delivery by a thread of the training process."""

import itertools
import random
import time
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.courier.loop import AT_ONCE
from multitrack.delivery.backoff import LONGEST_PAUSE, Pace
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
