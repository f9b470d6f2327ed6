"""Case 27: uv installs the project, from its root and from a plugin's directory."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
pytestmark = [pytest.mark.case(27), pytest.mark.slow, pytest.mark.timeout(600),
              pytest.mark.long("test_what_was_installed_works")]  # fmt: skip

Uv = Callable[..., str]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git knows of: uv leaves files where it works."""
    place = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if not name.startswith(("docs/", "tests/")) and (ROOT / name).exists():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / name)
    return place


@pytest.fixture(scope="module")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Uv:
    """The command, as installed from the index, with a cache of its own."""
    place = tmp_path_factory.mktemp("uv")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--target", place / "tool", "uv>=0.5"], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    environment |= {"UV_CACHE_DIR": str(place / "cache"), "UV_PYTHON": sys.executable, "UV_NO_PROGRESS": "1"}

    def run(*arguments: str | Path, cwd: Path) -> str:
        command = [place / "tool" / "bin" / "uv", *arguments]
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run


def test_as_written(checkout: Path, uv: Uv, tmp_path: Path) -> None:
    """``uv pip install . ./plugins/mlflow …`` and ``uv sync``."""
    uv("venv", tmp_path / "env", cwd=tmp_path)
    sources = [f"./plugins/{name}" for name in PLUGINS]
    said = uv("pip", "install", "--dry-run", "--python", tmp_path / "env", ".", *sources, cwd=checkout)
    for name in ("multitrack", *(f"multitrack-{name}" for name in PLUGINS)):
        assert f"+ {name} @ file://" in said, said
    assert "+ multitrack @ file://" in uv("sync", "--dry-run", cwd=checkout)
    every = uv("sync", "--dry-run", "--all-packages", cwd=checkout)
    for name in PLUGINS:
        assert f"+ multitrack-{name} @ file://" in every, every


def test_a_lock_is_of_the_whole_and_git_ignores_it(checkout: Path, uv: Uv) -> None:
    """It records where packages were downloaded."""
    uv("lock", cwd=checkout / "plugins" / "mlflow")
    assert (checkout / "uv.lock").exists()
    assert not list((checkout / "plugins").glob("*/uv.lock"))
    for name in ("uv.lock", "plugins/mlflow/uv.lock"):
        subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT, check=True)
    tracked = subprocess.run(["git", "ls-files", "*uv.lock"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert tracked.stdout == ""


@pytest.mark.parametrize("plugin", PLUGINS)
def test_from_a_plugins_directory(checkout: Path, uv: Uv, tmp_path: Path, plugin: str) -> None:
    place = checkout / "plugins" / plugin
    uv("venv", tmp_path / "env", cwd=tmp_path)
    for arguments in (("sync", "--dry-run"), ("pip", "install", "--dry-run", "--python", tmp_path / "env", ".")):
        said = uv(*arguments, cwd=place)
        assert f"+ multitrack-{plugin} @ file://" in said, said
        assert "+ multitrack @ file://" in said, said  # ours, not what an index may have under the name


def test_what_was_installed_works(checkout: Path, uv: Uv, tmp_path: Path) -> None:
    """The core with what it needs, and a plugin, without its SDK, which is large."""
    environment = tmp_path / "env"
    uv("venv", environment, cwd=tmp_path)
    uv("pip", "install", "--python", environment, ".", cwd=checkout)
    uv("pip", "install", "--python", environment, "--no-deps", "./plugins/wandb", cwd=checkout)
    command = [environment / "bin" / "multitrack", "backends"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "wandb" in shown.stdout, shown.stderr
    job = (
        "import multitrack\n"
        f"assert multitrack.__file__.startswith({str(environment)!r}), multitrack.__file__\n"
        "with multitrack.start_run('p') as run:\n    run.log_metric('x', 1.0, step=0)\n"
    )
    subprocess.run([environment / "bin" / "python", "-c", job], cwd=tmp_path, check=True, timeout=60)
