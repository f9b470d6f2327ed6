"""``multitrack show --diff``: the recorded patch as it is, also of a journal that somebody else sent."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import multitrack
from multitrack.cli import main
from multitrack.compare.rerun import Rerun
from multitrack.journal.provenance import LARGEST
from multitrack.reading.recorded_run import RecordedRun
from repositories import git, repository, write
from shell import in_terminal

TRAIN = """
import multitrack
with multitrack.start_run(run_id='r', config={'delivery': 'off'}) as run:
    with multitrack.start_run(run_id='child', parent=run):
        run.log_metric('x', 1.0)
"""
EVIL = b"+caf\xe9\t\x1b]0;title\x07\r\n"


def show(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["show", *arguments], prog_name="multitrack")


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a run of a script with changes that were not committed."""
    repo = repository(tmp_path / "repo", {"train.py": TRAIN, "model.py": "units = 1\n", "data.bin": b"\0"})
    write(repo, {"model.py": b"units = 2\n" + EVIL[1:], "data.bin": b"\0\1", "notes.txt": "x"})
    monkeypatch.chdir(repo)
    monkeypatch.delenv("GIT_CEILING_DIRECTORIES")
    subprocess.run([sys.executable, "train.py"], check=True)
    return repo / ".multitrack" / "runs" / "r"


def test_the_diff_is_printed_as_it_is(recorded: Path, tmp_path: Path) -> None:
    shown = show("r", "--diff")
    assert shown.exit_code == 0
    assert shown.stdout_bytes == (recorded / "code" / "diff.patch").read_bytes()
    assert EVIL in shown.stdout_bytes
    assert shown.stderr == "multitrack: not in the diff: data.bin (binary, or larger than 1,000,000 bytes)\n"
    assert show("child", "--diff").stdout_bytes == shown.stdout_bytes
    status, written = in_terminal("show", "r", "--diff")
    assert status == 0
    assert b"+caf\\xe9" in written
    assert b"\\x1b]0;title\\x07\\r" in written
    assert b"\x1b]0" not in written
    git(recorded.parents[2], "stash", "-q")
    subprocess.run(["git", "apply"], input=shown.stdout_bytes, check=True)
    assert Path("model.py").read_bytes() == b"units = 2\n" + EVIL[1:]


def test_the_facts(recorded: Path) -> None:
    table = show("r").output
    for part in ("diff.patch (", "script.py (", "2 changed, 1 untracked", "data.bin (binary", "changed since"):
        assert part in table
    context = json.loads(show("r", "--json").output)["context"]
    code = context["code"]
    assert (code["changed"], code["changed_count"], code["untracked_count"]) == (["data.bin", "model.py"], 2, 1)
    assert sorted(code["files"]) == ["diff.patch", "script.py", "untracked.txt"]
    assert context["hardware"]["cpus"] == os.cpu_count()
    assert show("r", "--diff", "--json").exit_code == 2
    run = RecordedRun(recorded)
    assert run.get_code("script.py") == TRAIN.encode()
    assert run.get_code("notebook.py") is None
    with pytest.raises(ValueError, match="no file of a run's code"):
        run.get_code("../manifest.json")
    assert Rerun.of(run).facts()["changed since the commit"] == "yes: multitrack show r --diff | git apply"


@pytest.mark.parametrize(("code", "reason"), [([], "it is not in the manifest"), (["git"], "it was switched off"),
                                              (["git", "diff"], "not a git repository")])  # fmt: skip
def test_a_run_without_a_diff(tmp_path: Path, code: list[str], reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_CEILING_DIRECTORIES")
    if code == ["git"]:
        repository(tmp_path / "repo")
        write(tmp_path / "repo", {"train.py": "lr = 2\n"})
        monkeypatch.chdir(tmp_path / "repo")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", None, raising=False)
    run = multitrack.start_run(config={"delivery": "off", "code": code})
    run.end()
    shown = show(run.id, "--diff")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert reason in shown.stderr


def test_a_commit_without_changes_has_an_empty_diff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository(tmp_path / "repo")
    monkeypatch.chdir(tmp_path / "repo")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", None, raising=False)
    run = multitrack.start_run(config={"delivery": "off", "code": ["diff"]})
    run.end()
    shown = show(run.id, "--diff")
    assert (shown.exit_code, shown.output) == (0, "")


@pytest.mark.parametrize("kind", ["link", "linked folder", "FIFO", "large"])
def test_a_journal_of_somebody_else(recorded: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "diff.patch").write_text("private")
    patch = recorded / "code" / "diff.patch"
    patch.unlink()
    if kind == "link":
        patch.symlink_to(tmp_path / "secret" / "diff.patch")
    elif kind == "linked folder":
        patch.parent.rename(recorded / "other")
        patch.parent.symlink_to(tmp_path / "secret")
    elif kind == "FIFO":
        os.mkfifo(patch)
    else:
        with patch.open("wb") as file:
            file.truncate(LARGEST + 1)
    shown = show("r", "--diff")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert {"FIFO": "not a regular file", "large": "larger than"}.get(kind, "symbolic link") in shown.stderr


def test_an_older_manifest(recorded: Path) -> None:
    path = recorded / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text())
    del manifest["context"]["code"], manifest["context"]["hardware"]
    path.write_text(json.dumps(manifest))
    assert show("r").exit_code == 0
    assert "machine" not in show("r").output
    assert show("child", "--diff").exit_code == 0  # the file is there all the same
    (recorded / "code" / "diff.patch").unlink()
    shown = show("child", "--diff")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "an earlier release" in shown.stderr


def test_a_process_that_is_killed_while_it_gathers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nexec sleep 5\n")
    slow.chmod(0o755)
    (tmp_path / "train.py").write_text(TRAIN)
    process = subprocess.Popen(
        [sys.executable, "train.py"], env={**os.environ, "PATH": f"{slow.parent}:{os.environ['PATH']}"}
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "asked").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    shown = show("r", "--json")
    assert shown.exit_code == 0
    assert json.loads(shown.output)["context"]["complete"] is False
    assert "the run ended too soon" in show("r", "--diff").stderr
    run = multitrack.start_run(run_id="r", config={"delivery": "off"})  # goes on with it
    run.end()
    assert json.loads(show("r", "--json").output)["context"].get("complete", True)
