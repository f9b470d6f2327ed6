"""What is shipped: the wheels, built and installed somewhere else, run a job."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import multitrack

ROOT = Path(__file__).parent.parent
PLUGINS = tuple(sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")))
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
BUILD = (*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index")
METADATA = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
pytestmark = pytest.mark.slow


def test_the_wheels_hold_all_and_work(tmp_path: Path) -> None:
    sources = [ROOT, *(ROOT / "plugins" / name for name in PLUGINS)]
    wheels = tmp_path / "wheels"
    subprocess.run([*BUILD, "--wheel-dir", wheels, *sources], check=True)
    files = {wheel.name.split("-")[0]: zipfile.ZipFile(wheel).namelist() for wheel in wheels.iterdir()}
    assert set(files) == {"multitrack", *(f"multitrack_{name}" for name in PLUGINS)}
    assert {wheel.name.split("-")[1] for wheel in wheels.iterdir()} == {multitrack.__version__}
    for source, name in zip(sources, ("multitrack", *(f"multitrack_{name}" for name in PLUGINS)), strict=True):
        kept = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=source / "src",
            env={name: value for name, value in os.environ.items() if name != "GIT_CEILING_DIRECTORIES"},
            check=True,
            capture_output=True,
            text=True,
        )
        metadata = f"{name}-{multitrack.__version__}.dist-info"
        expected = {*kept.stdout.split("\n")[:-1], *(f"{metadata}/{file}" for file in METADATA)}
        assert f"{name}/py.typed" in expected
        assert set(files[name]) == expected

    target = tmp_path / "installed"
    subprocess.run([*PIP, "install", "--no-deps", "--no-index", "--target", target, *wheels.iterdir()], check=True)
    job = (
        "import multitrack, multitrack_mlflow\n"
        f"assert multitrack.__file__.startswith({str(target)!r}), multitrack.__file__\n"
        f"assert multitrack_mlflow.__file__.startswith({str(target)!r})\n"
        "with multitrack.start_run(backends=['mlflow']) as run:\n    run.log_metric('x', 1.0, step=0)\n"
        "assert run.end().complete, run.end()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(target), "MLFLOW_DISABLE_TELEMETRY": "true", "HOME": str(tmp_path)}
    (tmp_path / "job.py").write_text(job)
    subprocess.run([sys.executable, "job.py"], cwd=tmp_path, env=environment, check=True, timeout=200)

    (target / "multitrack" / "__init__.py").write_text("1 / 0\n")
    command = [target / "bin" / "multitrack", "exec", "--", "echo", "begun"]
    broken = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    assert broken.stdout == "begun\n"
    assert "nothing is mirrored, multitrack itself is broken: ZeroDivisionError" in broken.stderr


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugins_license_is_the_projects(name: str) -> None:
    """A distribution can hold only files of its own folder."""
    assert (ROOT / "plugins" / name / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.long("mlflow")
@pytest.mark.parametrize("name", PLUGINS)
def test_an_sdist_of_a_plugin_builds_far_from_the_checkout(tmp_path: Path, name: str) -> None:
    """A plugin takes its version from the core's source, which its sdist does not hold."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", tmp_path]
    subprocess.run(build, cwd=ROOT / "plugins" / name, check=True, capture_output=True)
    (sdist,) = tmp_path.glob("*.tar.gz")
    subprocess.run([*BUILD, "--wheel-dir", tmp_path, sdist], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith(f"multitrack_{name}-{multitrack.__version__}-")


def test_each_plugin_has_an_extra_and_all_has_every_plugin() -> None:
    """By the bounds of the extras and of the plugins, only releases of the same minor version come together."""
    core = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (everything,) = map(Requirement, core["all"])
    assert (everything.name, everything.extras) == ("multitrack", {*PLUGINS})
    version = Version(multitrack.__version__)
    following = f"{version.major}.{version.minor + 1}"
    for name in PLUGINS:
        (extra,) = map(Requirement, core[name])
        needed = tomllib.loads((ROOT / "plugins" / name / "pyproject.toml").read_text())["project"]["dependencies"]
        (back,) = [found for found in map(Requirement, needed) if found.name == "multitrack"]
        assert extra.name == f"multitrack-{name}"
        for requirement in (extra, back):
            assert requirement.specifier.contains(multitrack.__version__)
            assert not requirement.specifier.contains(following)
