"""The contract, against the files that Neptune's SDK writes."""

from pathlib import Path
from typing import Any

from neptune_file import find_run, read_run

from multitrack.testing import BackendContract, Capabilities, NativeRun


class TestNeptune(BackendContract):
    backend = "neptune"
    # Neptune's floats are finite; the others stand as text beside the series.
    capabilities = Capabilities(nan=False, infinity=False)

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"directory": str(tmp_path / "neptune")}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        directory = find_run(tmp_path / "neptune", run_id)
        assert directory.name.startswith(f"run__{backend_id}__")
        return read_run(directory)
