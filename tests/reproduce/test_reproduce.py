"""``multitrack reproduce``: the prepared directory is what ran, and its command makes the same run again."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import multitrack
from multitrack import ConfigError
from repositories import git
from trainings import TRAIN, Training


@pytest.fixture
def training(tmp_path: Path) -> Training:
    """A run with a changed file, and a later commit."""
    training = Training(tmp_path / "repo", {"lib.py": "WIDTH = 8\n"})
    training.edit(lib="WIDTH = 16\n")
    training.run("0.1")
    training.edit(lib="WIDTH = 32\n")
    training.commit()
    return training


def files(directory: Path) -> dict[str, bytes]:
    """All files but the cache of summaries."""
    found = [path for path in directory.rglob("*") if path.is_file() and path.suffix != ".msgpack"]
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def test_the_directory_has_what_ran_and_nothing_else_changes(training: Training, tmp_path: Path) -> None:
    before, journal = training.state(), files(training.journal)
    document = training.reproduced("base", "--into", tmp_path / "again")
    again = tmp_path / "again"
    assert (again / "source" / "train.py").read_text() == TRAIN
    assert (again / "source" / "lib.py").read_text() == "WIDTH = 16\n"
    assert json.loads((again / "params.json").read_text()) == {"lr": 0.1}
    assert re.search(r"^msgspec==", (again / "requirements.txt").read_text(), re.MULTILINE)
    kinds = {one["kind"]: (one["recorded"], one["here"]) for one in document["differences"]}
    assert set(kinds) == {"commit", "changes"}
    assert kinds["changes"] == ("1 file", "none")
    assert document["notes"] == []
    assert document["command"][-1].endswith(" train.py 0.1")
    assert [purpose for _, purpose in document["next"]] == ["runs the command, and compares the metrics"]
    assert training.state() == before
    assert files(training.journal) == journal


def test_a_directory_in_the_repository_is_ignored_by_git(training: Training) -> None:
    before = training.state()
    document = training.reproduced("base")
    assert Path(document["directory"]).parent == training.folder
    assert training.state() == before


def test_it_is_run_as_a_child_run_in_the_same_journal(training: Training, tmp_path: Path) -> None:
    (original, *_) = multitrack.open_journal(training.journal).runs()
    kept = files(original.directory)
    document = training.reproduced("base", "--into", tmp_path / "again", "--run")
    outcome = document["outcome"]
    assert outcome["reproduced"] is True
    assert {(one["name"], one["verdict"]) for one in outcome["metrics"]} == {
        ("loss", "reproduced"), ("epoch_seconds", "not compared"), ("latency", "reproduced"), ("accuracy", "reproduced"),
    }  # fmt: skip
    assert {value["what"] for one in outcome["metrics"] if one["name"] == "loss" for value in one["values"]} == {
        "points", "last", "min", "max",
    }  # fmt: skip
    new = multitrack.open_journal(training.journal).run(outcome["run"])
    assert new.manifest.parent == original.id
    assert new.summary().tags == {"reproduces": original.id}
    assert new.context is not None
    assert new.context.cwd == str(tmp_path / "again" / "source")
    assert files(original.directory) == kept
    assert not (tmp_path / "again" / "source" / "runs").exists(), "the config's journal is not used"


def test_a_child_is_reproduced_by_the_command_of_its_parent(training: Training, tmp_path: Path) -> None:
    document = training.reproduced("child", "--into", tmp_path / "again", "--run")
    assert any("whose command runs all parts again" in note for note in document["notes"])
    new = multitrack.open_journal(training.journal).run(document["outcome"]["run"])
    assert new.facts.name == "child"
    assert new.relatives.run(training.journal / "runs" / str(new.facts.parent)).summary().tags.keys() == {"reproduces"}


def test_children_without_names_are_matched_by_their_order(tmp_path: Path) -> None:
    """Also once the parent has a reproduction among its children."""
    child = TRAIN[TRAIN.index("    with multitrack") :]
    training = Training(tmp_path / "repo", train=(TRAIN + child).replace('name="child", ', ""))
    parent = training.run()
    last = parent.relatives.children(parent.id)[-1]
    for again in (tmp_path / "a", tmp_path / "b"):
        outcome = training.reproduced(last.id, "--into", again, "--run")["outcome"]
        assert [one["name"] for one in outcome["metrics"]] == ["x"]
        assert outcome["reproduced"] is True


def test_a_reproduction_that_differs_is_told_metric_by_metric(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISE", "0.001")
    (original, *_) = multitrack.open_journal(training.journal).runs()
    result = training.reproduce("base", "--into", tmp_path / "a", "--run")
    assert result.exit_code == 1
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    assert re.search(r"loss +(?:min|last|max) .* differs *$", rows["loss"])
    assert rows["accuracy"].rstrip().endswith("reproduced")
    assert "was not reproduced by" in result.stdout
    document = training.reproduced(original.id, "--into", tmp_path / "b", "--run", "--tolerance", "0.1")
    assert document["outcome"]["reproduced"] is True
    training.reproduced(original.id, "--into", tmp_path / "c", "--run", "--metrics", "acc*,latency")
    training.reproduced(original.id, "--into", tmp_path / "d", "--run", "--metrics", "epoch_*", status=1)


def test_a_prepared_directory_is_run_once(training: Training, tmp_path: Path) -> None:
    again = tmp_path / "again"
    training.reproduced("base", "--into", again)
    refused = training.reproduce("base", "--into", again)
    assert (refused.exit_code, "it is not empty" in refused.stderr) == (2, True)
    other = training.reproduce("child", "--into", again, "--run")
    assert (other.exit_code, "was prepared for run" in other.stderr) == (1, True)
    assert training.reproduced("base", "--into", again, "--run").keys() == {"run", "directory", "outcome"}
    (original, *_) = multitrack.open_journal(training.journal).runs()
    refused = training.reproduce(original.id, "--into", again, "--run")
    assert (refused.exit_code, "was started in" in refused.stderr) == (1, True)


def test_the_commands_that_are_printed_go_on(training: Training, tmp_path: Path) -> None:
    document = training.reproduced("base", "--into", tmp_path / "with space")
    ((command, _),) = document["next"]
    shell = f'multitrack() {{ {sys.executable} -m multitrack "$@"; }}; {command}'
    done = subprocess.run(["bash", "-ec", shell], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "export MULTITRACK_REPRODUCE=" in done.stderr, "the command is shown before it runs"


def test_a_training_outside_of_its_repository(tmp_path: Path) -> None:
    """Its results go to the directory: a command run as it is would overwrite the original's."""
    training = Training(tmp_path / "repo")
    training.journal = tmp_path / "elsewhere" / "runs"
    training.journal.parent.mkdir()
    out = training.journal.parent / "out"
    training.run("0.1", f"--out={out}", where=training.journal.parent, program=training.folder / "train.py")
    (out / "x").mkdir(parents=True)
    document = training.reproduced("base", "--into", tmp_path / "again", "--run")
    assert document["outcome"]["reproduced"] is True
    assert (
        f"{out} is not in the directory: copy it to {tmp_path}/again/work/out if the command reads it"
        in document["notes"]
    )
    words = document["command"][-1].split()
    assert words[-3:] == [f"{tmp_path}/again/source/train.py", "0.1", f"--out={tmp_path}/again/work/out"]


def test_outside_of_a_repository_one_is_named(training: Training, tmp_path: Path) -> None:
    training.journal = training.journal.rename(tmp_path / "runs")
    git(training.folder, "clean", "-qfdx")
    folder, training.folder = training.folder, tmp_path
    result = training.reproduce("base", "--into", tmp_path / "again")
    assert result.exit_code == 1
    assert f"git finds no repository at {tmp_path} (`git -C {tmp_path} status` says why)" in result.stderr
    training.reproduced("base", "--into", tmp_path / "again", "--repository", folder)


def test_a_run_without_a_repository_has_its_script(tmp_path: Path) -> None:
    training = Training(tmp_path / "repo")
    subprocess.run(["rm", "-rf", training.folder / ".git"], check=True)
    training.run()
    document = training.reproduced("base", "--into", tmp_path / "again", "--run")
    assert document["outcome"]["reproduced"] is True
    assert (tmp_path / "again" / "work" / "train.py").read_text() == TRAIN
    assert "no commit was recorded" in document["notes"][0]
    assert document["differences"] == []
    (training.folder / "train.py").write_text("boom(")
    (original, *_) = multitrack.open_journal(training.journal).runs()
    (changed,) = training.reproduced(original.id, "--into", tmp_path / "later")["differences"]
    assert (changed["name"], changed["recorded"], changed["here"]) == ("script train.py", "script.py", "another")


def test_an_untracked_script_is_restored(tmp_path: Path) -> None:
    training = Training(tmp_path / "repo")
    training.edit(other=TRAIN.replace("base", "other"))
    training.run(program="other.py")
    document = training.reproduced("other", "--into", tmp_path / "again", "--run")
    assert document["outcome"]["reproduced"] is True
    assert (tmp_path / "again" / "untracked.txt").read_text() == "other.py\n"


def test_another_repository_has_the_commit(training: Training, tmp_path: Path) -> None:
    lost = "0" * 40
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", training.folder, clone)
    document = training.reproduced("base", "--into", tmp_path / "a", "--repository", clone)
    assert document["notes"] == []
    (original, *_) = multitrack.open_journal(training.journal).runs()
    path = original.directory / "manifest.json"
    commit = json.loads(path.read_text())["context"]["git"]["commit"]
    path.write_text(path.read_text().replace(commit, lost))
    result = training.reproduce("base", "--into", tmp_path / "b")
    assert result.exit_code == 1
    assert f"has no commit {lost}; get it with `git -C {training.folder} fetch --all`" in result.stderr
    assert f"--repository PATH (it was in {training.folder})" in result.stderr
    assert not (tmp_path / "b").exists(), "nothing is left of a directory that was not prepared"


@pytest.mark.parametrize(
    ("lib", "reason"),
    [
        ('OPENAI_API_KEY = "sk-0123456789abcdef"\n', "secrets were redacted"),
        ("x" * 1_100_000, "were not recorded: lib.py"),
    ],
)
def test_changes_that_were_not_recorded_whole(tmp_path: Path, lib: str, reason: str) -> None:
    training = Training(tmp_path / "repo", {"lib.py": "WIDTH = 8\n"})
    training.edit(lib=lib)
    training.run()
    result = training.reproduce("base", "--into", tmp_path / "again")
    assert (result.exit_code, (tmp_path / "again").exists()) == (1, False)
    assert reason in result.stderr
    assert "--partial" in result.stderr
    document = training.reproduced("base", "--into", tmp_path / "again", "--partial")
    assert any(reason in note for note in document["notes"])
    assert (tmp_path / "again" / "source" / "lib.py").read_text() == "WIDTH = 8\n"


def test_a_command_that_may_write_the_journal_is_edited_first(tmp_path: Path) -> None:
    """Its path is outside of the repository and of the directory it ran in, so it is not mapped."""
    training = Training(tmp_path / "repo", train=TRAIN.replace('"runs"', "sys.argv[2]"))
    training.journal = tmp_path / "results"
    training.run("0.1", training.journal)
    again = tmp_path / "again"
    result = training.reproduce("base", "--into", again, "--run")
    assert result.exit_code == 1
    assert f"the command may write {training.journal}, where the journal of the original is" in result.stderr
    assert subprocess.run(["bash", again / "command.sh"]).returncode == 2
    script = (again / "command.sh").read_text()
    kept = [line for line in script.splitlines() if not line.startswith(("# NOT YET", "exit 2"))]
    (again / "command.sh").write_text("\n".join(kept).replace(f"0.1 {training.journal}", "0.1 elsewhere") + "\n")
    assert training.reproduced("base", "--into", again, "--run")["outcome"]["reproduced"] is True


def test_a_redacted_command_is_edited_first(tmp_path: Path) -> None:
    training = Training(tmp_path / "repo")
    training.run("0.1", "--api-key=hunter2hunter2")
    result = training.reproduce("base", "--into", tmp_path / "again", "--run")
    assert (result.exit_code, "put it in for [redacted]" in result.stderr) == (1, True)


def test_a_command_that_fails_or_records_nothing(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTITRACK_DISABLED", "1")
    result = training.reproduce("base", "--into", tmp_path / "a", "--run")
    assert (result.exit_code, "recorded no run that reproduces" in result.stderr) == (1, True)
    monkeypatch.setenv("MULTITRACK_DISABLED", "0")
    monkeypatch.setenv("NOISE", "no number")
    result = training.reproduce("base", "--into", tmp_path / "b", "--run")
    assert (result.exit_code, "ended with status 1" in result.stderr) == (1, True)


def test_an_interrupted_reproduction_ends_its_command(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    wait = f"    if 'MULTITRACK_REPRODUCE' in os.environ:\n        open({str(begun)!r}, 'w').close()\n        __import__('time').sleep(60)\n"
    training = Training(tmp_path / "repo", train=TRAIN + wait)
    original = training.run()
    command = ["reproduce", "base", "--journal", str(training.journal), "--into", str(tmp_path / "again"), "--run"]
    process = subprocess.Popen(
        [sys.executable, "-m", "multitrack", *command], cwd=training.folder, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not begun.exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)  # Python drops an interrupt that comes while it closes a file
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 130
    (new,) = multitrack.open_journal(training.journal).runs(tags={"reproduces": original.id})
    assert new.summary().status == "killed"


def test_a_run_of_a_fixed_id_is_not_continued(tmp_path: Path) -> None:
    training = Training(tmp_path / "repo", train=TRAIN.replace('"base",', '"base", run_id="fixed",'))
    training.run()
    kept = files(training.journal / "runs" / "fixed")
    document = training.reproduced("fixed", "--into", tmp_path / "again", "--run")
    assert document["outcome"]["reproduced"] is True
    assert document["outcome"]["run"] != "fixed"
    assert files(training.journal / "runs" / "fixed") == kept


@pytest.mark.parametrize("value", ["relative/run", "/nowhere/runs/x"])
def test_a_wrong_variable_is_an_error(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTITRACK_REPRODUCE", value)
    with pytest.raises(ConfigError, match=r"MULTITRACK_REPRODUCE = .* is not the absolute path of a run's directory"):
        multitrack.start_run()
    assert not list(Path().iterdir())
