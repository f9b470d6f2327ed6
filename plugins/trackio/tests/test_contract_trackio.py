"""The contract, against Trackio's database."""

import copy
from pathlib import Path
from typing import Any

import pytest
from trackio_reader import read_run

from multitrack.testing import BackendContract, Capabilities, Model, NativeRun
from multitrack_trackio import internals

# A history that fails is made small before it is shown, which takes minutes here.
pytestmark = pytest.mark.timeout(900)


def shown(model: Model) -> NativeRun:
    """The model, with the points that simple metrics are, beside their last values."""
    native = copy.deepcopy(model)
    for name, beside, point in model.writes:
        native.series.setdefault(f"{name}/summary" if beside else name, []).append(point)
    return native


class TestTrackio(BackendContract):
    backend = "trackio"
    capabilities = Capabilities(
        call_order=False,
        # Those of one millisecond are in the order of their calls (test_trackio_rows.py).
        gaps={"call_order": "Trackio's reader orders rows by their times"},
    )

    def shown(self, model: Model) -> NativeRun:
        return shown(model)

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"directory": str(tmp_path / "trackio")}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return read_run(tmp_path / "trackio", "contract", backend_id)


@pytest.mark.slow
@pytest.mark.long("test_any_history", "test_a_resumed_run_goes_on", "test_a_redelivery_doubles_nothing")
class TestPublicWay(TestTrackio):
    """The same by Trackio's public functions; the recorded times are in the rows."""

    examples = 1  # each batch starts a process

    @pytest.fixture(autouse=True)
    def storage_is_hidden(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(internals, "NAMES", (("SQLiteStorage.gone", ()),))
        monkeypatch.setattr(internals, "_storages", {})
