"""A run of somebody else's journal: nothing of it is run, and nothing is written outside of the directory."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import multitrack
from repositories import git, repository
from trainings import Training


@pytest.fixture
def training(tmp_path: Path) -> Training:
    training = Training(tmp_path / "repo", {"pkg": "not a link yet"})
    training.run()
    return training


def rewrite(training: Training, change: Callable[[dict[str, Any]], None]) -> Path:
    """Alter the manifest, as whoever sends a journal may; the run's directory."""
    run = next(multitrack.open_journal(training.journal).runs())
    path = run.directory / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest["context"])
    path.write_text(json.dumps(manifest))
    return run.directory


def patch(training: Training, run: Path, name: str, target: Path) -> None:
    """Record a change that makes a tracked file a link."""
    folder = training.folder
    (folder / name).unlink()
    (folder / name).symlink_to(target)
    (run / "code").mkdir(exist_ok=True)
    content = git(folder, "diff", "--full-index") + "\n"
    (run / "code" / "diff.patch").write_text(content)
    git(folder, "checkout", "-q", ".")


def test_the_repository_that_a_journal_names_is_not_asked(training: Training, tmp_path: Path) -> None:
    """Its own settings could name programs that git runs."""
    evil = repository(tmp_path / "evil")
    git(evil, "config", "core.fsmonitor", f"touch {tmp_path}/ran")
    commit = git(evil, "rev-parse", "HEAD")
    rewrite(training, lambda context: context["git"].update(root=str(evil), commit=commit))
    result = training.reproduce("base", "--into", tmp_path / "again")
    assert (result.exit_code, f"--repository PATH (it was in {evil})" in result.stderr) == (1, True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("commit", ["--upload-pack=touch ran", "HEAD", "v1", ""])
def test_a_commit_is_the_id_of_one(training: Training, tmp_path: Path, commit: str) -> None:
    rewrite(training, lambda context: context["git"].update(commit=commit))
    result = training.reproduce("base", "--into", tmp_path / "again")
    assert (result.exit_code, "is not the id of a commit" in result.stderr) == (1, True)


def test_no_hook_or_filter_of_the_users_templates_runs(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "templates" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (hooks / "post-checkout").chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(hooks.parent))
    training.reproduced("base", "--into", tmp_path / "again")
    assert not (tmp_path / "ran").exists()


def test_a_link_in_the_changes_leads_nowhere(training: Training, tmp_path: Path) -> None:
    target = tmp_path / "home"
    target.mkdir()
    folder = training.folder
    run = rewrite(training, lambda context: context.update(program=f"{folder}/pkg/.bashrc"))
    patch(training, run, "pkg", target)
    result = training.reproduce("base", "--into", tmp_path / "again")
    assert (result.exit_code, "a link in the code" in result.stderr) == (1, True)
    rewrite(training, lambda context: context.update(cwd=f"{folder}/pkg/made", program=None))
    result = training.reproduce("base", "--into", tmp_path / "again")
    assert (result.exit_code, "a link in the code" in result.stderr) == (1, True)
    assert list(target.iterdir()) == []
    assert not (tmp_path / "again").exists()


def test_data_behind_a_link_is_not_asked_of_git(training: Training, tmp_path: Path) -> None:
    evil = repository(tmp_path / "evil", {"in.csv": "x\n", ".gitattributes": "* filter=evil\n"})
    git(evil, "config", "filter.evil.clean", f"touch {tmp_path}/ran; cat")
    (evil / "in.csv").touch()
    run = rewrite(training, lambda context: None)
    patch(training, run, "pkg", evil)
    (segment,) = run.glob("*.jsonl")
    version, uri = f"git:{'0' * 40}:in.csv", f"file://{training.folder}/pkg/in.csv"
    reference = {"record": "artifact", "time": 0, "name": "in", "uri": uri, "role": "input", "version": version}
    lines = segment.read_text().splitlines()
    segment.write_text("\n".join([lines[0], json.dumps(reference), *lines[1:]]) + "\n")
    (found,) = training.reproduced("base", "--into", tmp_path / "again")["data"]
    assert found["state"] == "not checked"
    assert not (tmp_path / "ran").exists()


def test_a_patch_writes_in_the_checkout_alone(training: Training, tmp_path: Path) -> None:
    run = rewrite(training, lambda context: None)
    (run / "code").mkdir(exist_ok=True)
    (run / "code" / "diff.patch").write_text(
        "diff --git a/../../out b/../../out\nnew file mode 100644\n--- /dev/null\n+++ b/../../out\n@@ -0,0 +1 @@\n+x\n"
    )
    result = training.reproduce("base", "--into", tmp_path / "again")
    assert (result.exit_code, "do not apply to the commit" in result.stderr) == (1, True)
    assert not (tmp_path / "out").exists()


def test_texts_in_the_scripts_are_quoted(training: Training, tmp_path: Path) -> None:
    """Also texts with newlines, in comments and in commands."""
    odd = f"$(touch {tmp_path}/ran)\n`touch {tmp_path}/ran`; touch {tmp_path}/ran #\x1b]0;x\x07'\""
    run = rewrite(training, lambda context: context.update(command=["python", "-c", "import sys", odd]))
    (segment,) = run.glob("*.jsonl")
    reference = {
        "record": "artifact",
        "time": 0,
        "name": odd,
        "uri": "file:///nowhere/" + odd,
        "role": "input",
        "version": odd,
    }
    lines = segment.read_text().splitlines()
    segment.write_text("\n".join([lines[0], json.dumps(reference), *lines[1:]]) + "\n")
    again = tmp_path / "again"
    result = training.reproduce("base", "--into", again)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output + (again / "command.sh").read_text() + (again / "data.sh").read_text()
    for script in ("data.sh", "command.sh"):
        subprocess.run(["bash", again / script], check=True, capture_output=True)
    assert not (tmp_path / "ran").exists()


def test_requirements_are_packages_alone(training: Training, tmp_path: Path) -> None:
    packages = {"--index-url http": "//x", "a\n--pre": "1", "good": "1.0+cpu", "-e .": "1", "b @ http": "1"}
    rewrite(training, lambda context: context.update(packages=packages, urls={}))
    training.reproduced("base", "--into", tmp_path / "again")
    lines = (tmp_path / "again" / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("# not a package: ")] == ["good==1.0+cpu"]
    assert len(lines) == len(packages)
