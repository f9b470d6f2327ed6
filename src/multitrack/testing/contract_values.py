"""The contract's tests of each kind of record: values read back as recorded."""

from __future__ import annotations

import functools
import hashlib
import math
import time
from pathlib import Path

import multitrack
from multitrack.inputs.references import LARGE
from multitrack.recording.run import Run
from multitrack.testing.gaps import needs
from multitrack.testing.native import NativePoint, NativeReference
from multitrack.testing.subject import ContractSubject


class ValuesContract(ContractSubject):
    """Params, metrics, list metrics, references, lines and tags keep their values."""

    @needs("params")
    def test_params_keep_their_values(self, tmp_path: Path) -> None:
        """Nested params flatten with ``/``; every scalar type arrives."""
        run = self.start(tmp_path, params={"model": {"units": 64, "dropout": 0.25}, "name": "bäse", "flag": True})
        run.log_params({"model": {"units": 64}, "seed": 7})
        native = self.delivered(tmp_path, run)
        expected = {"model/units": 64, "model/dropout": 0.25, "name": "bäse", "flag": True, "seed": 7}
        shown = {key: native.params.get(key) for key in expected}
        assert shown == {key: self.param(value) for key, value in expected.items()}, "a table of params shows others"

    @needs("params")
    def test_a_long_param_is_not_truncated(self, tmp_path: Path) -> None:
        """A value beyond every tracker's limit is kept whole, in the param or at the place that it names."""
        value = "".join(f"{i:05}," for i in range(4000))
        native = self.delivered(tmp_path, self.start(tmp_path, params={"long": value, "short": "x"}))
        assert native.params.get("long") == value, "the end of a long param is lost: two different runs look the same"
        assert native.params.get("short") == "x", "a long param cost the run its other params"

    @needs("params")
    def test_params_that_are_objects(self, tmp_path: Path) -> None:
        """Objects without a plain form become text; at least the beginning of a long one is shown as the param."""
        params = {"loss": len, "model": functools.partial(print, "x" * 1500), "steps": [("scale", len)]}
        native = self.delivered(tmp_path, self.start(tmp_path, params=params))
        shown = "the tracker does not show which function or estimator the run had"
        assert native.params.get("loss") == "builtins.len", shown
        assert native.params.get("model", "").startswith(f"functools.partial(builtins.print, '{'x' * 400}"), shown
        texts = [["scale", "builtins.len"]], "[['scale', 'builtins.len']]"
        json = '[["scale", "builtins.len"]]', '[["scale","builtins.len"]]'
        assert native.params.get("steps") in (*texts, *json), shown

    @needs("history")
    def test_a_series_keeps_every_point(self, tmp_path: Path) -> None:
        """Each point keeps its value, step and time, in order."""
        run = self.start(tmp_path)
        before = int(time.time() * 1000)
        for step in range(30):
            run.log_metric("loss", 1 / (step + 1), step=step)
        after = int(time.time() * 1000)
        native = self.delivered(tmp_path, run)
        expected = [(step, 1 / (step + 1)) for step in range(30)]
        assert self.points(native, "loss") == expected, "the chart lacks a point, or has it at another step"
        times = [point.time for point in native.series["loss"]]
        recorded = [point.time for point in self._journal_points(run, "loss")]
        late = "a chart over time shows when the points were delivered, not when they were logged"
        assert all(before <= time <= after for time in recorded if time is not None)
        self.check_capability("point_times", times == recorded, late)

    def _journal_points(self, run: Run, name: str) -> list[NativePoint]:
        assert run.directory is not None
        recorded = multitrack.open_journal(run.directory.parent.parent).run(run.id)
        return [NativePoint(point.step, point.value, point.time) for point in recorded.get_metrics()[name]]

    @needs("history")
    def test_steps_may_repeat_and_go_back(self, tmp_path: Path) -> None:
        """A resumed epoch is logged again: every point is kept, exact repeats too."""
        run = self.start(tmp_path)
        written = [(0, 0.9), (1, 0.8), (2, 0.7), (1, 0.75), (2, 0.7), (2, 0.7), (2, 0.7), (5, 0.1), (3, 0.6)]
        for step, value in written:
            run.log_metric("loss", value, step=step)
        native = self.delivered(tmp_path, run)
        repeated = "an epoch that was trained again is missing, or replaced the first"
        assert sorted(self.points(native, "loss")) == sorted(written), repeated

    def test_several_metrics_at_one_step(self, tmp_path: Path) -> None:
        """One call may have several keys; steps of different series are independent."""
        run = self.start(tmp_path)
        run.log_metrics({"loss": 0.5, "val/loss": 0.75}, step=10)
        run.log_metrics({"loss": 0.25}, step=11)
        run.log_metric("other", 3, step=0)
        native = self.delivered(tmp_path, run)
        shifted = "the chart of one metric has the points or the steps of another"
        assert self.points(native, "loss") == self.held_points([(10, 0.5), (11, 0.25)]), shifted
        assert self.points(native, "val/loss") == [(10, 0.75)], shifted
        assert self.points(native, "other") == [(0, 3)], shifted

    def test_a_simple_metric_keeps_its_last_value(self, tmp_path: Path) -> None:
        """Without a step the last value wins, even if an earlier one was larger."""
        run = self.start(tmp_path)
        run.log_metric("accuracy", 0.95)
        run.log_metric("accuracy", 0.5)
        run.log_metrics({"count": 12, "zero": 0.0})
        native = self.delivered(tmp_path, run)
        assert native.metrics.get("accuracy") == 0.5, "a table of runs ranks the run by a result that was replaced"
        assert (native.metrics.get("count"), native.metrics.get("zero")) == (12, 0.0), (
            "a result is missing from the table"
        )

    def test_a_simple_metric_beside_a_series_is_its_summary(self, tmp_path: Path) -> None:
        """Both are kept: the series with every point, and the summary's value."""
        run = self.start(tmp_path)
        run.log_metric("loss", 0.5, step=0)
        run.log_metric("loss", 0.25, step=1)
        run.log_metric("loss", 0.125)
        native = self.delivered(tmp_path, run)
        expected = self.held_points([(0, 0.5), (1, 0.25)])
        assert self.points(native, "loss") == expected, "the final result is drawn as a point of the chart"
        shown = native.metrics.get("loss"), native.metrics.get("loss/summary")
        assert 0.125 in shown, "a table of runs shows the chart's last point instead of the final result"

    @needs("nan", "history")
    def test_nan_is_kept(self, tmp_path: Path) -> None:
        """NaN is kept as a point."""
        run = self.start(tmp_path)
        for step, value in enumerate((0.5, math.nan, 0.25)):
            run.log_metric("loss", value, step=step)
        points = self.points(self.delivered(tmp_path, run), "loss")
        assert [step for step, _ in points] == [0, 1, 2], "the chart does not show where the training diverged"
        assert math.isnan(points[1][1]), "the chart has a number where the training had none"
        assert (points[0], points[2]) == ((0, 0.5), (2, 0.25)), "a NaN cost the chart its other points"

    @needs("infinity", "history")
    def test_infinity_is_kept(self, tmp_path: Path) -> None:
        """±inf are kept as points."""
        run = self.start(tmp_path)
        for step, value in enumerate((math.inf, -math.inf, 0.25)):
            run.log_metric("loss", value, step=step)
        points = self.points(self.delivered(tmp_path, run), "loss")
        expected = [(0, math.inf), (1, -math.inf), (2, 0.25)]
        assert points == expected, "the chart does not show where the loss became infinite"

    @needs("history")
    def test_points_beside_one_that_is_not_finite_are_kept(self, tmp_path: Path) -> None:
        """Points beside NaN and ±inf are kept, nothing is set aside, and the report names the stand-ins."""
        run = self.start(tmp_path)
        for step, value in enumerate((0.5, math.nan, math.inf, -math.inf, 0.25)):
            run.log_metrics({"loss": value, "other": float(step)}, step=step)
        native = self.delivered(tmp_path, run)
        finite = [point for point in self.points(native, "loss") if abs(point[1]) < 1e300]
        lost = "a NaN or an infinity cost the chart its other points"
        assert finite == [(0, 0.5), (4, 0.25)], lost
        assert self.points(native, "other") == [(step, float(step)) for step in range(5)], lost
        if {"nan", "infinity"} & self.capabilities.stand_ins.keys():
            sentences = [text for lane in run.flush().values() for text in lane.stand_ins]
            silent = "the chart differs from what was logged, and no report says so"
            assert any("loss" in text for text in sentences), silent

    def test_a_list_metric_is_appended_to(self, tmp_path: Path) -> None:
        """The index continues across calls; a scalar counts as a list of one."""
        run = self.start(tmp_path)
        run.log_list_metric("epoch_loss", [0.9, 0.5, 0.3])
        run.log_list_metric("epoch_loss", 0.2)
        run.log_list_metric("epoch_loss", (0.1, 0.05))
        native = self.delivered(tmp_path, run)
        expected = self.held_points(enumerate([0.9, 0.5, 0.3, 0.2, 0.1, 0.05]))
        assert self.points(native, "epoch_loss") == expected, "each call draws a curve of its own from step 0 on"

    def test_a_long_list_metric(self, tmp_path: Path) -> None:
        """A list longer than any tracker's batch is kept."""
        written = [i * 0.5 for i in range(2500)]
        run = self.start(tmp_path)
        run.log_list_metric("signal", written)
        points = self.points(self.delivered(tmp_path, run), "signal")
        assert points == self.held_points(enumerate(written)), "the chart lacks a part of a long list"

    @needs("artifacts")
    def test_references_are_kept_without_copying(self, tmp_path: Path) -> None:
        """A remote and a local reference are kept by name, with all their details; no file is copied."""
        local = tmp_path / "weights.bin"
        content = b"0" * 1000
        local.write_bytes(content)
        run = self.start(tmp_path)
        run.log_artifact_ref("weights", local, kind="model")
        run.log_artifact_ref("data", "s3://bucket/träin.csv", kind="dataset", role="input", version="3L4kq")
        native = self.delivered(tmp_path, run)
        assert native.artifacts.get("weights") == local.as_uri(), "the reference leads to a copy, or to nothing"
        assert native.artifacts.get("data") == "s3://bucket/träin.csv", "the reference does not lead to the user's file"
        if native.references is not None:
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            expected = {"weights": NativeReference("model", "output", digest, len(content)),
                        "data": NativeReference("dataset", "input", None, None, "s3:3L4kq")}  # fmt: skip
            unknown = (
                "nobody can tell inputs from outputs, whether a file is still the one that the run had, or its version"
            )
            assert native.references == expected, unknown

    @needs("artifacts")
    def test_a_reference_whose_digest_comes_later(self, tmp_path: Path) -> None:
        """A reference recorded at once, and again when its digest is known, is one reference."""
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
        expected = {"large": large.as_uri(), "small": "s3://bucket/small"}
        assert native.artifacts == expected, "a large file is listed twice, or not at all"

    @needs("artifacts")
    def test_a_late_digest_does_not_bring_back_an_older_reference(self, tmp_path: Path) -> None:
        """The last reference of a name counts, even if the digest of an earlier one arrives after it."""
        large = tmp_path / "large.bin"
        with large.open("wb") as file:
            file.truncate(LARGE + 1)
        run = self.start(tmp_path)
        run.log_artifact_ref("latest", large, kind="model")
        run.log_artifact_ref("latest", "s3://bucket/small", kind="model")
        artifacts = self.delivered(tmp_path, run).artifacts
        assert artifacts == {"latest": "s3://bucket/small"}, "the name leads to an older file than the latest"

    @needs("lines")
    def test_lines_keep_order_and_text(self, tmp_path: Path) -> None:
        """Lines of any Unicode, empty and long lines, and all streams are kept in order."""
        written = ["first", "", "grüße 🚀 \x1b[31mred\x1b[0m", "x" * 5000, "  indented\ttab"]
        run = self.start(tmp_path)
        run.log_lines(written)
        run.log_lines("from stderr", stream="stderr")
        for i in range(50):
            run.log_lines(f"line {i}")
        native = self.delivered(tmp_path, run)
        expected = [*written, "from stderr", *(f"line {i}" for i in range(50))]
        assert len(native.lines) == len(expected), (
            "lines of the log are joined, cut or missing: a traceback is unreadable"
        )
        assert native.lines == expected, "the log shows other text, or another order, than the program printed"

    @needs("tags")
    def test_tags_keep_their_last_value(self, tmp_path: Path) -> None:
        """A later value replaces an earlier one."""
        run = self.start(tmp_path, tags={"team": "vision", "stage": "draft"})
        run.set_tags({"stage": "final"})
        native = self.delivered(tmp_path, run)
        shown = native.tags.get("team"), native.tags.get("stage")
        assert shown == ("vision", "final"), "a filter by a tag finds the run under a value that it has no more"
