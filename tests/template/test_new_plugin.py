"""A new plugin in an environment that has what it asks for and nothing else: as the docs say, and as a wheel."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from clean_environment import PIP, ROOT, CleanEnvironment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PAGE = ROOT / "docs" / "writing-a-plugin.md"
BUILD = (*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index")


@pytest.mark.long
def test_a_wheel_of_a_new_plugin_is_found_and_passes_its_tests(tmp_path: Path) -> None:
    """With the plugins of examples/plugins, whose wheels are built and installed likewise."""
    environment = CleanEnvironment(tmp_path / "environment", "multitrack[testing]")
    wheels = tmp_path / "wheels"
    subprocess.run([*BUILD, "--wheel-dir", wheels, ROOT], check=True)
    environment.install(*wheels.iterdir())
    environment.run("multitrack", "new-backend", "my_tracker", "--directory", "new", cwd=tmp_path)
    examples = [ROOT / "examples" / "plugins" / name for name in ("job_facts", "redact")]
    subprocess.run([*BUILD, "--wheel-dir", wheels, tmp_path / "new", *examples], check=True)
    environment.install(*wheels.glob("multitrack_*"))

    shutil.rmtree(tmp_path / "new" / "src")  # it is the installed one that is tested
    assert " passed" in environment.run("python", "-m", "pytest", "-q", cwd=tmp_path / "new")
    assert re.search(
        r"^my_tracker +multitrack-my-tracker 0\.1\.0",
        environment.run("multitrack", "backends", cwd=tmp_path),
        re.MULTILINE,
    )
    (tmp_path / "train.py").write_text(
        "import os, multitrack\n"
        "os.environ['SLURM_JOB_ID'] = '7'\n"
        "config = {'plugins': ['job_facts', 'redact'], 'backends': ['my_tracker']}\n"
        "with multitrack.start_run('digits', params={'who': 'ada@example.org'}, config=config) as run:\n"
        "    pass\n"
        "told = multitrack.open_journal().run(run.id).summary()\n"
        "print(run.end().complete, told.tags, told.params)\n"
    )
    told = environment.run("python", "train.py", cwd=tmp_path).splitlines()[-1]
    assert told == "True {'slurm/job_id': '7'} {'who': '[email]'}"


class Followed(NamedTuple):
    """What a new user has who followed the page.

    Attributes:
        environment: The environment.
        plugin: The plugin's folder.
        said: What the commands printed.
        rest: The rest of the page, on a tracker with an HTTP API.
    """

    environment: CleanEnvironment
    plugin: Path
    said: str
    rest: str


def script_of(page: str) -> list[str]:
    """The commands of a page in their order, with its files and changes made where it shows them."""
    script = ["set -euo pipefail"]
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        match language:
            case "sh":
                script.append(text)
            case "diff":
                script.append(f"git apply <<'THE_CHANGE'\n{text}THE_CHANGE")
            case _:
                name = text.splitlines()[0].removeprefix("# ")
                script.append(f"cat > {name} <<'THE_FILE'\n{text}THE_FILE")
    return script


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    home = tmp_path_factory.mktemp("followed")
    page = PAGE.read_text().partition("\n## Ship it\n")[0]
    first, title, rest = page.partition("\n### A tracker with an HTTP API\n")
    assert title
    checkout = home / "multitrack"
    shutil.copytree(ROOT / "src", checkout / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    environment = CleanEnvironment(home / "environment", "multitrack[testing]", "pip", "hatchling")
    script = script_of(first)
    assert len(script) == 7
    return Followed(
        environment, home / "multitrack-acme", environment.run("bash", "-c", "\n".join(script), cwd=checkout), rest
    )


def test_the_page_on_plugins_as_a_new_user_follows_it(followed: Followed) -> None:
    promised = re.findall(r"`(\d+ passed)`", PAGE.read_text())
    assert re.findall(r"\d+ passed", followed.said) == promised * 2
    assert f"{{'acme': '{followed.plugin.as_uri()}/acme.db'}}" in followed.said
    assert re.search(r"digits +finished .*acme delivered", followed.said), followed.said


def test_the_http_api_of_the_page(followed: Followed) -> None:
    """After that, its changes for an HTTP API, with a server of that API and tests of it."""
    for source, name in (("acme_server.py", "acme_server.py"), ("acme_http.py", "test_http.py")):
        shutil.copy(Path(__file__).with_name(source), followed.plugin / "tests" / name)
    script = script_of(followed.rest)
    assert len(script) == 4
    script.append("python -m pytest tests/test_http.py")
    assert "43 passed" in followed.environment.run("bash", "-c", "\n".join(script), cwd=followed.plugin)
