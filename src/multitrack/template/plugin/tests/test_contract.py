"""The contract that every backend of multitrack passes."""

from pathlib import Path
from typing import Any

from acme_reader import read_run

from multitrack.testing import BackendContract, Capabilities, NativeRun


class TestAcme(BackendContract):
    backend = "acme"
    capabilities = Capabilities(read_back=False, gaps={"read_back": "no hook `read_run` yet"})

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"file": str(tmp_path / "acme.db")}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return read_run(tmp_path / "acme.db", backend_id)
