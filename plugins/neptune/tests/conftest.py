"""Every test of Neptune's backend: nobody's configuration."""

import pytest


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("NEPTUNE_DATA_DIRECTORY", "NEPTUNE_MODE", "NEPTUNE_API_TOKEN", "NEPTUNE_PROJECT"):
        monkeypatch.delenv(variable, raising=False)
