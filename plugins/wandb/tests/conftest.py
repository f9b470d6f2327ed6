"""Every test of W&B's backend is on its own."""

from pathlib import Path

import pytest
from wandb_alone import isolate


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)
