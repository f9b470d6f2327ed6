"""``multitrack backends``: each known backend with its SDK and the supported releases, or with what installs it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import multitrack
from multitrack import plugins
from multitrack.cli import main

#: A tracker's SDK, and the plugin that needs it.
NAMES = ("spy", "multitrack-spy")
Install = Callable[..., None]


def invoke(*arguments: str) -> str:
    return CliRunner().invoke(main, ("backends", *arguments), catch_exceptions=False).output


def row(name: str) -> dict[str, Any]:
    (found,) = [row for row in json.loads(invoke("--json")) if row["name"] == name]
    return found  # type: ignore[no-any-return]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a plugin ``spy`` with these requirements, and its SDK in a release, if one is given."""

    def installed(*requirements: str, sdk: str | None) -> None:
        site = tmp_path / "site"
        for name, version in zip(NAMES, (sdk, "1.2"), strict=True):
            if version is not None:
                info = site / f"{name.replace('-', '_')}-{version}.dist-info"
                info.mkdir(parents=True)
                lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
                lines += [f"Requires-Dist: {line}" for line in requirements if name != "spy"]
                (info / "METADATA").write_text("\n".join(lines) + "\n")
        (site / "spy_backend.py").write_text(
            "from multitrack.testing import MemoryBackend\nbackend = MemoryBackend()\n"
        )
        (site / "multitrack_spy-1.2.dist-info/entry_points.txt").write_text("[multitrack]\nspy = spy_backend:backend\n")
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(__import__("sys").modules, "spy_backend", raising=False)

    return installed


@pytest.mark.parametrize("name", plugins.KNOWN)
def test_an_installed_backend_has_its_sdk_with_the_supported_releases(name: str) -> None:
    found = row(name)
    assert found["distribution"] == f"multitrack-{name} {multitrack.__version__}"
    assert (found["problem"], found["install"]) == (None, None)
    assert found["packages"], "each of these needs a package"
    for package in found["packages"]:
        assert package["fits"]
        assert package["supported"].startswith(">=")
        assert f"{package['name']} {package['installed']}" in invoke()


def test_a_supported_release(install: Install) -> None:
    install("multitrack>=0.1", "spy<4,>=2", 'more; extra == "more"', 'old; python_version < "3"', sdk="3.1")
    assert row("spy")["packages"] == [{"name": "spy", "supported": ">=2,<4", "installed": "3.1", "fits": True}]
    assert "pip install" not in invoke()


@pytest.mark.parametrize(("sdk", "shown"), [("1.9", "spy 1.9"), ("4.0", "spy 4.0"), (None, "spy missing")])
def test_another_release_or_none_has_the_command_that_mends_it(install: Install, sdk: str | None, shown: str) -> None:
    install("spy<4,>=2", sdk=sdk)
    found = row("spy")
    assert found["packages"] == [{"name": "spy", "supported": ">=2,<4", "installed": sdk, "fits": False}]
    assert found["problem"] == (f"spy {sdk} is not supported" if sdk else "spy is missing")
    assert found["install"] == "pip install 'spy>=2,<4'"
    (line,) = [line for line in invoke().splitlines() if line.startswith("spy ")]
    assert shown in line
    assert line.endswith("pip install 'spy>=2,<4'")


def test_a_known_backend_that_is_not_installed_has_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    others = {name: text for name, text in plugins.installed().items() if name != "mlflow"}
    monkeypatch.setattr("multitrack.plugins.installed", lambda: others)
    found = row("mlflow")
    assert (found["distribution"], found["packages"], found["problem"]) == (None, [], None)
    assert found["install"].startswith("in a checkout, pip install './plugins/mlflow'")
    assert "pip install './plugins/mlflow'" in invoke()
