"""Every test of goodseed's backend: nobody's configuration, no cloud."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("GOODSEED_PROJECT", "GOODSEED_RUN_ID", "GOODSEED_API_KEY", "GOODSEED_API_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("GOODSEED_STORAGE", "local")
    monkeypatch.setenv("GOODSEED_HOME", str(tmp_path / "goodseed-home"))
