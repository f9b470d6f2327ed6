"""The contract, against a SQLite store and against a real server on loopback."""

import copy
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from mlflow_reader import read_run
from mlflow_server import mlflow_server

from multitrack.journal import derived
from multitrack.testing import BackendContract, Capabilities, Model, NativeRun

# A history that fails is made small before it is shown, which takes minutes here.
pytestmark = pytest.mark.timeout(900)

# Names are escaped, the full one is in a tag.
CAPABILITIES = Capabilities(
    typed_params=False,
    infinity=False,
    call_order=False,
    stand_ins={
        "typed_params": "params are text in MLflow: `0.1`, `True`, lists as JSON",
        "infinity": "±1.7976931348623157e308, as MLflow's store makes it; the tag `multitrack.infinity` says so",
    },
    gaps={"call_order": "points are in the order of their milliseconds"},
)


def shown(model: Model) -> NativeRun:
    """The model with MLflow's stand-ins, as the README has them."""
    native = copy.deepcopy(model)
    native.params = {key: param_text(value) for key, value in model.params.items()}
    native.metrics = {}
    for name, beside, point in model.writes:  # every write is a point, the latest of its name unless a series began
        name = f"{name}/summary" if beside else name
        if name not in model.series:
            native.metrics[name] = as_double(point.value)
        native.series.setdefault(name, []).append(point)
    for name, points in native.series.items():
        native.series[name] = list(dict.fromkeys(point._replace(value=as_double(point.value)) for point in points))
    return native


def exact(model: Model) -> list[tuple[str, int, str]]:
    """Name, step and text of all integers that MLflow's doubles round, and of the float that it has for infinity."""
    points = [(f"{name}/summary" if beside else name, point) for name, beside, point in model.writes]
    points += [(name, point) for name, found in model.series.items() for point in found]
    return sorted(
        (name, point.step, str(point.value))
        for name, point in points
        if (abs(point.value) > 2**53 if isinstance(point.value, int) else abs(point.value) == sys.float_info.max)
    )


def param_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)


def as_double(value: float) -> float:
    """MLflow holds finite doubles; NaN is one here, for comparison's sake the same one each time."""
    number = derived.as_double(value)
    return math.nan if number is None else number + 0.0  # SQLite knows no -0.0


class TestMlflowSqlite(BackendContract):
    backend = "mlflow"
    capabilities = CAPABILITIES

    def shown(self, model: Model) -> NativeRun:
        self.model = model
        return shown(model)

    def compare(self, native: NativeRun, expected: NativeRun) -> None:
        super().compare(native, expected)
        notes = [json.loads(text) for key, text in native.tags.items() if key.startswith("multitrack.exact.")]
        assert sorted((note["metric"], note["step"], note["value"]) for note in notes) == exact(self.model)

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"tracking_uri": f"sqlite:///{tmp_path}/mlflow.db"}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return read_run(f"sqlite:///{tmp_path}/mlflow.db", backend_id)


@pytest.mark.slow
@pytest.mark.long("test_a_resumed_run_goes_on", "test_a_redelivery_doubles_nothing")
class TestMlflowServer(BackendContract):
    backend = "mlflow"
    capabilities = CAPABILITIES
    address: ClassVar[str]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        with mlflow_server(tmp_path_factory.mktemp("server")) as address:
            cls.address = address
            yield

    def shown(self, model: Model) -> NativeRun:
        self.model = model
        return shown(model)

    def compare(self, native: NativeRun, expected: NativeRun) -> None:
        super().compare(native, expected)
        notes = [json.loads(text) for key, text in native.tags.items() if key.startswith("multitrack.exact.")]
        assert sorted((note["metric"], note["step"], note["value"]) for note in notes) == exact(self.model)

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"tracking_uri": self.address}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return read_run(self.address, backend_id)
