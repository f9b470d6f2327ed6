"""Every test of MLflow's backend: telemetry off, nobody's configuration, a cache of its own."""

import pytest


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("DO_NOT_TRACK", "true")
    # One cache for the session, so that a new store is migrated once.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp().parent / "mlflow-cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "plugins/mlflow" in item.path.as_posix():
            # MLflow's own: its models use a loader that newer SQLAlchemy deprecates.
            item.add_marker(pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"))
