"""What the examples that place a search have in common: their directory, their options, and the page on them."""

import re
import tomllib
from pathlib import Path

import pytest

from placed_search import EXAMPLES, prepare

PAGE = (Path(__file__).parents[1] / "docs" / "distributed.md").read_text()
ENGINES = ("ray_search.py", "dask_search.py", "slurm_search.sh")


def config(directory: Path) -> dict[str, object]:
    return tomllib.loads((directory / "multitrack.toml").read_text())


def test_a_directory_that_an_example_made_is_made_anew(tmp_path: Path) -> None:
    for _ in range(2):
        prepare(tmp_path / "run", ["mlflow"])
        assert {path.name for path in (tmp_path / "run").iterdir()} == {".made-by-an-example", "multitrack.toml"}
        (tmp_path / "run" / "tuner").mkdir()


@pytest.mark.parametrize("held", ["results.csv", "multitrack.toml", ".multitrack"])
def test_any_other_directory_with_files_is_refused(tmp_path: Path, held: str) -> None:
    (tmp_path / held).write_text("project = 'mine'\n")
    with pytest.raises(SystemExit, match=re.escape(f"{tmp_path} was not made by an example")):
        prepare(tmp_path, ["mlflow"])
    assert [path.name for path in tmp_path.iterdir()] == [held]
    assert (tmp_path / held).read_text() == "project = 'mine'\n"


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(SystemExit, match="was not made by an example"):
        prepare(tmp_path / "out", [])
    assert (tmp_path / "out").read_text() == "mine"


def test_an_empty_directory_is_used_once_and_never_removed(tmp_path: Path) -> None:
    prepare(tmp_path, [])
    assert config(tmp_path)["project"] == "distributed"
    with pytest.raises(SystemExit, match="was not made by an example"):
        prepare(tmp_path, [])


def test_the_tracking_uri_is_in_the_config(tmp_path: Path) -> None:
    prepare(tmp_path / "run", ["mlflow"])
    assert config(tmp_path / "run")["mlflow"] == {"tracking_uri": "sqlite:///mlflow.db"}
    prepare(tmp_path / "run", ["mlflow"], 'http://10.0.0.2:5000/"')
    assert config(tmp_path / "run")["mlflow"] == {"tracking_uri": 'http://10.0.0.2:5000/"'}


def test_the_commands_of_the_page_for_clusters_name_a_server() -> None:
    commands = re.findall(r"^\S*python examples/(?:ray|dask)_search\.py .*--address.*(?:\\\n.*)?", PAGE, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert "--tracking-uri http://" in command
        assert "--out /shared/" in command


def test_the_page_names_the_variables_of_the_script_and_shows_its_config() -> None:
    slurm = PAGE[PAGE.index("### Slurm") : PAGE.index("## One training")]
    script = (EXAMPLES / "slurm_search.sh").read_text()
    names = set(re.findall(r"\$\{(\w+):[=-]", script))
    assert names == {"PYTHON", "SEARCH", "CHIEF_HOST"}
    assert all(f"`{name}`" in slurm for name in (*names, "--array"))
    (shown,) = re.findall(r"^```toml\n(.*?)^```", slurm, re.MULTILINE | re.DOTALL)
    assert tomllib.loads(shown)["mlflow"]["tracking_uri"].startswith("http://")
