"""The contract, read back by a real Prometheus, and from files by the client's own parser."""

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_reader import native, written

from multitrack.testing import BackendContract, Capabilities, Model, NativePoint, NativeRun
from multitrack_prometheus import backend
from multitrack_prometheus.labels import shortened

TAGS = ["team", "stage", "loss", "acc", "lr"]


class LastValues(BackendContract):
    """What all modes have in common: last values of numbers, and labels for the tags that are chosen."""

    backend = "prometheus"
    capabilities = Capabilities(history=False, params=False, artifacts=False, lines=False, point_times=False)

    @pytest.fixture(autouse=True)
    def stopped(self) -> Iterator[None]:
        yield
        backend.stop()

    def kill(self, plugin: Any) -> None:
        plugin.stop()

    def shown(self, model: Model) -> NativeRun:
        shown = copy.deepcopy(model)
        # An empty label is none.
        shown.tags = {key: shortened(value) for key, value in model.tags.items() if key in TAGS and value}
        shown.metrics = {name: double(value) for name, value in model.metrics.items()}
        shown.series = {
            name: [NativePoint(int(float(point.step)), double(point.value), None) for point in points]
            for name, points in model.series.items()
        }
        return shown


class TestTextfile(LastValues):
    examples = 100

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"mode": "textfile", "directory": str(tmp_path / "node"), "tags": TAGS, "max_runs": 1000}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return native(written(tmp_path / "node"), backend_id, lambda label: label.removeprefix("tag_"))


def double(value: float) -> float:
    """The double that Prometheus keeps of a number."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
