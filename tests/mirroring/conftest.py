"""Every test of mirroring: nobody's settings, no telemetry, and SDKs that stay on this machine."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite("comparison")

from observed import QUIET  # noqa: E402 - the comparison's asserts tell what differs


@pytest.fixture(autouse=True)
def private(
    isolated: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in (
        "WANDB_API_KEY",
        "WANDB_BASE_URL",
        "WANDB_DIR",
        "WANDB_PROJECT",
        "MLFLOW_TRACKING_URI",
        "MLFLOW_RUN_ID",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(home / name.lower()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp().parent / "mlflow-cache"))
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
