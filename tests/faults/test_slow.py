"""A tracker that is slow: its stretches are short, so that the lane moves and each position is saved in time."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import multitrack
from multitrack.delivery.backoff import FIRST, LONGEST, SHORTEST
from multitrack.delivery.lane import Lane
from multitrack.delivery.waiting import STALL
from multitrack.hookspecs import RunInfo
from multitrack.journal.manifest import BackendEntry
from multitrack.records import Metric
from multitrack.testing import MemoryBackend


class Clock:
    """Stands in for the module ``time``: it goes on by what the tracker says that it took."""

    def __init__(self) -> None:
        self.now = 0.0
        self.time_ns = time.time_ns

    def monotonic(self) -> float:
        return self.now


class SlowBackend(MemoryBackend):
    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__()
        self.stretches: list[int] = []
        self._clock, self._seconds = clock, seconds

    @multitrack.hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> None:
        super().log_metric(run, records)
        self.stretches.append(len(records))
        self._clock.now += self._seconds * len(records)


def stretches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, points: int) -> list[int]:
    clock = Clock()
    backend = SlowBackend(clock, seconds)
    run = multitrack.start_run(
        "p", config={"journal": str(tmp_path / "journal"), "delivery": "off"}, backends=[backend]
    )
    for step in range(points):
        run.log_metric("x", float(step), step=step)
    run.end()
    assert run.directory is not None
    monkeypatch.setattr("multitrack.delivery.lane.time", clock)
    lane = Lane(run.directory, BackendEntry("memory", "memory", {}), plugin=backend, notice=print)
    while lane.step():
        pass
    assert lane.done, lane.state
    assert [point.step for point in backend.runs[run.id].series["x"]] == list(range(points))
    return backend.stretches


def test_stretches_grow_where_the_tracker_is_quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = stretches(tmp_path, monkeypatch, 0.0, 10_000)
    assert found[0] < FIRST  # the segment's first record is one, too
    assert found[:5] == sorted(found[:5])
    assert LONGEST in found


def test_stretches_shrink_where_it_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of a second a record, as a far server may take: no stretch takes as long as a lane may stand still."""
    found = stretches(tmp_path, monkeypatch, 0.2, 300)
    assert max(found) * 0.2 < STALL
    assert SHORTEST <= found[-2] * 2 <= FIRST
