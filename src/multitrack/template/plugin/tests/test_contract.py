"""The contract that every backend of multitrack passes."""

from pathlib import Path
from typing import Any

from acme_reader import read_run

from multitrack.testing import BackendContract, NativeRun


class TestAcme(BackendContract):
    backend = "acme"

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"file": str(tmp_path / "acme.db")}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return read_run(tmp_path / "acme.db", backend_id)
