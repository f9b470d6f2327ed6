"""The contract's tests of whole runs: their start, end, names and parents."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import multitrack
from multitrack.journal.layout import runs_directory
from multitrack.recording.run import Run
from multitrack.testing.kills import MortalLane
from multitrack.testing.subject import ContractSubject


class RunsContract(ContractSubject):
    """Identity, end, names, parents."""

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
        assert native.name == "bäseline run", "the user cannot find the run by its name"
        assert native.status == status, f"the tracker shows a run that {status} as {native.status}"
        late = f"not from {before} to {after}: a run that is delivered a week later seems to be of that week"
        self.check_capability("start_time", before <= (native.started or 0) <= after, f"{late}, {native.started}")
        self.check_capability("end_time", before <= (native.ended or 0) <= after, f"{late}, {native.ended}")

    def test_an_empty_run(self, tmp_path: Path) -> None:
        """A run without records is delivered; its id and its page are known."""
        run = self.start(tmp_path, name="empty")
        native = self.delivered(tmp_path, run)
        assert native.status == "finished", "a run that failed before its first record is missing, or seems to run on"
        assert "" not in run.backend_ids.values(), "a program that asks for run.backend_ids cannot find the run"
        for url in run.urls.values():
            assert urlsplit(url).scheme, f"{url!r} is printed as the run's page, and no browser opens it"

    def test_a_child_shows_its_parent(self, tmp_path: Path) -> None:
        """The link exists, whichever run is delivered first."""
        parent = self.start(tmp_path, name="search", group="study")
        child = self.start(tmp_path, name="trial", parent=parent)
        child.log_metric("x", 1.0, step=0)
        child.end()
        native = self.delivered(tmp_path, parent)
        assert native.parent is None, "the search is shown as a child of some other run"
        self.check_parent(tmp_path, child, parent)

    def test_a_child_that_ended_before_its_parent_arrived(self, tmp_path: Path) -> None:
        """The link is set after the child's end, once its parent is there; and again, by another courier."""
        parent = self.start(tmp_path, name="search")
        child = self.start(tmp_path, name="trial", parent=parent)
        child.log_metric("x", 1.0, step=0)
        child.end()
        with self.lane(child, MortalLane) as lane:
            while not (lane.done or lane.state.closed):
                lane.step()
            parent.end()
            multitrack.sync(tmp_path / "journal", [parent.id])
            lane.deliver(None)
            self.check_parent(tmp_path, child, parent)
        self.forget_position(tmp_path, child)
        native = self.delivered(tmp_path, child)
        self.check_parent(tmp_path, child, parent)
        assert native.status == "finished", "the trial seems to run on after it was linked to the search"
        assert self.points(native, "x") == [(0, 1.0)], "the trial's chart changed when it was linked to the search"

    def check_parent(self, tmp_path: Path, child: Run, parent: Run) -> None:
        """Check that the tracker shows ``child`` as a child of ``parent``."""
        shown = self.read(tmp_path, child.id, self.backend_id(child)).parent
        assert shown in (self.backend_id(parent), parent.id), "the trial is not listed under its search"

    def test_the_identity_is_the_trainings(self, tmp_path: Path) -> None:
        """User, host and program are those of the training, wherever the tracker shows them."""
        native = self.delivered(tmp_path, self.start(tmp_path))
        expected = {"user": _user(), "host": socket.gethostname(), "program": _program()}
        told = {key: value for key, value in native.identity.items() if expected[key] is not None}
        assert told, "a tracker that shows no identity at all must get it as tags"
        assert told == {key: expected[key] for key in told}, "the run is shown as one of another user or machine"

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
        assert values == {(i, float(i)) for i in range(len(names))}, "two metrics share a chart, or one has none"
        kept = list(native.params.values()).count("v")
        assert kept == (len(names) if self.capabilities.params else 0), "a param replaced another of a similar name"
        same = set(names) <= set(native.series) and (set(names) <= set(native.params) or not self.capabilities.params)
        self.check_capability("any_names", same, "a metric or param has another name in the tracker than in the code")

    def test_a_continued_run_may_have_a_new_name(self, tmp_path: Path) -> None:
        """A continued run may get a new name, and keeps its records."""
        for name in ("first", "second"):
            run = self.start(tmp_path, run_id="nightly", name=name)
            run.log_metric(name, 1.0, step=0)
            native = self.delivered(tmp_path, run)
            assert native.name == name, "the tracker lists the run under a name that it has no more"
        assert self.points(native, "first") == [(0, 1.0)], "the new name cost the run its earlier records"
        assert self.points(native, "second") == [(0, 1.0)], "the run got a new name and no new records"

    def test_the_run_is_where_it_says(self, tmp_path: Path) -> None:
        """The backend writes nothing into the journal's directory outside of the run's directory."""
        run = self.start(tmp_path)
        self.delivered(tmp_path, run)
        found = [path.name for path in runs_directory(tmp_path / "journal").iterdir()]
        assert found == [run.id], "`multitrack runs` lists the backend's own files as runs"


def _user() -> str:
    import getpass  # noqa: PLC0415 - only here

    return getpass.getuser()


def _program() -> str | None:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return os.path.abspath(file) if file else None  # noqa: PTH100 - as the context has it
