"""``multitrack new-backend``: where it writes, what it refuses, and what it says to do next."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from multitrack import plugins
from multitrack.cli import main


def new_backend(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["new-backend", *arguments], prog_name="multitrack")


def test_it_makes_a_folder_and_says_what_to_do_there(tmp_path: Path) -> None:
    done = new_backend("my_tracker")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "multitrack-my-tracker"
    files = [path for path in folder.rglob("*") if path.is_file()]
    said, *commands = filter(None, done.output.splitlines())
    assert said == f"multitrack-my-tracker: {len(files)} files of the backend 'my_tracker'. Install and test it:"
    assert [command.strip() for command in commands] == [
        "cd multitrack-my-tracker", "python -m pip install --editable '.[testing]'", "python -m pytest",
    ]  # fmt: skip


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    done = new_backend("acme", "--directory", "in here/acme")
    assert done.exit_code == 0, done.output
    assert "\n  cd 'in here/acme'\n" in done.output
    assert (tmp_path / "in here" / "acme" / "pyproject.toml").is_file()


def test_a_folder_with_files_needs_force(tmp_path: Path) -> None:
    new_backend("acme")
    changed = tmp_path / "multitrack-acme" / "README.md"
    changed.write_text("changed")
    again = new_backend("acme")
    assert again.exit_code == 2
    assert "multitrack-acme: the folder is not empty; choose another --directory, or --force" in again.output
    assert changed.read_text() == "changed"
    assert new_backend("acme", "--force").exit_code == 0
    assert changed.read_text().startswith("# multitrack-acme")


def test_a_folder_with_another_plugin_is_refused(tmp_path: Path) -> None:
    new_backend("acme")
    before = sorted(tmp_path.rglob("*"))
    done = new_backend("other", "--directory", "multitrack-acme", "--force")
    assert done.exit_code == 2
    assert "multitrack-acme: the folder has another plugin, multitrack_acme" in done.output
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for directory in ("file", "file/acme"):
        for force in ((), ("--force",)):
            done = new_backend("acme", "--directory", directory, *force)
            assert (done.exit_code, "Traceback" in done.output) == (1, False), done.output
            assert "file" in done.output
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["My-Tracker", "../up", "", "a\x1b[31m", *plugins.KNOWN, "journal", "backends"])
def test_a_name_that_cannot_be_a_backends(tmp_path: Path, name: str) -> None:
    done = new_backend(name)
    assert done.exit_code == 2
    assert "Invalid value for NAME: " in done.output
    assert "such as 'my_" in done.output or "such as 'up'" in done.output or "such as 'a_31m'" in done.output
    assert "\x1b" not in done.output
    assert list(tmp_path.iterdir()) == []
