"""The source that a run keeps: a patch that applies, and names for all that is not in it."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from multitrack.environment import git as asking
from multitrack.environment import patch as filtering
from multitrack.environment.code_files import CodeFiles
from multitrack.environment.patch import FILE_LIMIT, PatchFilter
from multitrack.journal.provenance import LARGEST, PATCH, UNTRACKED
from multitrack.security.redaction import Redactor
from repositories import code_of, gather, git, kept, repository, write

#: Each of these makes a diff that ``git apply`` refuses, or runs a program.
HOSTILE = """
[diff]
  noprefix = true
  mnemonicPrefix = true
  external = touch {marker} #
  renames = copies
  context = 0
  relative = true
  orderFile = /nowhere
  suppressBlankEmpty = true
[diff "upper"]
  textconv = touch {marker}; cat
[color]
  ui = always
[core]
  quotePath = false
  pager = touch {marker}
[status]
  showUntrackedFiles = no
  relativePaths = true
"""


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def tree(directory: Path) -> dict[Path, object]:
    """The mode and content of each file, by its path."""
    files = [path for path in directory.rglob("*") if ".git" not in path.parts and not path.is_dir()]
    return {
        path.relative_to(directory): (
            path.lstat().st_mode, path.readlink() if path.is_symlink() else path.read_bytes()
        )
        for path in files
    }  # fmt: skip


def test_the_patch_makes_the_commit_what_ran(tmp_path: Path) -> None:
    undecodable = os.fsdecode(b"caf\xe9.py")
    many = "".join(f"line {i}\n" for i in range(100))
    repo = repository(
        tmp_path / "repo",
        {
            "train.py": many, "sub/deleted.py": "x\n", "mode.sh": "echo\n", "moved.py": many + "moved\n", "end.txt": "a",
            "crlf.txt": "a\r\nb\r\n", "latin.txt": "caf\xe9\n".encode("latin-1"), undecodable: "1\n",
            "with space \"and\tmore.py": "1\n", "same.py": "1\n", "empty-later.py": "1\n", "upper.txt": "a\n",
            ".gitattributes": "upper.txt diff=upper\n", "looks.txt": "text\n", "blank.py": "a\n\n\nb\n",
        },
    )  # fmt: skip
    (tmp_path / "gitconfig").write_text(HOSTILE.format(marker=tmp_path / "marker"))
    write(
        repo,
        {
            "train.py": many.replace("line 7\n", "line seven\n").replace("line 90", "line ninety"), "end.txt": "b",
            "crlf.txt": "a\r\nc\r\n", "latin.txt": "th\xe9\n".encode("latin-1"), undecodable: "2\n",
            "with space \"and\tmore.py": "2\n", "empty-later.py": "", "upper.txt": "b\n", "staged.py": "new\n",
            "blank.py": "a\n\n\nc\n", "staged empty.py": "",
            "looks.txt": "diff --git a/x b/x\nBinary files a and b differ\n* Unmerged path y\n",
        },
    )  # fmt: skip
    (repo / "sub" / "deleted.py").unlink()
    (repo / "mode.sh").chmod(0o755)
    (repo / "moved.py").rename(repo / "sub" / "moved.py")
    (repo / "link").symlink_to("train.py")
    git(repo, "add", "staged.py", "staged empty.py", "sub/moved.py", "link")
    context = gather(repo / "sub", tmp_path / "run")
    code = code_of(context)
    assert (code.left_out, code.redacted) == ({}, {})
    assert code.changed_count == len(code.changed) == 17
    assert "caf\\xe9.py" in code.changed
    assert not (tmp_path / "marker").exists()
    (tmp_path / "gitconfig").unlink()
    copy = tmp_path / "copy"
    git(tmp_path, "clone", "-q", repo, copy)
    assert context.git is not None
    git(copy, "checkout", "-q", context.git.commit)
    git(copy, "apply", tmp_path / "run" / "code" / PATCH)
    assert tree(copy) == tree(repo)
    git(repo, "commit", "-qam", "second")
    clean = gather(repo, tmp_path / "clean")
    assert clean.git is not None
    assert (clean.git.dirty, code_of(clean).files) == (False, {})


def test_binaries_and_large_files_are_left_out_and_named(tmp_path: Path) -> None:
    repo = repository(
        tmp_path / "repo",
        {"a.py": "1\n", "data.bin": b"\0\1", "huge [*].bin": b"\0", "big.csv": "1\n", "half.txt": "", "z.py": "1\n"},
    )
    lines = f"{'x' * 99}\n"
    write(
        repo,
        {
            "a.py": "2\n", "data.bin": b"\0\2", "z.py": "2\n", "big.csv": lines * (FILE_LIMIT // 100 + 1),
            "half.txt": lines * (FILE_LIMIT // 100 - 1),  # which git takes for text, but its changes are too large
        },
    )  # fmt: skip
    os.truncate(repo / "huge [*].bin", 20_000_000_000)  # takes no room, but a minute to read
    code = code_of(gather(repo, tmp_path / "run"))
    assert code.left_out == {
        "huge [*].bin": "larger than 1,000,000 bytes", "big.csv": "larger than 1,000,000 bytes",
        "data.bin": "binary, or larger than 1,000,000 bytes",
        "half.txt": "its changes are larger than 1,000,000 bytes",
    }  # fmt: skip
    assert code.left_out_count == 4
    os.truncate(repo / "huge [*].bin", 1)
    git(repo, "stash", "-q")
    git(repo, "apply", tmp_path / "run" / "code" / PATCH)
    assert git(repo, "diff", "--name-only").split() == ["a.py", "z.py"]


def test_a_large_diff_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filtering, "LARGEST", FILE_LIMIT + 30_000)
    repo = repository(tmp_path / "repo", {f"{i:02}.py": "1\n" for i in range(9)})
    write(repo, {f"{i:02}.py": f"{'x' * 99}\n" * 100 for i in range(9)})
    code = code_of(gather(repo, tmp_path / "run"))
    assert code.left_out == {
        "diff": "the size limit was reached; the changes of 2 files were kept, not those of the others"
    }
    git(repo, "stash", "-q")
    git(repo, "apply", tmp_path / "run" / "code" / PATCH)
    assert git(repo, "diff", "--name-only").split() == ["00.py", "01.py"]


def test_an_endless_line_takes_no_memory(tmp_path: Path) -> None:
    patch = PatchFilter(files := CodeFiles(tmp_path, Redactor().begin()))
    patch.take(b"diff --git a/long b/long\n+")
    for _ in range(200):
        assert patch.take(b"diff --git a/x b/x" * 3000)
        assert len(patch._rest) <= FILE_LIMIT + 54_000
    patch.take(b"\ndiff --git a/next b/next\n+1\n")
    assert patch.patch(complete=True) == b"diff --git a/next b/next\n+1\n"
    assert list(files._left_out) == ["long"]
    assert LARGEST >= FILE_LIMIT


def test_a_file_in_conflict(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo", {"a.py": "1\n", "b.py": "1\n"})
    git(repo, "checkout", "-qb", "other")
    write(repo, {"a.py": "2\n"})
    git(repo, "commit", "-qam", "other")
    git(repo, "checkout", "-q", "trunk")
    write(repo, {"a.py": "3\n"})
    git(repo, "commit", "-qam", "ours")
    with pytest.raises(subprocess.CalledProcessError):
        git(repo, "merge", "other")
    write(repo, {"b.py": "2\n"})
    code = code_of(gather(repo, tmp_path / "run"))
    assert sorted(code.changed) == ["a.py", "b.py"]
    before = (repo / "a.py").read_text()
    git(repo, "merge", "--abort")
    git(repo, "checkout", "-q", ".")
    git(repo, "apply", tmp_path / "run" / "code" / PATCH)
    assert (repo / "a.py").read_text() == before
    assert (repo / "b.py").read_text() == "2\n"


def test_secrets_in_the_changes_are_redacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "key-of-forty-characters")
    repo = repository(tmp_path / "repo", {"a.py": "1\n", "b.py": "1\n", "c.pem": "1\n", ".env": "1\n", "d.py": "1\n"})
    write(
        repo,
        {
            "a.py": "uri = 'https://me:pass@example.com'\nkey = 'key-of-forty-characters'\n", "b.py": "lr = 2\n",
            "c.pem": "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n", ".env": "OPENAI_API_KEY=abcdef # x\nDEBUG=1\n",
            "d.py": 'db_password = "hunter2"\nlogin(password=arguments.password)\n',
        },
    )  # fmt: skip
    code = code_of(gather(repo, tmp_path / "run"))
    text = kept(tmp_path / "run", PATCH).decode()
    for secret in ("pass@", "key-of-forty", "MIIE", "abcdef", "hunter2"):
        assert secret not in text
    for line in ("+lr = 2", "+DEBUG=1", "+login(password=arguments.password)", "+OPENAI_API_KEY=[redacted] # x"):
        assert line in text.splitlines()
    assert code.redacted == {PATCH: 3}
    assert code.left_out == {"c.pem": "it holds a private key"}


def test_untracked_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = repository(tmp_path / "repo", {"train.py": "1\n", ".gitignore": "ignored\n"})
    write(repo, {f"data/{i}": "x" for i in range(300)})
    write(repo, {"new.py": "secret content", "ignored": "x", os.fsdecode(b"caf\xe9"): "x", "two\nlines": "x"})
    run = repo / ".multitrack" / "runs" / "r"
    code = code_of(gather(repo, run))
    assert kept(run, UNTRACKED).decode().splitlines() == ["caf\\xe9", "data/", "new.py", "two\\nlines"]
    assert (code.untracked_count, code.left_out) == (4, {})
    monkeypatch.setattr(asking, "_UNTRACKED", 13)
    code = code_of(gather(repo, tmp_path / "run"))
    assert kept(tmp_path / "run", UNTRACKED).decode().splitlines() == [".multitrack/"]
    assert (code.untracked_count, code.left_out_count) == (5, 4)


def test_submodules(tmp_path: Path) -> None:
    library = repository(tmp_path / "library", {"lib.py": "1\n"})
    repo = repository(tmp_path / "repo")
    git(repo, "submodule", "add", "-q", library, "with space/lib")
    git(repo, "commit", "-qm", "second")
    submodule = repo / "with space" / "lib"
    write(submodule, {"lib.py": "2\n"})
    git(submodule, "commit", "-qam", "local")
    write(repo, {"train.py": "lr = 2\n"})
    code = code_of(gather(repo, tmp_path / "run"))
    assert code.submodules == {"with space/lib": git(submodule, "rev-parse", "HEAD")}
    assert sorted(code.changed) == ["train.py", "with space/lib"]
    assert b"Subproject" not in kept(tmp_path / "run", PATCH)


@pytest.mark.parametrize("kind", ["detached", "no commit", "bare", "none", "another owner", "no git", "no directory"])
def test_every_kind_of_repository(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = tmp_path / "repo"
    if kind in ("no commit", "none", "no directory"):
        repo.mkdir()
    else:
        repository(repo)
        write(repo, {"train.py": "lr = 2\n"})
    if kind == "no commit":
        git(repo, "init", "-q")
    elif kind == "detached":
        git(repo, "checkout", "-q", "--detach")
    elif kind == "bare":
        git(tmp_path, "clone", "-q", "--bare", repo, tmp_path / "bare")
        repo = tmp_path / "bare"
    elif kind == "another owner":
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    elif kind == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
    elif kind == "no directory":
        repo.rmdir()
    context = gather(repo, tmp_path / "run")
    code = code_of(context)
    assert context.complete
    if kind in ("detached", "bare"):
        assert context.git is not None
        assert context.git.branch == (None if kind == "detached" else "trunk")
        assert context.git.dirty is (True if kind == "detached" else None)
        assert list(code.files) == ([PATCH] if kind == "detached" else [])
        assert code.left_out == {}
    else:
        reasons = {
            "no commit": "HEAD", "none": "not a git repository", "another owner": "dubious ownership",
            "no git": "cannot be run", "no directory": "No such file",
        }  # fmt: skip
        assert context.git is None
        assert reasons[kind] in code.left_out["git"]
        assert not (tmp_path / "run" / "code").exists()


def test_a_repository_whose_path_is_not_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = repository(tmp_path / os.fsdecode(b"caf\xe9"))
    write(repo, {"train.py": "lr = 2\n"})
    monkeypatch.chdir(repo)
    from multitrack.environment.context import full_context, quick_context

    redaction = Redactor().begin()
    (tmp_path / "run").mkdir()
    context = full_context(quick_context(redaction), redaction, tmp_path / "run", ["git", "diff", "packages"])
    assert context.git is not None
    assert context.git.root == f"{tmp_path}/caf\\xe9"
    assert b"+lr = 2" in kept(tmp_path / "run", PATCH)


def test_a_git_that_hangs_takes_a_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "bin" / "git"
    real = shutil.which("git")
    script = f'case "$*" in *" status "*|*" diff HEAD "*) exec sleep 100;; esac\nexec {real} "$@"\n'
    write(slow.parent, {"git": f"#!/bin/sh\n{script}"})
    slow.chmod(0o755)
    repo = repository(tmp_path / "repo")
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(asking, "_COMMAND", 2.0)
    monkeypatch.setattr(asking, "_ALL", 3.0)
    started = time.monotonic()
    context = gather(repo, tmp_path / "run")
    assert time.monotonic() - started < 20
    assert context.git is not None
    assert (context.git.commit, context.git.dirty) == (git(repo, "rev-parse", "HEAD"), None)
    assert code_of(context).left_out["names of changed files"] == "it took too long"
    assert code_of(context).left_out["diff"].startswith("it took too long; the changes of 0 files")
