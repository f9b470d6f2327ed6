"""The contract, against the files that Neptune's SDK writes."""

import copy
import math
from pathlib import Path
from typing import Any

import pytest
from neptune_file import read_fields, read_run

from multitrack.testing import BackendContract, Capabilities, Model, NativeRun

# A history that fails is made small before it is shown, which takes minutes here.
pytestmark = pytest.mark.timeout(900)


class TestNeptune(BackendContract):
    backend = "neptune"
    capabilities = Capabilities(
        nan=False,
        infinity=False,
        stand_ins=dict.fromkeys(("nan", "infinity"), "Neptune's floats are finite; a text in `<name>~exact`"),
    )

    def kill(self, plugin: Any) -> None:
        for recording in plugin._open.values():
            recording._file.flush()

    def shown(self, model: Model) -> NativeRun:
        native = copy.deepcopy(model)
        native.metrics = {name: as_float(value) for name, value in model.metrics.items()}
        for name, points in model.series.items():
            found = [point._replace(value=as_float(point.value)) for point in points]
            # What no finite float is stands in a series of its own, which the reader puts after the other.
            native.series[name] = sorted(
                found, key=lambda point: not (isinstance(point.value, float) and math.isfinite(point.value))
            )
        return native

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"directory": str(tmp_path / "neptune")}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        (directory,) = (tmp_path / "neptune" / "offline").glob(f"run__{backend_id}__*")
        assert read_fields(directory)["multitrack/run_id"] == run_id
        return read_run(directory)


def as_float(value: float) -> float:
    """The float that is this very number, else the number, which stands there as text."""
    try:
        return float(value) if float(value) == value else value
    except OverflowError:
        return value
