"""The template's names and files."""

import ast
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import multitrack
from multitrack.template.files import plugin_files, write_plugin
from multitrack.template.names import BackendName, checked_name

NAME = BackendName("my_tracker2")


@pytest.mark.parametrize("name", ["a", "acme", "my_tracker", "x2", "a_1_b", "x" * 40])
def test_valid_names(name: str) -> None:
    assert checked_name(name).name == name
    assert checked_name(name).module.isidentifier()


@pytest.mark.parametrize(
    ("name", "proposed"),
    [
        ("", "my_tracker"), ("My-Tracker", "my_tracker"), ("2fast", "fast"), ("a__b", "a_b"), ("_a", "a"), ("a_", "a"),
        ("a b/../c", "a_b_c"), ("multitrack-acme", "acme"), ("x" * 41, "my_tracker"), ("läss", "l_ss"),
        ("acme\n", "acme"), ("٣", "my_tracker"),
    ],
)  # fmt: skip
def test_an_invalid_name_gets_a_valid_proposal(name: str, proposed: str) -> None:
    with pytest.raises(ValueError, match="invalid name") as raised:
        checked_name(name)
    assert str(raised.value).endswith(f"such as {proposed!r}")
    assert checked_name(proposed).name == proposed


def test_a_name_that_means_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'journal' is taken by multitrack itself: .* 'my_journal'"):
        checked_name("journal", {"journal"})


def test_each_form_of_the_name_is_in_its_place() -> None:
    files = plugin_files(NAME, "0.1.0")
    assert not [path for path, text in files.items() if "acme" in f"{path}{text}".lower()]
    assert {path.split("/")[0] for path in files} == {
        ".github", ".gitignore", "README.md", "pyproject.toml", "src", "tests",
    }  # fmt: skip
    assert "src/multitrack_my_tracker2/py.typed" in files
    assert "tests/my_tracker2_reader.py" in files
    assert "class MyTracker2Backend:" in files["src/multitrack_my_tracker2/backend.py"]
    assert 'file: PathOption = "my_tracker2.db"' in files["src/multitrack_my_tracker2/options.py"]
    for path, text in files.items():
        if path.endswith(".py"):
            ast.parse(text, path)


def test_the_project_and_its_workflow_are_valid() -> None:
    files = plugin_files(NAME, multitrack.__version__)
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["name"] == "multitrack-my-tracker2"
    assert project["entry-points"] == {"multitrack": {"my_tracker2": "multitrack_my_tracker2:backend"}}
    (needed,) = map(Requirement, project["dependencies"])
    assert needed.specifier.contains(multitrack.__version__)
    (job,) = yaml.safe_load(files[".github/workflows/tests.yml"])["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == ["python -m pip install '.[testing]'", "python -m pytest"]


@pytest.mark.parametrize(
    ("version", "inside", "outside"), [("0.1.0", "0.1.9", "0.2.0"), ("1.10.2", "1.10.0", "1.11.0")]
)
def test_the_plugin_asks_for_compatible_releases(version: str, inside: str, outside: str) -> None:
    (needed,) = map(
        Requirement, tomllib.loads(plugin_files(NAME, version)["pyproject.toml"])["project"]["dependencies"]
    )
    assert needed.specifier.contains(inside)
    assert not needed.specifier.contains(outside)


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        write_plugin(NAME, tmp_path, "0.1.0")
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    (tmp_path / "notes.txt").write_text("mine")
    written = write_plugin(NAME, tmp_path, "0.1.0", overwrite=True)
    assert {path.relative_to(tmp_path).as_posix() for path in written} == set(plugin_files(NAME, "0.1.0"))
    assert "MyTracker2" not in (tmp_path / "README.md").read_text()
    assert (tmp_path / "README.md").read_text().startswith("# multitrack-my-tracker2")
    assert (tmp_path / "notes.txt").read_text() == "mine"
