"""The contract's tests of whole runs: their start, end, resumption and redelivery."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from multitrack.journal.layout import runs_directory
from multitrack.testing.gaps import needs
from multitrack.testing.subject import ContractSubject


class RunsContract(ContractSubject):
    """Identity, end, parents, redelivery and runs side by side."""

    @pytest.mark.parametrize("status", ["finished", "failed", "killed"])
    def test_how_a_run_ended(self, tmp_path: Path, status: Any) -> None:
        """Name, status, start and end are those of the run, not of the delivery."""
        before = int(time.time() * 1000)
        run = self.start(tmp_path, name="bäseline run")
        run.log_metric("x", 1.0, step=0)
        run.end(status)
        after = int(time.time() * 1000)
        time.sleep(0.05)
        native = self.delivered(tmp_path, run)
        assert (native.name, native.status) == ("bäseline run", status)
        if self.capabilities.start_time:
            assert native.started is not None
            assert before <= native.started <= after
        if self.capabilities.end_time:
            assert native.ended is not None
            assert before <= native.ended <= after

    def test_an_empty_run(self, tmp_path: Path) -> None:
        """A run without records is delivered."""
        assert self.delivered(tmp_path, self.start(tmp_path, name="empty")).status == "finished"

    def test_a_child_shows_its_parent(self, tmp_path: Path) -> None:
        """The link exists, whichever run is delivered first."""
        parent = self.start(tmp_path, name="search", group="study")
        child = self.start(tmp_path, name="trial", parent=parent)
        child.log_metric("x", 1.0, step=0)
        child.end()
        native = self.delivered(tmp_path, parent)
        assert native.parent is None
        shown = self.read(tmp_path, child.id, next(iter(child.backend_ids.values()))).parent
        assert shown in (next(iter(parent.backend_ids.values())), parent.id)

    def test_the_identity_is_the_trainings(self, tmp_path: Path) -> None:
        """User, host and program are those of the training, wherever the tracker shows them."""
        native = self.delivered(tmp_path, self.start(tmp_path))
        expected = {"user": _user(), "host": socket.gethostname(), "program": _program()}
        told = {key: value for key, value in native.identity.items() if expected[key] is not None}
        assert told, "a tracker that shows no identity at all must get it as tags"
        assert told == {key: expected[key] for key in told}

    def test_hostile_names(self, tmp_path: Path) -> None:
        """Names that some tracker rejects arrive readable, distinct, and with their values."""
        names = [
            "f1@0.5",
            "f1_0.5",
            "acc[top 5]",
            "läss/🚀",
            "../up",
            "a//b",
            "x" * 300,
            "quote'\"`",
            "tab\there",
        ]
        run = self.start(tmp_path, name="../../etc/passwd 🚀", params=dict.fromkeys(names, "v"))
        for i, name in enumerate(names):
            run.log_metric(name, float(i), step=i)
        native = self.delivered(tmp_path, run)
        values = {points[0] for points in (self.points(native, name) for name in native.series)}
        assert values == {(i, float(i)) for i in range(len(names))}
        assert list(native.params.values()).count("v") == (len(names) if self.capabilities.params else 0)
        if self.capabilities.any_names:
            assert set(names) <= set(native.series)
            assert set(names) <= set(native.params) or not self.capabilities.params

    def test_a_redelivery_doubles_nothing(self, tmp_path: Path) -> None:
        """After a courier died without saving its position, everything is delivered again, and present once."""
        run = self.start(tmp_path, params={"lr": 0.1}, tags={"a": "b"})
        for step in range(20):
            run.log_metric("loss", float(step), step=step)
        run.log_metric("best", 0.5)
        run.log_list_metric("list", [1.0, 2.0, 3.0])
        run.log_lines(["one", "two"])
        run.log_artifact_ref("data", "s3://bucket/data")
        self.deliver(tmp_path)  # the run is still open
        self.forget_position(tmp_path, run)
        run.log_metric("loss", 20.0, step=20)
        run.log_lines("three")
        native = self.delivered(tmp_path, run)
        assert self.points(native, "loss") == self.held_points((step, float(step)) for step in range(21))
        assert self.points(native, "list") == self.held_points([(0, 1.0), (1, 2.0), (2, 3.0)])
        assert native.lines == self.held_lines(["one", "two", "three"])
        assert native.metrics["best"] == 0.5

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
        native = self.delivered(tmp_path, again)
        assert again.backend_ids == run.backend_ids
        assert native.name == first.name
        assert self.points(native, "loss") == self.held_points([(0, 0.5), (1, 0.25)])
        assert self.points(native, "list") == self.held_points([(0, 1.0), (1, 2.0), (2, 3.0)])
        assert native.lines == self.held_lines(["first", "second"])

    def test_a_continued_run_may_have_a_new_name(self, tmp_path: Path) -> None:
        """A continued run may get a new name, and keeps its records."""
        for name in ("first", "second"):
            run = self.start(tmp_path, run_id="nightly", name=name)
            run.log_metric(name, 1.0, step=0)
            native = self.delivered(tmp_path, run)
            assert native.name == name
        assert self.points(native, "first") == self.points(native, "second") == [(0, 1.0)]

    def test_two_runs_do_not_meet(self, tmp_path: Path) -> None:
        """Two open runs with the same name and project stay separate."""
        runs = [self.start(tmp_path, name="same") for _ in range(2)]
        for i, run in enumerate(runs):
            run.log_metric("x", float(i), step=0)
            run.log_lines(f"run {i}")
        for i, run in enumerate(runs):
            native = self.delivered(tmp_path, run)
            assert self.points(native, "x") == [(0, float(i))]
            assert native.lines == self.held_lines([f"run {i}"])

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
            assert (native.name, native.status) == (place.name, "finished")
            assert self.points(native, "x") == self.held_points([(0, float(i)), (1, i + 0.5)])
            assert native.lines == self.held_lines([f"run {i}"])

    def test_the_run_is_where_it_says(self, tmp_path: Path) -> None:
        """The backend writes nothing into the journal's directory outside of the run's directory."""
        run = self.start(tmp_path)
        self.delivered(tmp_path, run)
        assert [path.name for path in runs_directory(tmp_path / "journal").iterdir()] == [run.id]


def _user() -> str:
    import getpass  # noqa: PLC0415 - only here

    return getpass.getuser()


def _program() -> str | None:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return os.path.abspath(file) if file else None  # noqa: PTH100 - as the context has it
