"""The options, and what becomes of W&B's own environment variables."""

import subprocess
import sys
from pathlib import Path

import pytest

import multitrack
from multitrack_wandb import options
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
    with pytest.raises(ValueError, match="remove wandb from the backends"):
        WandbOptions()


def test_the_options_do_not_import_the_sdk() -> None:
    code = (
        "import sys, multitrack_wandb; multitrack_wandb.backend.backend_options()(mode='offline'); "
        "assert 'wandb' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_server_that_wandb_init_left_in_the_directory_is_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is the run's from then on: a later sync elsewhere finds other files. What else is there is not taken."""
    (tmp_path / "wandb").mkdir()
    settings = "[default]\nbase_url = http://tracker.local\nproject = theirs\nentity = theirs\nmode = disabled\n"
    (tmp_path / "wandb" / "settings").write_text(settings)
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.chdir(tmp_path)
    given = WandbOptions()
    assert (given.base_url, given.project, given.entity, given.mode) == (
        "http://tracker.local", None, None, "online",
    )  # fmt: skip
    monkeypatch.setenv("WANDB_BASE_URL", "http://another.local")
    assert WandbOptions().base_url == "http://another.local"


def test_the_sweep_is_the_environments_and_can_be_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options._tell_of_sweep.cache_clear()
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc12345")
    config = {"journal": str(tmp_path / "journal"), "delivery": "off", "wandb": {"mode": "offline"}}
    runs = [multitrack.start_run(config=config, backends=["wandb"]) for _ in range(2)]
    assert [run.delivery.options["wandb"]["sweep"] for run in runs] == ["abc12345"] * 2
    assert caplog.text.count("abc12345") == 1
    assert 'sweep = ""' in caplog.text
    monkeypatch.setenv("MULTITRACK_WANDB_SWEEP", "")
    run = multitrack.start_run(config=config, backends=["wandb"])
    assert not run.delivery.options["wandb"]["sweep"]
    monkeypatch.setenv("MULTITRACK_WANDB_SWEEP", "other")
    run = multitrack.start_run(config=config, backends=["wandb"])
    assert run.delivery.options["wandb"]["sweep"] == "other"
    monkeypatch.setenv("WANDB_SWEEP_ID", "  ")
    assert WandbOptions(mode="offline").sweep is None
