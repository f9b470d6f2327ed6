"""The contract, against goodseed's files."""

from pathlib import Path
from typing import Any

import pytest
from goodseed_reader import file_of, read_file

from multitrack.testing import BackendContract, Capabilities, NativeRun
from multitrack_goodseed import internals

# A history that fails is made small before it is shown, which takes minutes here.
pytestmark = pytest.mark.timeout(900)


class TestGoodseed(BackendContract):
    backend = "goodseed"
    capabilities = Capabilities(
        nan=False, call_order=False,
        stand_ins={"nan": "goodseed drops NaN; a text in `exact/<name>`"},
        gaps={"call_order": "goodseed orders points by their steps"},
    )  # fmt: skip

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"directory": str(tmp_path / "goodseed")}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return read_file(file_of(tmp_path / "goodseed", backend_id))


@pytest.mark.slow
@pytest.mark.long("test_any_history", "test_a_resumed_run_goes_on", "test_a_redelivery_doubles_nothing")
# goodseed's connection stays open where a courier is killed in this process.
@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
class TestPublicWay(TestGoodseed):
    """The same by goodseed's public functions; the recorded times are beside the points."""

    examples = 1  # every value is a transaction

    @pytest.fixture(autouse=True)
    def layout_is_unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(internals, "LAYOUTS", frozenset({"0"}))
        monkeypatch.setattr(internals, "_checked", {})
