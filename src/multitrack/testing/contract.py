"""The contract: what every backend must do with every kind of record, read back by the tracker's own reader.

A backend's tests subclass :class:`BackendContract`::

    class TestMyTracker(BackendContract):
        backend = "mytracker"

        def options(self, tmp_path):
            return {"directory": str(tmp_path / "mytracker")}

        def read(self, tmp_path, run_id, backend_id):
            return NativeRun(...)   # with the tracker's own reader

Every test records a real run, delivers it with ``multitrack.sync`` in this process, and compares values.
"""

from __future__ import annotations

import functools
import math
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

import multitrack
from multitrack import plugins
from multitrack.delivery.lane_state import lane_file
from multitrack.delivery.report import DeliveryReport
from multitrack.inputs.references import LARGE
from multitrack.journal.layout import runs_directory
from multitrack.recording.run import Run
from multitrack.testing.model import Model, as_number, plain
from multitrack.testing.native import Capabilities, NativePoint, NativeRun


class BackendContract:
    """Subclass it, say how to reach the backend and how to read it; see the module's docstring.

    Attributes:
        backend: The backend's name or import path.
        capabilities: What the tracker can hold as it is.
        examples: How many histories :meth:`test_any_history` tells, in a hundred of Hypothesis' profile.
    """

    backend: ClassVar[str]
    capabilities: ClassVar[Capabilities] = Capabilities()
    examples: ClassVar[int] = 10

    def options(self, tmp_path: Path) -> dict[str, Any]:
        """The backend's table of the config, into ``tmp_path``."""
        return {}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        """What the tracker holds of a run, by its own reader."""
        raise NotImplementedError

    def param(self, value: Any) -> Any:
        """A param's value as the tracker shows it."""
        return value if self.capabilities.typed_params else str(value)

    def new_plugin(self) -> object:
        """The backend object as a new process has it, with nothing in memory."""
        return type(plugins.load_backend(self.backend).plugin)()

    def kill(self, plugin: Any) -> None:
        """Do what the kernel does after a killed process: close what ``plugin`` has open, end the SDK's helpers."""

    def shown(self, model: Model) -> NativeRun:
        """What :meth:`read` gives of a run that holds exactly this: stand-ins where the tracker cannot hold it."""
        return model

    def start(self, tmp_path: Path, **arguments: Any) -> Run:
        """A run of this backend that is delivered by :meth:`deliver` only."""
        name = self.backend.partition(":")[2] or self.backend
        config = {"journal": str(tmp_path / "journal"), "delivery": "off", name: self.options(tmp_path)}
        arguments = {"project": "contract", **arguments}
        if isinstance(arguments.get("parent"), Run):
            return multitrack.start_run(config=config, **arguments)
        return multitrack.start_run(config=config, backends=[self.backend], **arguments)

    def deliver(self, tmp_path: Path) -> dict[str, DeliveryReport]:
        """Deliver everything that is pending."""
        return multitrack.sync(tmp_path / "journal")

    def delivered(self, tmp_path: Path, run: Run) -> NativeRun:
        """End the run, deliver it, and read it back; nothing may be set aside."""
        if run.status == "running":
            run.end()
        self.deliver(tmp_path)
        report = run.flush()
        assert report.complete, report
        assert not any(lane.set_aside for lane in report.values()), report
        return self.read(tmp_path, run.id, next(iter(run.backend_ids.values())))

    def forget_position(self, tmp_path: Path, run: Run) -> None:
        """As if the courier had died before it ever saved how far it was."""
        assert run.directory is not None
        name = self.backend.partition(":")[2] or self.backend
        lane_file(run.directory, name).unlink()

    def points(self, native: NativeRun, name: str) -> list[tuple[int, float]]:
        """Step and value of each point."""
        return [(point.step, point.value) for point in native.series[name]]

    def needs(self, capability: str) -> None:
        """Skip where the tracker cannot hold this as it is."""
        if not getattr(self.capabilities, capability):
            pytest.skip(f"{self.backend} declares {capability}=False; its README names the stand-in")

    def compare(self, native: NativeRun, expected: NativeRun) -> None:
        """Everything is there, nothing twice; of metrics and tags a tracker may show more that is its own."""
        assert native.status == expected.status
        assert plain(native.params) == plain(expected.params)
        assert native.artifacts == expected.artifacts
        assert native.lines == expected.lines
        assert {key: native.tags.get(key) for key in expected.tags} == expected.tags
        metrics = {name: as_number(value) for name, value in expected.metrics.items()}
        assert {name: as_number(native.metrics.get(name)) for name in metrics} == metrics
        series = {name: self._in_order(points) for name, points in expected.series.items()}
        assert {name: self._in_order(native.series.get(name, [])) for name in series} == series
        assert native.series.keys() - expected.series.keys() <= expected.metrics.keys()

    def _in_order(self, points: list[NativePoint]) -> list[tuple[object, ...]]:
        if not self.capabilities.call_order:
            points = sorted(points, key=lambda point: (point.time or 0, point.step, repr(point.value + 0.0)))
        times = self.capabilities.point_times
        return [(point.step, as_number(point.value), point.time if times else None) for point in points]

    def test_any_history(self, tmp_path: Path) -> None:
        """Any calls, right and wrong, of any values; any stretches; couriers and trainings killed anywhere.

        A long form, of 10 times as many histories: ``pytest --hypothesis-profile=long -k any_history``, where a profile
        of that name is registered.
        """
        try:
            from multitrack.testing.histories import check  # noqa: PLC0415 - Hypothesis is for this test alone
        except ModuleNotFoundError as error:
            pytest.fail(f"{error}: this test needs Hypothesis and numpy: pip install 'multitrack[testing]'")
        check(self, tmp_path)

    def test_params_keep_their_values(self, tmp_path: Path) -> None:
        """Nested params flatten with ``/``; every scalar type arrives."""
        run = self.start(tmp_path, params={"model": {"units": 64, "dropout": 0.25}, "name": "bäse", "flag": True})
        run.log_params({"model": {"units": 64}, "seed": 7})
        native = self.delivered(tmp_path, run)
        expected = {"model/units": 64, "model/dropout": 0.25, "name": "bäse", "flag": True, "seed": 7}
        assert {key: native.params[key] for key in expected} == {k: self.param(v) for k, v in expected.items()}

    def test_a_long_param_is_not_truncated(self, tmp_path: Path) -> None:
        """Beyond every tracker's limit the whole value is still there, in the param or where it is said to be."""
        value = "".join(f"{i:05}," for i in range(4000))
        native = self.delivered(tmp_path, self.start(tmp_path, params={"long": value, "short": "x"}))
        assert native.params["long"] == value
        assert native.params["short"] == "x"

    def test_params_that_are_objects(self, tmp_path: Path) -> None:
        """Texts of objects without a plain form; of a long one at least the beginning is shown as the param."""
        params = {"loss": len, "model": functools.partial(print, "x" * 1500), "steps": [("scale", len)]}
        native = self.delivered(tmp_path, self.start(tmp_path, params=params))
        assert native.params["loss"] == "builtins.len"
        assert native.params["model"].startswith(f"functools.partial(builtins.print, '{'x' * 400}")
        assert native.params["steps"] in ([["scale", "builtins.len"]], "[['scale', 'builtins.len']]",
                                          '[["scale", "builtins.len"]]', '[["scale","builtins.len"]]')  # fmt: skip

    def test_a_series_keeps_every_point(self, tmp_path: Path) -> None:
        """Value, step and time of each point, in order."""
        run = self.start(tmp_path)
        before = int(time.time() * 1000)
        for step in range(30):
            run.log_metric("loss", 1 / (step + 1), step=step)
        after = int(time.time() * 1000)
        native = self.delivered(tmp_path, run)
        assert self.points(native, "loss") == [(step, 1 / (step + 1)) for step in range(30)]
        if self.capabilities.point_times:
            times = [point.time for point in native.series["loss"]]
            assert all(stamp is not None and before <= stamp <= after for stamp in times)
            assert times == [point.time for point in self._journal_points(run, "loss")]

    def _journal_points(self, run: Run, name: str) -> list[NativePoint]:
        assert run.directory is not None
        recorded = multitrack.open_journal(run.directory.parent.parent).run(run.id)
        return [NativePoint(point.step, point.value, point.time) for point in recorded.get_metrics()[name]]

    def test_steps_may_repeat_and_go_back(self, tmp_path: Path) -> None:
        """A resumed epoch is logged again: every point is kept, true repeats of a point too."""
        run = self.start(tmp_path)
        written = [(0, 0.9), (1, 0.8), (2, 0.7), (1, 0.75), (2, 0.7), (2, 0.7), (2, 0.7), (5, 0.1), (3, 0.6)]
        for step, value in written:
            run.log_metric("loss", value, step=step)
        native = self.delivered(tmp_path, run)
        assert sorted(self.points(native, "loss")) == sorted(written)

    def test_several_metrics_at_one_step(self, tmp_path: Path) -> None:
        """One call with several keys; steps of different series do not meet."""
        run = self.start(tmp_path)
        run.log_metrics({"loss": 0.5, "val/loss": 0.75}, step=10)
        run.log_metrics({"loss": 0.25}, step=11)
        run.log_metric("other", 3, step=0)
        native = self.delivered(tmp_path, run)
        assert self.points(native, "loss") == [(10, 0.5), (11, 0.25)]
        assert self.points(native, "val/loss") == [(10, 0.75)]
        assert self.points(native, "other") == [(0, 3)]

    def test_a_simple_metric_keeps_its_last_value(self, tmp_path: Path) -> None:
        """Without a step the last value wins, even if an earlier one was larger."""
        run = self.start(tmp_path)
        run.log_metric("accuracy", 0.95)
        run.log_metric("accuracy", 0.5)
        run.log_metrics({"count": 12, "zero": 0.0})
        native = self.delivered(tmp_path, run)
        assert native.metrics["accuracy"] == 0.5
        assert (native.metrics["count"], native.metrics["zero"]) == (12, 0.0)

    def test_a_simple_metric_beside_a_series_is_its_summary(self, tmp_path: Path) -> None:
        """Both are there: the series with every point, and the summary's value."""
        run = self.start(tmp_path)
        run.log_metric("loss", 0.5, step=0)
        run.log_metric("loss", 0.25, step=1)
        run.log_metric("loss", 0.125)
        native = self.delivered(tmp_path, run)
        assert self.points(native, "loss") == [(0, 0.5), (1, 0.25)]
        assert 0.125 in (native.metrics.get("loss"), native.metrics.get("loss/summary"))

    def test_nan_is_kept(self, tmp_path: Path) -> None:
        """A NaN is a point."""
        self.needs("nan")
        run = self.start(tmp_path)
        for step, value in enumerate((0.5, math.nan, 0.25)):
            run.log_metric("loss", value, step=step)
        points = self.points(self.delivered(tmp_path, run), "loss")
        assert points[0] == (0, 0.5)
        assert points[1][0] == 1
        assert math.isnan(points[1][1])
        assert points[2] == (2, 0.25)

    def test_infinity_is_kept(self, tmp_path: Path) -> None:
        """±inf are points."""
        self.needs("infinity")
        run = self.start(tmp_path)
        for step, value in enumerate((math.inf, -math.inf, 0.25)):
            run.log_metric("loss", value, step=step)
        assert self.points(self.delivered(tmp_path, run), "loss") == [
            (0, math.inf),
            (1, -math.inf),
            (2, 0.25),
        ]

    def test_points_beside_one_that_is_not_finite_are_kept(self, tmp_path: Path) -> None:
        """Whatever becomes of NaN and ±inf, their neighbours are whole and nothing is set aside."""
        run = self.start(tmp_path)
        for step, value in enumerate((0.5, math.nan, math.inf, -math.inf, 0.25)):
            run.log_metrics({"loss": value, "other": float(step)}, step=step)
        native = self.delivered(tmp_path, run)
        finite = [point for point in self.points(native, "loss") if abs(point[1]) < 1e300]
        assert finite == [(0, 0.5), (4, 0.25)]
        assert self.points(native, "other") == [(step, float(step)) for step in range(5)]

    def test_a_list_metric_is_appended_to(self, tmp_path: Path) -> None:
        """The index goes on across calls; a scalar counts as a list of one."""
        run = self.start(tmp_path)
        run.log_list_metric("epoch_loss", [0.9, 0.5, 0.3])
        run.log_list_metric("epoch_loss", 0.2)
        run.log_list_metric("epoch_loss", (0.1, 0.05))
        native = self.delivered(tmp_path, run)
        assert self.points(native, "epoch_loss") == list(enumerate([0.9, 0.5, 0.3, 0.2, 0.1, 0.05]))

    def test_a_long_list_metric(self, tmp_path: Path) -> None:
        """Longer than any tracker's batch."""
        written = [i * 0.5 for i in range(2500)]
        run = self.start(tmp_path)
        run.log_list_metric("signal", written)
        assert self.points(self.delivered(tmp_path, run), "signal") == list(enumerate(written))

    def test_references_are_kept_without_copying(self, tmp_path: Path) -> None:
        """A remote and a local one, by name, without touching what they point to."""
        local = tmp_path / "weights.bin"
        local.write_bytes(b"0" * 1000)
        run = self.start(tmp_path)
        run.log_artifact_ref("weights", local, kind="model")
        run.log_artifact_ref("data", "s3://bucket/träin.csv", kind="dataset", role="input")
        native = self.delivered(tmp_path, run)
        assert native.artifacts["weights"] == local.as_uri()
        assert native.artifacts["data"] == "s3://bucket/träin.csv"

    def test_a_reference_whose_digest_comes_later(self, tmp_path: Path) -> None:
        """Recorded at once, and again when its digest is known: it is one reference all the same."""
        large = tmp_path / "large.bin"
        with large.open("wb") as file:
            file.truncate(LARGE + 1)
        run = self.start(tmp_path)
        run.log_artifact_ref("large", large, kind="dataset", role="input")
        run.log_artifact_ref("small", "s3://bucket/small", kind="dataset")
        assert run.directory is not None
        native = self.delivered(tmp_path, run)
        kept = multitrack.open_journal(run.directory.parent.parent).run(run.id).summary().artifacts
        assert [(ref.name, ref.pending, ref.size) for ref in kept if ref.name == "large"] == [
            ("large", False, LARGE + 1)
        ]
        assert native.artifacts == {"large": large.as_uri(), "small": "s3://bucket/small"}

    def test_a_late_digest_does_not_bring_back_an_older_reference(self, tmp_path: Path) -> None:
        """The last reference of a name counts, whatever digest comes after it."""
        large = tmp_path / "large.bin"
        with large.open("wb") as file:
            file.truncate(LARGE + 1)
        run = self.start(tmp_path)
        run.log_artifact_ref("latest", large, kind="model")
        run.log_artifact_ref("latest", "s3://bucket/small", kind="model")
        assert self.delivered(tmp_path, run).artifacts == {"latest": "s3://bucket/small"}

    def test_lines_keep_order_and_text(self, tmp_path: Path) -> None:
        """Any Unicode, empty lines, long lines, all streams."""
        written = ["first", "", "grüße 🚀 \x1b[31mred\x1b[0m", "x" * 5000, "  indented\ttab"]
        run = self.start(tmp_path)
        run.log_lines(written)
        run.log_lines("from stderr", stream="stderr")
        for i in range(50):
            run.log_lines(f"line {i}")
        native = self.delivered(tmp_path, run)
        assert native.lines == [*written, "from stderr", *(f"line {i}" for i in range(50))]

    def test_tags_keep_their_last_value(self, tmp_path: Path) -> None:
        """A later value replaces an earlier one."""
        run = self.start(tmp_path, tags={"team": "vision", "stage": "draft"})
        run.set_tags({"stage": "final"})
        native = self.delivered(tmp_path, run)
        assert (native.tags["team"], native.tags["stage"]) == ("vision", "final")

    @pytest.mark.parametrize("status", ["finished", "failed", "killed"])
    def test_how_a_run_ended(self, tmp_path: Path, status: Any) -> None:
        """Name, status, start and end are the run's, not the delivery's."""
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
        """A run without records is a run."""
        assert self.delivered(tmp_path, self.start(tmp_path, name="empty")).status == "finished"

    def test_a_child_shows_its_parent(self, tmp_path: Path) -> None:
        """The link is there, whichever of the two is delivered first."""
        parent = self.start(tmp_path, name="search", group="study")
        child = self.start(tmp_path, name="trial", parent=parent)
        child.log_metric("x", 1.0, step=0)
        child.end()
        native = self.delivered(tmp_path, parent)
        assert native.parent is None
        shown = self.read(tmp_path, child.id, next(iter(child.backend_ids.values()))).parent
        assert shown in (next(iter(parent.backend_ids.values())), parent.id)

    def test_the_identity_is_the_trainings(self, tmp_path: Path) -> None:
        """User, host and program as the training had them, wherever the tracker shows them."""
        native = self.delivered(tmp_path, self.start(tmp_path))
        expected = {"user": _user(), "host": socket.gethostname(), "program": _program()}
        told = {key: value for key, value in native.identity.items() if expected[key] is not None}
        assert told, "a tracker that shows no identity at all must get it as tags"
        assert told == {key: expected[key] for key in told}

    def test_hostile_names(self, tmp_path: Path) -> None:
        """Names that some tracker refuses arrive readable, distinct, and with their values."""
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
        assert list(native.params.values()).count("v") == len(names)
        if self.capabilities.any_names:
            assert set(names) <= set(native.series)
            assert set(names) <= set(native.params)

    def test_a_redelivery_doubles_nothing(self, tmp_path: Path) -> None:
        """A courier that died without saving its position: everything comes again, and is there once."""
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
        assert self.points(native, "loss") == [(step, float(step)) for step in range(21)]
        assert self.points(native, "list") == [(0, 1.0), (1, 2.0), (2, 3.0)]
        assert native.lines == ["one", "two", "three"]
        assert native.metrics["best"] == 0.5

    def test_a_resumed_run_goes_on(self, tmp_path: Path) -> None:
        """A finished run is continued by ``run_id``: same run in the tracker, indexes and steps go on."""
        self.needs("resumable")
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
        assert self.points(native, "loss") == [(0, 0.5), (1, 0.25)]
        assert self.points(native, "list") == [(0, 1.0), (1, 2.0), (2, 3.0)]
        assert native.lines == ["first", "second"]

    def test_a_continued_run_may_have_a_new_name(self, tmp_path: Path) -> None:
        """Another name given when a run is continued is the run's, with all that it holds."""
        for name in ("first", "second"):
            run = self.start(tmp_path, run_id="nightly", name=name)
            run.log_metric(name, 1.0, step=0)
            native = self.delivered(tmp_path, run)
            assert native.name == name
        assert self.points(native, "first") == self.points(native, "second") == [(0, 1.0)]

    def test_two_runs_do_not_meet(self, tmp_path: Path) -> None:
        """Two open runs of one name in one project stay apart."""
        runs = [self.start(tmp_path, name="same") for _ in range(2)]
        for i, run in enumerate(runs):
            run.log_metric("x", float(i), step=0)
            run.log_lines(f"run {i}")
        for i, run in enumerate(runs):
            native = self.delivered(tmp_path, run)
            assert self.points(native, "x") == [(0, float(i))]
            assert native.lines == [f"run {i}"]

    def test_runs_of_one_id_in_two_journals_do_not_meet(self, tmp_path: Path) -> None:
        """Two projects of one process may have runs of one id, open at once in trackers of their own."""
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
            assert self.points(native, "x") == [(0, float(i)), (1, i + 0.5)]
            assert native.lines == [f"run {i}"]

    def test_the_run_is_where_it_says(self, tmp_path: Path) -> None:
        """``lanes/`` holds what the backend needs to go on, and the journal's directory nothing else of it."""
        run = self.start(tmp_path)
        self.delivered(tmp_path, run)
        assert [path.name for path in runs_directory(tmp_path / "journal").iterdir()] == [run.id]


def _user() -> str:
    import getpass  # noqa: PLC0415 - only here

    return getpass.getuser()


def _program() -> str | None:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return os.path.abspath(file) if file else None  # noqa: PTH100 - as the context has it
