"""The contract's tests of delivery: records that come again, couriers that die, resumed runs, several runs at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from multitrack.recording.run import Run
from multitrack.testing.gaps import needs
from multitrack.testing.kills import MortalLane, ThreadedLane
from multitrack.testing.native import NativeRun
from multitrack.testing.subject import ContractSubject

_TWICE: Final = "records that were delivered again are there twice"
_MIXED: Final = "the records of one run are shown in another"
_RESTARTED: Final = "a resumed list metric does not go on at its index: the chart shows two curves on top of each other"


class DeliveryContract(ContractSubject):
    """Every record arrives once, in its run, however often and by whomever it is delivered."""

    def test_a_redelivery_doubles_nothing(self, tmp_path: Path) -> None:
        """After a courier died without saving its position, everything is delivered again, and present once."""
        run = self.start(tmp_path, params={"lr": 0.1}, tags={"a": "b"})
        self._record(run, 20)
        self.deliver(tmp_path)  # the run is still open
        self.forget_position(tmp_path, run)
        run.log_metric("loss", 20.0, step=20)
        run.log_lines("three")
        self._check(self.delivered(tmp_path, run), 21, ["one", "two", "three"])

    def test_a_killed_courier_goes_on_in_other_batches(self, tmp_path: Path) -> None:
        """The next courier cuts other batches, and loses nothing that was flushed.

        The calls of each courier come from different threads, one at a time.
        """
        run = self.start(tmp_path, params={"lr": 0.1})
        self._record(run, 8)
        ids = [self._courier(run, (7,))]
        self.forget_position(tmp_path, run)
        run.log_metric("loss", 8.0, step=8)
        ids.append(self._courier(run, (5,)))  # from the start
        run.log_metric("loss", 9.0, step=9)
        native = self.delivered(tmp_path, run)  # from the position that the one before has saved
        ids.append(self.backend_id(run))
        assert len(set(ids)) == 1, "the tracker lists the run more than once, each with a part of its records"
        self._check(native, 10, ["one", "two"])

    @needs("resumable")
    def test_a_finished_run_is_found_again(self, tmp_path: Path) -> None:
        """A run that ended in the tracker is opened again if its courier died before it noted the end."""
        run = self.start(tmp_path, name="first")
        self._record(run, 3)
        first = self.delivered(tmp_path, run)
        backend_id = self.backend_id(run)
        self.forget_position(tmp_path, run)
        native = self.delivered(tmp_path, run)
        assert self.backend_id(run) == backend_id, "the tracker lists the run twice"
        self._check(native, 3, ["one", "two"])
        assert (native.status, native.ended) == (first.status, first.ended), "the run seems to have ended anew"
        other = self.start(tmp_path, name="second")
        with self.lane(other, MortalLane) as lane:
            while not lane.opened:
                assert lane.step() or lane.state.problem is None, lane.state.problem
            if lane.finds:
                found = lane.find_run(run.id), lane.find_run("no-such-run")
                assert found == (backend_id, None), "a trial of another machine is not listed under its search"
        self.delivered(tmp_path, other)

    @needs("resumable")
    def test_a_resumed_run_goes_on(self, tmp_path: Path) -> None:
        """A finished run is continued with ``run_id``: same run in the tracker, indexes and steps continue."""
        run = self.start(tmp_path, params={"lr": 0.1})
        run.log_metric("loss", 0.5, step=0)
        run.log_list_metric("list", [1.0, 2.0])
        run.log_lines("first")
        first = self.delivered(tmp_path, run)
        again = self.start(tmp_path, run_id=run.id, params={"lr": 0.1})
        again.log_metric("loss", 0.25, step=1)
        again.log_list_metric("list", [3.0])
        again.log_lines("second")
        again.end("failed")
        native = self.delivered(tmp_path, again)
        assert again.backend_ids == run.backend_ids, "the resumed run is shown as another run"
        assert native.name == first.name, "the resumed run has another name in the tracker"
        assert native.status == "failed", "the tracker shows how the run ended first, not that it failed when resumed"
        expected = self.held_points([(0, 0.5), (1, 0.25)])
        assert self.points(native, "loss") == expected, "the chart lacks the points from before or after the resumption"
        assert self.points(native, "list") == self.held_points([(0, 1.0), (1, 2.0), (2, 3.0)]), _RESTARTED
        assert native.lines == self.held_lines(["first", "second"]), "the log lacks a part, or has it twice"

    def test_two_runs_do_not_meet(self, tmp_path: Path) -> None:
        """Two open runs with the same name and project stay separate."""
        runs = [self.start(tmp_path, name="same") for _ in range(2)]
        for i, run in enumerate(runs):
            run.log_metric("x", float(i), step=0)
            run.log_lines(f"run {i}")
        for i, run in enumerate(runs):
            native = self.delivered(tmp_path, run)
            assert self.points(native, "x") == [(0, float(i))], _MIXED
            assert native.lines == self.held_lines([f"run {i}"]), _MIXED

    def test_several_runs_at_once(self, tmp_path: Path) -> None:
        """A courier delivers several runs at the same time, on several threads."""
        runs = [self.start(tmp_path, name=f"run {i}") for i in range(3)]
        for step in range(20):
            for i, run in enumerate(runs):
                run.log_metric("x", i + step / 100, step=step)
        for run in runs:
            run.end()
        self.deliver(tmp_path)
        for i, run in enumerate(runs):
            native = self.delivered(tmp_path, run)
            expected = self.held_points((step, i + step / 100) for step in range(20))
            assert self.points(native, "x") == expected, _MIXED
            assert native.name == f"run {i}", "the runs of a search have each other's names"

    def test_runs_of_one_id_in_two_journals_do_not_meet(self, tmp_path: Path) -> None:
        """Two projects of one process may have runs with the same id, open at once in separate trackers."""
        places = [tmp_path / "one", tmp_path / "two"]
        runs = [self.start(place, run_id="nightly", name=place.name) for place in places]
        for i, run in enumerate(runs):
            run.log_metric("x", float(i), step=0)
            run.log_lines(f"run {i}")
        for place in places:
            self.deliver(place)  # both are open in the tracker now
        for i, run in enumerate(runs):
            run.log_metric("x", i + 0.5, step=1)
        for i, (place, run) in enumerate(zip(places, runs, strict=True)):
            native = self.delivered(place, run)
            assert (native.name, native.status) == (place.name, "finished"), "a run has the other's name or end"
            assert self.points(native, "x") == self.held_points([(0, float(i)), (1, i + 0.5)]), _MIXED
            assert native.lines == self.held_lines([f"run {i}"]), _MIXED

    def _courier(self, run: Run, sizes: Sequence[int]) -> str:
        """Deliver all that is pending, and kill the courier; return the tracker's id."""
        with self.lane(run, ThreadedLane, sizes=sizes) as lane:
            lane.deliver(None)
            assert (lane.state.problem, lane.state.set_aside) == (None, 0), lane.state
            return str(lane.state.id)

    def _record(self, run: Run, steps: int) -> None:
        for step in range(steps):
            run.log_metric("loss", float(step), step=step)
        run.log_metric("best", 0.5)
        run.log_list_metric("list", [1.0, 2.0, 3.0])
        run.log_lines(["one", "two"])
        run.log_artifact_ref("data", "s3://bucket/data")

    def _check(self, native: NativeRun, steps: int, lines: Sequence[str]) -> None:
        expected = self.held_points((step, float(step)) for step in range(steps))
        assert self.points(native, "loss") == expected, f"{_TWICE}, or missing: the chart is wrong"
        assert self.points(native, "list") == self.held_points([(0, 1.0), (1, 2.0), (2, 3.0)]), _TWICE
        assert native.lines == self.held_lines(list(lines)), f"{_TWICE}, or missing: the log is wrong"
        assert native.metrics.get("best") == 0.5, "a table of runs shows another result than the run had"
