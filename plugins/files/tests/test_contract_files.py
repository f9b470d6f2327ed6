"""The contract, for both formats, read by the readers that users have."""

from pathlib import Path
from typing import Any

import pytest
from files_reader import csv_rows, parquet_rows, read_run

from multitrack.testing import BackendContract, NativeRun

# A history that fails is made small before it is shown, which takes minutes.
pytestmark = pytest.mark.timeout(900)


class TestParquet(BackendContract):
    backend = "files"
    examples = 15  # PyArrow reads the whole table in each

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"directory": str(tmp_path / "tables")}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return read_run(parquet_rows(tmp_path / "tables"), backend_id)


@pytest.mark.long("test_any_history", "test_a_resumed_run_goes_on", "test_a_redelivery_doubles_nothing")
class TestCsv(BackendContract):
    backend = "files"
    examples = 50

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"directory": str(tmp_path / "tables"), "format": "csv"}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return read_run(csv_rows(tmp_path / "tables"), backend_id)
