"""The contract, read back by a real Prometheus, and from files by the client's own parser."""

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_reader import native, written
from prometheus_server import Prometheus, free_port, prometheus

from multitrack.testing import BackendContract, Capabilities, Model, NativePoint, NativeRun
from multitrack_prometheus import PrometheusBackend, backend


class LastValues(BackendContract):
    """What all modes have in common: last values of numbers, and no tags, of which the options choose none."""

    backend = "prometheus"
    capabilities = Capabilities(
        history=False, params=False, artifacts=False, lines=False, tags=False, point_times=False,
        read_back=False,
        gaps={
            "history": "Prometheus asks for the latest value only",
            "params": "Prometheus holds numbers only; their count is shown",
            "artifacts": "Prometheus holds numbers only; their count is shown",
            "lines": "Prometheus holds numbers only; their count is shown",
            "tags": "labels, if the option `tags` names them, and `deployment`",
            "point_times": "a point has the time of the scrape",
            "read_back": "Prometheus asks for the latest value only",
        },
    )  # fmt: skip

    plugin = PrometheusBackend()

    @pytest.fixture(autouse=True)
    def stopped(self) -> Iterator[None]:
        yield
        backend.stop()
        self.plugin.stop()

    def new_plugin(self) -> PrometheusBackend:
        self.plugin.stop()  # its process ends
        type(self).plugin = PrometheusBackend()
        return self.plugin

    def kill(self, plugin: Any) -> None:
        plugin.stop()

    def shown(self, model: Model) -> NativeRun:
        shown = copy.deepcopy(model)
        shown.metrics = {name: double(value) for name, value in model.metrics.items()}
        shown.series = {
            name: [NativePoint(int(float(point.step)), double(point.value), None) for point in points]
            for name, points in model.series.items()
        }
        return shown


class TestTextfile(LastValues):
    examples = 50

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"mode": "textfile", "directory": str(tmp_path / "node"), "max_runs": 1000}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return native(written(tmp_path / "node"), backend_id)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, int]]:
    """A Prometheus, and the first of the ports that it scrapes: one more for a second plugin object."""
    port = free_port()
    with prometheus(tmp_path_factory.mktemp("served") / "prometheus", port, port + 1) as started:
        yield started, port


class TestServed(LastValues):
    """Read by a Prometheus that scrapes the courier's port."""

    @pytest.fixture(autouse=True)
    def scraping(self, server: tuple[Prometheus, int]) -> None:
        self.prometheus, self.port = server

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"port": self.port, "hold": 0.0}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return native(self.prometheus.run(backend_id), backend_id)


def double(value: float) -> float:
    """The double that Prometheus keeps of a number."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
