"""Cases that people met, as written, each with neighbours of its own; ``python tests/real_world`` runs all of them."""

import os
from collections.abc import Iterator

import pytest

from browser import Page, chromium
from quiet import QUIET

# Some of the cases train models; on the CPU, and without TensorFlow's messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No telemetry, nobody's settings, and one cache for the session, so that a new store is migrated once."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "WANDB_", "NEPTUNE_")):
            monkeypatch.delenv(name)
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp().parent / "mlflow-cache"))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page
