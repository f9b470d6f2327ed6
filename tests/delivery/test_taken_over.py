"""A courier that hangs, is taken for dead by another machine, and goes on: it takes nothing back, and loses nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from files_reader import parquet_rows, read_run

import multitrack
from multitrack.delivery.lane import Lane
from multitrack.delivery.lane_lock import LaneLock
from multitrack.delivery.lane_state import LaneState, again_file, read_state, state_of
from multitrack.hookspecs import Opened, RunInfo
from multitrack.journal.manifest import read_manifest
from multitrack.markers import hookimpl
from multitrack.records import Metric, Status
from multitrack.tables.schema import POINTS
from multitrack_files import FilesBackend, FilesOptions
from multitrack_files.parts import Parts
from two_machines import TwoMachines, machines

__all__ = ["machines"]

_STEPS = 150


@pytest.fixture
def directory() -> Path:
    config = {"delivery": "off", "locks": "lease", "files": {"directory": "tables"}}
    with multitrack.start_run("p", backends=["files"], config=config) as run:
        for step in range(_STEPS):
            run.log_metric("x", step / 2, step=step)
        assert run.directory is not None
        return run.directory


class Keeping:
    """A tracker that keeps records by their ordinals."""

    name = "files"

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.held: dict[int, float] = {}

    @hookimpl
    def backend_options(self) -> type[msgspec.Struct]:
        return FilesOptions

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        return Opened("native")

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> Sequence[str]:
        self.calls.append(records[0].ordinal)
        self.held |= {record.ordinal: record.numbers["x"] for record in records}
        return ()

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> None:
        pass


def lane_of(directory: Path, plugin: object, said: list[str] | None = None) -> Lane:
    (entry,) = read_manifest(directory).backends
    options = {"directory": str(directory.parents[2] / "tables")}
    lane = Lane(directory, entry, options=options, plugin=plugin, notice=[].append if said is None else said.append)
    lane.pace.records = 4
    return lane


def drive(lane: Lane, steps: int = 1000) -> None:
    for _ in range(steps):
        if not lane.step() and lane.done:
            break


def take_over(machines: TwoMachines, lane: Lane) -> None:
    """Try until the lane is this machine's."""
    for _ in machines.silence():
        lane.step()
        if not lane.idle:
            return
    raise AssertionError("it could not be taken")


def test_a_courier_that_hung_takes_no_position_back(directory: Path, machines: TwoMachines) -> None:
    tracker, said = Keeping(), list[str]()
    mine, theirs = lane_of(directory, tracker, said), lane_of(directory, tracker)
    drive(mine, 3)  # takes the lane and opens the run, and delivers one batch
    assert 0 < mine.state.position < _STEPS
    with machines.on("bob"):
        take_over(machines, theirs)
        drive(theirs)
        assert theirs.state.settled
        theirs.release()
    after = read_state(directory, "files")
    assert (after.fence, after.closed) == (2, True)
    assert not mine.step()
    assert read_state(directory, "files") == after
    (text,) = said
    assert "goes on, which took this process for dead, as it did not run for a while" in text
    # What it may have sent late is sent once more, in order, up to the end.
    assert not state_of(directory, "files").closed
    tracker.calls.clear()
    for _ in machines.silence():
        drive(mine, 20)
    assert mine.state.settled
    assert min(tracker.calls) >= 3
    assert not again_file(directory, "files").exists()
    assert list(tracker.held.values()) == [step / 2 for step in range(_STEPS)]


def test_a_state_with_an_older_number_is_refused(directory: Path, machines: TwoMachines) -> None:
    mine, theirs = LaneLock(directory, "files"), LaneLock(directory, "files")
    assert mine.take() is not None
    mine.save(LaneState("files", position=5))
    with machines.on("bob"):
        for _ in machines.silence():
            if theirs.take() is not None:
                break
    mine.save(LaneState("files", position=6))  # before the other one has saved anything
    assert read_state(directory, "files").position == 5
    with machines.on("bob"):
        theirs.save(LaneState("files", position=9))
    mine._hold.is_current = lambda: True  # type: ignore[method-assign]  # it was paused after it had looked
    mine.save(LaneState("files", position=6))
    assert read_state(directory, "files").position == 9


def test_a_number_is_greater_than_the_one_that_came_with_the_state(directory: Path, machines: TwoMachines) -> None:
    lock = LaneLock(directory, "files")  # of a run that was pulled from another journal
    assert lock.take() is not None
    lock._hold.number = 70
    lock.save(LaneState("files", position=5))
    lock.release()
    next_one = LaneLock(directory, "files")
    assert next_one.take() is not None
    next_one.save(LaneState("files", position=9))
    assert (read_state(directory, "files").fence, read_state(directory, "files").position) == (71, 9)


@pytest.mark.parametrize("steps", [5, 1000])
@pytest.mark.parametrize("point", ["_delete_from", "_move"])
def test_tables_are_whole_after_a_courier_hung_while_it_wrote_them(
    directory: Path, machines: TwoMachines, monkeypatch: pytest.MonkeyPatch, point: str, steps: int
) -> None:
    """The worst moment: it goes on to delete what the other machine has written since."""
    mine = lane_of(directory, FilesBackend())
    drive(mine, 3)
    hung: list[Lane] = []
    plain = getattr(Parts, point)

    def hanging(parts: Parts, *args: Any) -> None:
        if not hung and machines.here == "ada" and parts._table is POINTS:
            theirs = lane_of(directory, FilesBackend())
            hung.append(theirs)
            with machines.on("bob"):
                take_over(machines, theirs)
                drive(theirs, steps)
                if steps == 1000:
                    assert theirs.state.settled
                    theirs.release()
                    assert_whole(directory)
        plain(parts, *args)

    monkeypatch.setattr(Parts, point, hanging)
    for _ in range(20):
        mine.step()
    (theirs,) = hung
    with machines.on("bob"):
        drive(theirs, 200)
        theirs.release()
    for _ in machines.silence():
        drive(mine, 20)
    assert mine.state.settled
    assert_whole(directory)


def assert_whole(directory: Path) -> None:
    native = read_run(parquet_rows(directory.parents[2] / "tables"), directory.name)
    assert [(point.step, point.value) for point in native.series["x"]] == [(step, step / 2) for step in range(_STEPS)]
    assert native.status == "finished"
