"""How a lane and whoever waits for it bear with a tracker: what it asks for, what it refuses, how slow it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.courier.loop import Courier
from multitrack.delivery.lane import Lane
from multitrack.delivery.lane_state import LaneState, lane_file
from multitrack.delivery.waiting import Settling
from multitrack.errors import DeniedError, RetryableError
from multitrack.hookspecs import Opened, RunInfo
from multitrack.journal.atomic import write_json
from multitrack.journal.manifest import BackendEntry
from multitrack.markers import hookimpl
from multitrack.recording.run import Run
from multitrack.records import Lines, Metric, Tags


class Tracker:
    """Does what it is told to at every hook."""

    name = "tracker"

    def __init__(self, act: Callable[[str], None]) -> None:
        self.act = act

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        return Opened("id")

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> None:
        self.act("metric")

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> None:
        self.act("lines")

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> None:
        self.act("tags")

    @hookimpl
    def flush(self, run: RunInfo, position: int) -> int:
        return position


def recorded() -> Run:
    run = multitrack.start_run("p", backends=[], config={"delivery": "off"})
    run.log_metric("x", 1.0, step=0)
    run.log_lines("line")
    run.set_tags({"a": "b"})
    return run


def lane_of(run: Run, act: Callable[[str], None], said: list[str]) -> Lane:
    assert run.directory is not None
    entry = BackendEntry(name="tracker", load="tracker", options={})
    lane = Lane(run.directory, entry, plugin=Tracker(act), notice=said.append)
    deadline = time.monotonic() + 10
    while not lane.opened:
        assert time.monotonic() < deadline
        lane.step()
    return lane


def test_a_tracker_is_left_alone_as_long_as_it_asked(tmp_path: Path) -> None:
    def busy(hook: str) -> None:
        raise RetryableError("come back later", after=100)

    said: list[str] = []
    lane = lane_of(recorded(), busy, said)
    lane.step()
    courier = Courier(said.append)
    courier._lanes[lane.directory, lane.name] = lane
    courier.nudge()  # as the end of a run does
    assert lane.pace.due > time.monotonic() + 90
    assert len(said) == 1


def test_a_refused_credential_sets_no_record_aside_and_is_said_once(tmp_path: Path) -> None:
    def deny(hook: str) -> None:
        raise DeniedError("TOKEN is refused")

    said: list[str] = []
    lane = lane_of(recorded(), deny, said)
    lane.step()
    assert lane.state.stopped
    assert lane.state.set_aside == 0
    (line,) = said
    assert "TOKEN is refused" in line
    assert "multitrack sync" in line


def test_a_lane_that_stops_after_other_troubles_says_so(tmp_path: Path) -> None:
    troubles: list[Exception] = [RetryableError("away"), DeniedError("TOKEN is refused")]

    def fail(hook: str) -> None:
        raise troubles.pop(0)

    said: list[str] = []
    lane = lane_of(recorded(), fail, said)
    lane.step()
    lane.step()
    assert ["away" in line for line in said] == [True, False]
    assert "TOKEN is refused" in said[1]


@pytest.mark.parametrize(("fails_at", "moves"), [(None, 3), ("tags", 2)])
def test_each_batch_that_a_tracker_takes_is_a_movement_once(tmp_path: Path, fails_at: str | None, moves: int) -> None:
    def act(hook: str) -> None:
        if hook == fails_at:
            raise RetryableError("away")

    lane = lane_of(recorded(), act, [])
    for _ in range(4):
        lane.step()
    assert lane.state.moves == moves


def settling_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **first: Any) -> tuple[Settling, Callable[..., None]]:
    monkeypatch.setattr("multitrack.delivery.waiting.STALL", 0.3)
    monkeypatch.setattr("multitrack.delivery.waiting.START", 60.0)
    (tmp_path / "lanes").mkdir()

    def save(**values: Any) -> None:
        write_json(lane_file(tmp_path, "tracker"), LaneState("tracker", **values))

    save(**first)
    return Settling([(tmp_path, "tracker")]), save


def test_a_slow_tracker_that_takes_batch_after_batch_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settling, save = settling_on(tmp_path, monkeypatch, id="id")
    for moves in range(1, 5):
        time.sleep(0.2)
        save(id="id", moves=moves)
        assert not settling.look()
    time.sleep(0.4)
    assert settling.look()


@pytest.mark.parametrize(("problem", "is_over"), [(None, False), ("connection refused", True)])
def test_only_an_opening_that_has_not_failed_has_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str | None, is_over: bool
) -> None:
    settling, _ = settling_on(tmp_path, monkeypatch, opening=True, problem=problem)
    time.sleep(0.4)
    assert settling.look() == is_over
