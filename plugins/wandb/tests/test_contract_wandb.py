"""W&B offline passes the contract."""

import copy
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from wandb_file import native, read_wandb
from wandb_lanes import cores

from multitrack.testing import BackendContract, Capabilities, Model, NativeRun
from multitrack_wandb import WandbBackend
from multitrack_wandb.names import config_value, metric_key, param_key

# A history that fails is made small before it is shown, which takes minutes here.
pytestmark = pytest.mark.timeout(900)


class TestWandb(BackendContract):
    backend = "wandb"
    capabilities = Capabilities(
        start_time=False,
        end_time=False,
        stand_ins={
            "start_time": "config `multitrack/created`; W&B's own start is that of the delivery",
            "end_time": "config `multitrack/ended`; W&B's own end is that of the delivery",
        },
    )

    def new_plugin(self) -> object:
        return WandbBackend()

    def kill(self, plugin: Any) -> None:
        """The SDK's helper process notices that its process died, and goes as well."""
        for pid in cores():
            os.kill(pid, signal.SIGKILL)

    def shown(self, model: Model) -> NativeRun:
        shown = copy.deepcopy(model)
        shown.params = {param_key(name): config_value(value) for name, value in model.params.items()}
        shown.metrics = {metric_key(name): "NaN" if v != v else v for name, v in model.metrics.items()}
        shown.series = {metric_key(name): points for name, points in model.series.items()}
        return shown

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"mode": "offline", "dir": str(tmp_path)}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        assert backend_id == run_id
        run = read_wandb(tmp_path, run_id)
        found = native(run)
        found.started, found.ended = run.started, None  # as W&B shows them; it counts the end from the exit's arrival
        return found
