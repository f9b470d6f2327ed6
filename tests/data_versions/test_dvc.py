"""The version of data that DVC tracks, made by DVC."""

import builtins
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data_tools import dvc, logged, version
from multitrack.data_versions.dvc import find_data_version

pytestmark = pytest.mark.slow

PIPELINE = """stages:
  prepare:
    wdir: work
    cmd: {command}
    deps: [../data/one.csv]
    outs: [out.csv]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a tracked file, a tracked directory, and the output of a pipeline."""
    project = tmp_path_factory.mktemp("dvc") / "project"
    (project / "data" / "train" / "a").mkdir(parents=True)
    (project / "work").mkdir()
    (project / "data" / "train" / "a" / "b").write_text("1\n")
    (project / "data" / "train" / "a-b").write_text("2\n")
    (project / "data" / "train" / "grüße").write_text("3\n")
    (project / "data" / "one.csv").write_text("x,y\n")
    dvc(project, "init", "-q", "--no-scm")
    dvc(project, "add", "-q", "data/train", "data/one.csv")
    (project / "dvc.yaml").write_text(PIPELINE.format(command="cp ../data/one.csv out.csv"))
    dvc(project, "repro", "-q")
    return project


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Iterator[Path]:
    yield shutil.copytree(made, tmp_path / "project", symlinks=True)


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def tracked(project: Path) -> str:
    """The hash of the directory, as DVC wrote it."""
    return next(
        line.split(": ")[1]
        for line in (project / "data" / "train.dvc").read_text().replace("- md5", "md5").splitlines()
        if line.startswith("md5: ")
    )


def test_a_file_a_directory_and_a_part_of_it(project: Path) -> None:
    assert version(project / "data" / "one.csv") == f"dvc:md5:{md5('x,y' + chr(10))}"
    whole = tracked(project)
    assert whole.endswith(".dir")
    reference = logged(project / "data" / "train")
    assert reference.version == f"dvc:md5:{whole}"
    assert str(reference.digest).startswith("sha256:")
    assert version(project / "data" / "train" / "a") == f"dvc:md5:{whole}:a"
    assert version(project / "data" / "train" / "a" / "b", digest=False) == f"dvc:md5:{whole}:a/b"
    assert version(project / "data" / "train" / "grüße") == f"dvc:md5:{whole}:grüße"
    (project.parent / "link").symlink_to(project / "data" / "train")
    assert version(project.parent / "link") == f"dvc:md5:{whole}"
    assert version(project / "data") is None, "not what is tracked, but a folder around it"


def test_a_part_whose_list_is_in_no_cache(project: Path) -> None:
    shutil.rmtree(project / ".dvc" / "cache")
    assert version(project / "data" / "train" / "a") == f"dvc:md5:{tracked(project)}:a"


def test_the_output_of_a_pipeline(project: Path) -> None:
    assert version(project / "work" / "out.csv", role="output") == f"dvc:md5:{md5('x,y' + chr(10))}"


def test_data_that_changed_since_has_a_digest_only(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also where its size is the same, and a file that was added."""
    (project / "data" / "one.csv").write_text("x,z\n")
    reference = logged(project / "data" / "one.csv")
    assert (reference.version, str(reference.digest)[:7]) == (None, "sha256:")
    assert f"one.csv differs from what {project / 'data' / 'one.csv.dvc'} states" in caplog.text
    (project / "work" / "out.csv").write_text("longer\n")
    assert version(project / "work" / "out.csv", digest=False) is None
    (project / "data" / "train" / "new").write_text("")
    assert version(project / "data" / "train") is None
    (project / "data" / "train" / "a" / "b").write_text("9\n")
    assert version(project / "data" / "train" / "a") is None
    assert version(project / "data" / "train" / "a-b") == f"dvc:md5:{tracked(project)}:a-b"


def test_changed_data_that_was_added_again_is_another_version(project: Path) -> None:
    before = version(project / "data" / "one.csv")
    (project / "data" / "one.csv").write_text("x,z\n")
    dvc(project, "add", "-q", "data/one.csv")
    assert version(project / "data" / "one.csv") == f"dvc:md5:{md5('x,z' + chr(10))}" != before


def test_data_that_is_in_a_remote_alone(project: Path, tmp_path: Path) -> None:
    """The file of DVC states its version, though nothing was pulled."""
    dvc(project, "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    dvc(project, "add", "-q", "--to-remote", "-o", "far.csv", "data/one.csv")
    assert not (project / "far.csv").exists()
    assert version(project / "far.csv", digest=False) == f"dvc:md5:{md5('x,y' + chr(10))}"


def test_data_in_the_cache_behind_links(project: Path) -> None:
    dvc(project, "config", "cache.type", "symlink")
    dvc(project, "checkout", "-q", "--relink")
    assert (project / "data" / "one.csv").is_symlink()
    assert version(project / "data" / "one.csv") == f"dvc:md5:{md5('x,y' + chr(10))}"
    assert version(project / "data" / "train") == f"dvc:md5:{tracked(project)}"


@pytest.mark.parametrize(
    "content", ["", "outs", "outs: {a: 1}", "outs: [3, {md5: [1], path: one.csv}, {path: one.csv}]", "{", "a: *b"]
)
def test_a_file_that_is_not_dvcs(project: Path, content: str) -> None:
    (project / "data" / "one.csv.dvc").write_text(content)
    (project / "dvc.lock").write_text("stages: [1]")
    assert version(project / "data" / "one.csv") is None


def test_without_pyyaml_a_message_says_what_to_install(
    project: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    imported = builtins.__import__

    def without_yaml(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "yaml":
            raise ImportError(name)
        return imported(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without_yaml)
    assert find_data_version(project / "data" / "one.csv", None) is None
    assert "one.csv.dvc is not read, so no DVC version is known: in a checkout, pip install '.[yaml]'" in caplog.text
