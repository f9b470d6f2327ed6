"""The version of files that git and Git LFS track, made by git and git-lfs."""

import shutil
from pathlib import Path

import pytest

from data_tools import git, logged, repository, version


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = repository(tmp_path / "repo")
    (repo / "data" / "train").mkdir(parents=True)
    (repo / "data" / "train" / "a b*.csv").write_text("1\n")
    (repo / "data" / "train" / "b.csv").write_text("2\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "data")
    return repo


def test_a_file_and_a_folder_have_the_commit_that_changed_them_last(repo: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    (repo / "code.py").write_text("x = 1\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "code")
    assert version(repo / "data" / "train" / "a b*.csv") == f"git:{first}:data/train/a b*.csv"
    assert version(repo / "data" / "train") == f"git:{first}:data/train"
    assert version(repo) == f"git:{git(repo, 'rev-parse', 'HEAD')}:."
    shown = git(repo, "show", f"{first}:data/train/a b*.csv")
    assert shown == "1", "the version does not lead to the data"


def test_a_link_has_the_version_of_what_it_leads_to(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(repo / "data" / "train" / "b.csv")
    (tmp_path / "folder").symlink_to(repo / "data")
    expected = f"git:{git(repo, 'rev-parse', 'HEAD')}:data/train/b.csv"
    assert version(tmp_path / "folder" / "train" / "b.csv") == expected
    assert version(tmp_path / "link") == expected


@pytest.mark.parametrize("change", ["changed", "untracked", "ignored"])
def test_data_that_differs_from_the_commit_has_a_digest_only(repo: Path, change: str) -> None:
    train = repo / "data" / "train"
    if change == "changed":
        (train / "b.csv").write_text("3\n")
    else:
        (train / "new.csv").write_text("3\n")
    if change == "ignored":
        (repo / ".git" / "info" / "exclude").write_text("new.csv\n")
    reference = logged(train)
    assert reference.version is None
    assert reference.digest is not None


def test_an_output_is_not_looked_up_in_git(repo: Path) -> None:
    assert version(repo / "data", role="output") is None


def test_without_a_commit_or_a_work_tree_there_is_no_version(tmp_path: Path) -> None:
    repo = repository(tmp_path / "empty")
    (repo / "a").write_text("1")
    git(repo, "add", "a")
    assert version(repo / "a") is None
    assert version(repo / "not there", digest=False) is None
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / ".git").write_text("no repository")
    (tmp_path / "odd" / "a").write_text("1")
    assert version(tmp_path / "odd" / "a") is None


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="needs the Debian package git-lfs")
def test_git_lfs(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    git(repo, "lfs", "install", "--local")
    git(repo, "lfs", "track", "*.bin")
    data = repo / "data.bin"
    data.write_bytes(b"x" * 5000)
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "data")
    pointer = git(repo, "cat-file", "blob", "HEAD:data.bin")
    reference = logged(data)
    assert reference.version is not None
    assert reference.version.removeprefix("lfs:") == reference.digest
    assert f"oid {reference.digest}\n" in pointer
    assert version(data, digest=False) == reference.version

    git(repo, "lfs", "uninstall", "--local")  # as in a clone without git-lfs: the file is the pointer
    git(tmp_path, "clone", "-q", str(repo), "clone")
    assert (tmp_path / "clone" / "data.bin").read_text().startswith("version https://git-lfs")
    assert version(tmp_path / "clone" / "data.bin") == reference.version
    shutil.copy(tmp_path / "clone" / "data.bin", tmp_path / "pointer")
    assert version(tmp_path / "pointer") == reference.version

    data.write_bytes(b"y" * 5000)
    assert version(data) is None
