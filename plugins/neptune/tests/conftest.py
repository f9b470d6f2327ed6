"""Every test of Neptune's backend: nobody's configuration, and the SDK's own warnings let through."""

import pytest


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("NEPTUNE_DATA_DIRECTORY", "NEPTUNE_MODE", "NEPTUNE_API_TOKEN", "NEPTUNE_PROJECT"):
        monkeypatch.delenv(variable, raising=False)


def pytest_configure(config: pytest.Config) -> None:
    # Third parties that the SDK imports, while it imports them.
    config.addinivalue_line("filterwarnings", "ignore:jsonschema.RefResolver is deprecated:DeprecationWarning")
