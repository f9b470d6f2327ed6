"""The subject of the contract: reach a backend under test, and compare its content with the model."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

import multitrack
from multitrack import plugins
from multitrack.delivery.lane_state import lane_file
from multitrack.delivery.report import DeliveryReport
from multitrack.migration.verifying import verify_run
from multitrack.recording.run import Run
from multitrack.testing.capabilities import Capabilities
from multitrack.testing.kills import MortalLane
from multitrack.testing.model import Model, as_double, as_number, plain
from multitrack.testing.native import NativePoint, NativeRun

#: The beginning of what a comparison calls the things that a tracker without a capability lacks.
_THINGS: Final = {
    "params": "param ", "artifacts": "reference ", "lines": "lines", "tags": "tag ", "start_time": "start",
    "end_time": "end", **dict.fromkeys(("history", "point_times", "nan", "infinity"), "metric "),
}  # fmt: skip


class ContractSubject:
    """A backend under test, with the methods to reach and read it; see :mod:`multitrack.testing.contract`.

    Attributes:
        backend: The backend's name or import path.
        capabilities: What the tracker can hold unchanged.
        examples: Number of histories in ``test_any_history``, as a percentage of the Hypothesis profile's.
    """

    backend: ClassVar[str]
    capabilities: ClassVar[Capabilities] = Capabilities()
    examples: ClassVar[int] = 10

    def options(self, tmp_path: Path) -> dict[str, Any]:
        """Return the backend's table of the config, with all paths in ``tmp_path``."""
        return {}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        """Read a run with the tracker's own reader."""
        raise NotImplementedError

    def param(self, value: Any) -> Any:
        """Return a param's value as the tracker shows it."""
        return value if self.capabilities.typed_params else str(value)

    def new_plugin(self) -> object:
        """Return a new backend object, as in a new process."""
        return type(plugins.load_backend(self.backend).plugin)()

    def kill(self, plugin: Any) -> None:
        """Clean up as the kernel does after a kill: close the files that ``plugin`` has open, end the SDK's helpers."""

    def shown(self, model: Model) -> NativeRun:
        """Return the expected result of :meth:`read`: the model, with stand-ins where the tracker needs them."""
        return model

    @contextlib.contextmanager
    def lane(self, run: Run, kind: type[MortalLane], sizes: Sequence[int] = (2000,)) -> Iterator[MortalLane]:
        """Open a lane of a new process, and kill that process at the end.

        Args:
            run: The run, of one backend.
            kind: The kind of lane.
            sizes: Maximum number of records of each batch, in turn.
        """
        assert run.directory is not None
        plugin = self.new_plugin()
        lane = kind(run.directory, plugin, sizes)
        try:
            yield lane
        finally:
            lane.release()
            self.kill(plugin)

    def backend_id(self, run: Run) -> str:
        """Return the tracker's id of a run that was opened there."""
        return next(iter(run.backend_ids.values()))

    def start(self, tmp_path: Path, **arguments: Any) -> Run:
        """Start a run of this backend that is delivered by :meth:`deliver` only."""
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
        """End the run, deliver it, and read it back. Fail if a record was set aside."""
        if run.status == "running":
            run.end()
        self.deliver(tmp_path)
        report = run.flush()
        if not report.complete or any(lane.set_aside for lane in report.values()):
            pytest.fail(f"not delivered: {report}")  # no AssertionError, which a declared gap would explain
        if any(" " not in text for lane in report.values() for text in lane.stand_ins):
            pytest.fail(f"no sentences: {[lane.stand_ins for lane in report.values()]}; a hook returns a list of them")
        return self.read(tmp_path, run.id, self.backend_id(run))

    def forget_position(self, tmp_path: Path, run: Run) -> None:
        """Delete the lane's position, as if the courier had been killed before it saved one."""
        assert run.directory is not None
        name = self.backend.partition(":")[2] or self.backend
        lane_file(run.directory, name).unlink()

    def points(self, native: NativeRun, name: str) -> list[tuple[int, float]]:
        """Return step and value of each point."""
        return [(point.step, point.value) for point in native.series.get(name, [])]

    def check_capability(self, name: str, works: bool, otherwise: str) -> None:
        """Check one capability within a test: it works, or is declared missing and does not.

        Args:
            name: A field of :class:`~multitrack.testing.Capabilities`.
            works: True if the tracker holds what the capability promises.
            otherwise: What a user of the tracker sees if not.
        """
        if getattr(self.capabilities, name):
            assert works, otherwise
        elif works:
            pytest.fail(f"{self.backend} declares {name}=False, but it works: remove the declaration")

    def check_read_back(self, tmp_path: Path, run_id: str) -> None:
        """Check that ``multitrack verify`` finds a run in the tracker as the journal has it.

        The hook ``read_run`` must undo declared stand-ins. One that it cannot undo counts if the delivery report named
        it. A declared gap explains what is missing.
        """
        recorded = multitrack.open_journal(tmp_path / "journal").run(run_id)
        found = verify_run(recorded, self.backend.partition(":")[2] or self.backend)
        assert found.error is None, f"`multitrack verify` fails: {found.error}"
        gaps = {*self.capabilities.missing} - self.capabilities.stand_ins.keys()
        unheld = tuple(_THINGS[name] for name in _THINGS.keys() & gaps)
        wrong = [each for each in found.findings if each.outcome != "stand-in" and not each.thing.startswith(unheld)]
        assert wrong == [], f"`multitrack verify` tells a user that values are lost or altered: {wrong}"
        assert found.extra == 0, f"`multitrack verify` finds {found.extra} values that nobody recorded"

    def held_points(self, points: Iterable[Any]) -> list[Any]:
        """Return the points of a series that the tracker holds. If it holds more, its declaration is wrong."""
        return list(points) if self.capabilities.history else list(points)[-1:]

    def held_lines(self, lines: list[str]) -> list[str]:
        """Return those lines that the tracker holds: all or none. If it holds more, its declaration is wrong."""
        return lines if self.capabilities.lines else []

    def held(self, expected: NativeRun) -> NativeRun:
        """Return a run without what the tracker declares not to hold. If it holds more, its declaration is wrong."""
        held = copy.copy(expected)
        held.params = expected.params if self.capabilities.params else {}
        held.artifacts = expected.artifacts if self.capabilities.artifacts else {}
        held.lines = self.held_lines(expected.lines)
        held.series = {name: self.held_points(points) for name, points in expected.series.items()}
        return held

    def compare(self, native: NativeRun, expected: NativeRun) -> None:
        """Check that every record is present once. A tracker may show additional metrics and tags of its own."""
        expected = self.held(expected)
        assert native.status == expected.status, "the tracker shows another end than the run had"
        assert plain(native.params) == plain(expected.params), "a table of params shows a wrong, missing or extra one"
        assert native.artifacts == expected.artifacts, "a reference leads to another place, or is missing"
        assert native.lines == expected.lines, "the log lacks a line, has one twice, or altered one"
        tags = expected.tags if self.capabilities.tags else dict.fromkeys(expected.tags)
        assert {key: native.tags.get(key) for key in tags} == tags, "a filter by this tag misses the run"
        metrics = {name: as_number(value) for name, value in expected.metrics.items()}
        found = {name: as_number(native.metrics.get(name)) for name in metrics}
        assert found == metrics, "a table of runs shows another result than the run had"
        series = {name: self._in_order(points) for name, points in expected.series.items()}
        drawn = {name: self._in_order(native.series.get(name, [])) for name in series}
        assert drawn == series, "a chart lacks a point, has one twice, or altered one"
        extra = native.series.keys() - expected.series.keys()
        assert extra <= expected.metrics.keys(), "the tracker shows charts that nobody recorded"

    def _in_order(self, points: list[NativePoint]) -> list[tuple[object, ...]]:
        if not self.capabilities.call_order:
            points = sorted(points, key=lambda point: (point.time or 0, point.step, as_double(point.value)))
        times = self.capabilities.point_times
        return [(point.step, as_number(point.value), point.time if times else None) for point in points]
