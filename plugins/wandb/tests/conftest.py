"""Every test of W&B's backend is on its own."""

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_in_server import KEY, StandInServer
from wandb_alone import isolate

RELEASE = tuple(int(part) for part in importlib.metadata.version("wandb").split(".")[:2])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of what earlier releases of the SDK cannot do; the README says what that is."""
    newer = [item for item in items if any(mark.args > RELEASE for mark in item.iter_markers("wandb_from"))]
    items[:] = [item for item in items if item not in newer]
    config.hook.pytest_deselected(items=newer)


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInServer]:
    """A W&B server on a loopback port, whose key the environment has."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with StandInServer() as server:
        yield server
