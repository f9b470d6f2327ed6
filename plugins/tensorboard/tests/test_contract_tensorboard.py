"""The contract, against event files and TensorBoard's own reader."""

from pathlib import Path
from typing import Any

import pytest
from tensorboard_file import read_run

from multitrack.testing import BackendContract, NativeRun

# A history that fails is made small before it is shown, which takes minutes here.
pytestmark = pytest.mark.timeout(900)


class TestTensorboard(BackendContract):
    backend = "tensorboard"

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"directory": str(tmp_path / "logs")}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return read_run(tmp_path / "logs" / backend_id)
