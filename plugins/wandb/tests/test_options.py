"""The options, and what becomes of W&B's own environment variables."""

import subprocess
import sys
from pathlib import Path

import pytest

import multitrack
from multitrack_wandb.options import WandbOptions


def test_online_without_credentials_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    config = {"journal": str(tmp_path / "journal"), "delivery": "off"}
    with pytest.raises(multitrack.ConfigError) as caught:
        multitrack.start_run(config=config, backends=["wandb"])
    for what in ("wandb login", "WANDB_API_KEY", 'mode = "offline"'):
        assert what in str(caught.value)
    assert not (tmp_path / "journal" / "runs").exists()


def test_the_environments_key_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    assert WandbOptions().mode == "online"


def test_the_netrc_entry_of_the_host_counts(tmp_path: Path) -> None:
    (tmp_path / "home" / ".netrc").write_text("machine tracker.local:8080\n  login user\n  password secret\n")
    assert WandbOptions(base_url="http://tracker.local:8080").mode == "online"
    with pytest.raises(ValueError, match=r"no W&B credentials for http://other\.local"):
        WandbOptions(base_url="http://other.local")


def test_the_settings_file_counts(tmp_path: Path) -> None:
    (tmp_path / "home" / "config").mkdir()
    settings = tmp_path / "home" / "config" / "settings"
    settings.write_text("[default]\nbase_url = http://tracker.local\n")
    with pytest.raises(ValueError, match=r"no W&B credentials for http://tracker\.local"):
        WandbOptions()
    settings.write_text("[default]\napi_key = secret\n")
    assert WandbOptions().mode == "online"


def test_the_environments_mode_and_directory_are_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)
    assert (WandbOptions().mode, WandbOptions().dir) == ("offline", str(tmp_path))
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    assert WandbOptions().dir == str(tmp_path / "elsewhere")


def test_a_mode_that_delivers_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with pytest.raises(ValueError, match="leave wandb out of the backends"):
        WandbOptions()


def test_the_options_do_not_import_the_sdk() -> None:
    code = (
        "import sys, multitrack_wandb; multitrack_wandb.backend.backend_options()(mode='offline'); "
        "assert 'wandb' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
