"""Every test of MLflow's backend: telemetry off, nobody's configuration, a cache of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mlflow import MlflowClient


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("DO_NOT_TRACK", "true")
    # One cache for the session, so that a new store is migrated once.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp().parent / "mlflow-cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A journal that MLflow writes to; its global state is left as it was found."""
    import mlflow

    from multitrack_mlflow.store import writing

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MULTITRACK_DELIVERY", "off")
    directory = tmp_path / "journal"
    mlflow.set_tracking_uri(f"multitrack://{directory}")
    yield directory
    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.set_tracking_uri(None)
    for run in list(writing._open.values()):
        run.end()
    writing._open.clear()


@pytest.fixture
def client(journal: Path) -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(f"multitrack://{journal}")
