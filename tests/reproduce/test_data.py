"""The data that a run read: whether it is here, and the commands that restore it."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import multitrack
from data_tools import dvc
from repositories import git
from trainings import Training

READ = """
import multitrack, sys
with multitrack.start_run("p", "base", config={"delivery": "off", "journal": "runs"}) as run:
    for path in sys.argv[1:]:
        run.log_artifact_ref(path, path, kind="dataset", role="input")
    run.log_metric("size", sum(len(open(path, "rb").read()) for path in sys.argv[1:] if "://" not in path))
"""


def data_of(training: Training, again: Path) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in training.reproduced("base", "--into", again)["data"]}


def restore(again: Path, **variables: str) -> None:
    subprocess.run(["bash", again / "data.sh"], check=True, env=variables or None, capture_output=True)


def test_local_data_and_remote_data(tmp_path: Path) -> None:
    training = Training(tmp_path / "repo", {"in.csv": "x\n", "kept.csv": "k\n"}, train=READ)
    outside = tmp_path / "outside.csv"
    outside.write_text("y\n")
    (training.folder / "untracked it's.csv").write_text("z\n")
    remote = "s3://bucket/in.csv?versionId=v7"
    (training.folder / "in.csv").write_text("changed\n")
    training.run("in.csv", "kept.csv", outside, "untracked it's.csv", remote)
    git(training.folder, "checkout", "-q", "in.csv")
    found = data_of(training, tmp_path / "again")
    assert {name: one["state"] for name, one in found.items()} == {
        "in.csv": "unchanged", "kept.csv": "unchanged", str(outside): "unchanged", "untracked it's.csv": "missing",
        remote: "not checked",
    }  # fmt: skip
    assert found[remote]["note"] == "read the object's version s3:v7"
    assert found["kept.csv"]["version"].startswith("git:")
    restore(tmp_path / "again")
    assert (tmp_path / "again" / "source" / "untracked it's.csv").read_text() == "z\n"
    outside.write_text("w\n")
    (training.folder / "untracked it's.csv").write_text("z2\n")
    found = data_of(training, tmp_path / "later")
    assert (found[str(outside)]["state"], found[str(outside)]["note"]) == ("changed", f"bring it to {outside}")
    assert found["untracked it's.csv"]["restore"] == []


def test_the_command_waits_for_its_data_and_cannot_write_into_the_original(tmp_path: Path) -> None:
    training = Training(tmp_path / "repo", {"kept.csv": "k\n"}, train=READ)
    (training.folder / "untracked.csv").write_text("z\n")
    training.run("untracked.csv")
    again = tmp_path / "again"
    refused = training.reproduce("base", "--into", again, "--run")
    assert refused.exit_code == 1
    assert f"`bash {again / 'data.sh'}` restores it, then use --run again" in refused.stderr
    assert len(list(multitrack.open_journal(training.journal).runs())) == 1, "nothing was started"
    restore(again)
    copy = again / "source" / "untracked.csv"
    assert not copy.is_symlink()
    copy.write_text("other\n")
    outcome = training.reproduce("base", "--into", again, "--run")
    assert outcome.exit_code == 1
    assert "it read other data than the run: untracked.csv" in outcome.stderr
    assert (training.folder / "untracked.csv").read_text() == "z\n"


def test_a_metric_that_no_run_has_starts_nothing(tmp_path: Path) -> None:
    training = Training(tmp_path / "repo", {"kept.csv": "k\n"}, train=READ)
    training.run("kept.csv")
    refused = training.reproduce("base", "--into", tmp_path / "again", "--run", "--metrics", "sise")
    assert refused.exit_code == 2
    assert "has no metric that --metrics sise names" in refused.stderr
    assert len(list(multitrack.open_journal(training.journal).runs())) == 1
    assert training.reproduce("base", "--into", tmp_path / "again", "--run", "--metrics", "si*").exit_code == 0


def test_a_file_that_the_commit_has_in_another_version(tmp_path: Path) -> None:
    """The data was checked out at an older commit than the code."""
    training = Training(tmp_path / "repo", {"in.csv": "old\n"}, train=READ)
    first = git(training.folder, "rev-parse", "HEAD")
    (training.folder / "in.csv").write_text("new\n")
    training.commit()
    training.run("in.csv")
    run = next(multitrack.open_journal(training.journal).runs())
    (segment,) = run.directory.glob("*.jsonl")
    (reference,) = run.summary().artifacts
    assert reference.version is not None
    later = reference.version.split(":")[1]
    digest = (
        "sha256:"
        + subprocess.run(["sha256sum"], input="old\n", text=True, capture_output=True, check=True).stdout.split()[0]
    )
    segment.write_text(segment.read_text().replace(later, first).replace(str(reference.digest), digest))
    (found,) = data_of(training, tmp_path / "again").values()
    assert found["state"] == "changed"
    restore(tmp_path / "again")
    assert (tmp_path / "again" / "source" / "in.csv").read_text() == "old\n"


def test_a_directory(tmp_path: Path) -> None:
    training = Training(tmp_path / "repo", train=READ.replace("open(path, ", "open(__file__, "))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_text("1")
    training.run(folder)
    assert data_of(training, tmp_path / "a")[str(folder)]["state"] == "unchanged"
    (folder / "a").write_text("2")
    assert data_of(training, tmp_path / "b")[str(folder)]["state"] == "changed"


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="needs the Debian package git-lfs")
def test_git_lfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    git(tmp_path, "config", "--global", "protocol.file.allow", "always")
    git(tmp_path, "lfs", "install", "--skip-repo")
    attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
    training = Training(tmp_path / "repo", {".gitattributes": attributes, "in.bin": b"\0" * 5000}, train=READ)
    training.run("in.bin")
    (found,) = data_of(training, tmp_path / "again").values()
    assert (found["state"], found["version"][:10]) == ("changed", "lfs:sha256")
    subprocess.run(["bash", tmp_path / "again" / "data.sh"], check=True, capture_output=True)
    assert (tmp_path / "again" / "source" / "in.bin").read_bytes() == b"\0" * 5000


@pytest.mark.slow
def test_dvc(tmp_path: Path) -> None:
    """From the cache of the user's own project; without it, the command asks DVC's remote."""
    training = Training(tmp_path / "repo", train=READ)
    (training.folder / "data").mkdir()
    (training.folder / "data" / "in.csv").write_text("x\n")
    dvc(training.folder, "init", "-q")
    dvc(training.folder, "add", "-q", "data/in.csv")
    git(training.folder, "add", "-A")
    git(training.folder, "commit", "-qm", "data")
    training.run("data/in.csv")
    (training.folder / "data" / "in.csv").unlink()
    (found,) = data_of(training, tmp_path / "again").values()
    assert found["state"] == "missing"
    source = tmp_path / "again" / "source"
    assert [command.split()[3:] for command in found["restore"]] == [
        ["cache", "dir", "--local", str(training.folder / ".dvc" / "cache")], ["checkout", "data/in.csv"],
    ]  # fmt: skip
    for command in found["restore"]:
        words = command.split()
        assert words[:3] == ["dvc", "--cd", str(source)]
        dvc(source, *words[3:])
    assert (source / "data" / "in.csv").read_text() == "x\n"
    shutil.rmtree(training.folder / ".dvc" / "cache")
    (found,) = data_of(training, tmp_path / "pulled").values()
    assert [command.split()[3:] for command in found["restore"]] == [["pull", "data/in.csv"]]
