"""W&B offline passes the contract."""

from pathlib import Path
from typing import Any

from wandb_file import read_native

from multitrack.testing import BackendContract, Capabilities, NativeRun


class TestWandb(BackendContract):
    backend = "wandb"
    # The SDK stamps a run's start and end itself; config keys multitrack/created and multitrack/ended stand in.
    capabilities = Capabilities(start_time=False, end_time=False)

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"mode": "offline", "dir": str(tmp_path)}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        assert backend_id == run_id
        return read_native(tmp_path, run_id)
