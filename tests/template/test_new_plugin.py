"""A new plugin in an environment that has what it asks for and nothing else: as the docs say, and as a wheel."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from clean_environment import PIP, ROOT, CleanEnvironment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PAGE = ROOT / "docs" / "writing-a-plugin.md"
BUILD = (*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index")


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


def test_the_page_on_plugins_as_a_new_user_follows_it(tmp_path: Path) -> None:
    """Its commands in their order, with its files and changes made where it shows them."""
    page = PAGE.read_text().partition("\n## Ship it\n")[0]
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
    assert len(script) == 7
    checkout = tmp_path / "multitrack"
    shutil.copytree(ROOT / "src", checkout / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    environment = CleanEnvironment(tmp_path / "environment", "multitrack[testing]", "pip", "hatchling")
    said = environment.run("bash", "-c", "\n".join(script), cwd=checkout)
    promised = re.findall(r"`(\d+ passed)`", page)
    assert re.findall(r"\d+ passed", said) == promised * 2
    assert re.search(r"acme-\w+|acme\.db", said)
    assert re.search(r"digits +finished .*acme delivered", said), said
