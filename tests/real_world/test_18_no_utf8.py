"""Paths, arguments, hosts and variables that are no UTF-8; a directory that is gone; a start that fails."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack import ConfigError, JournalError, RunError
from multitrack.journal.manifest import read_manifest
from recording_backends import delivered

pytestmark = pytest.mark.case(18)

ODD = os.fsdecode(b"na\xefve-\xff")
SHOWN = r"na\xefve-\xff"
BODY = """
import multitrack, sys, os
run = multitrack.start_run(backends=['recording_backends:file'], params={'path': sys.argv[1] if sys.argv[1:] else ''})
run.log_metric('x', 1.0, step=0)
run.log_lines('done')
print(run.end().complete)
"""


def train(cwd: Path, script: Path, *arguments: str, **environment: Any) -> str:
    tests = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, str(script), *arguments], cwd=cwd, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": tests, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long("directory", "all")
@pytest.mark.parametrize("what", ["script", "argument", "directory", "variable", "all"])
def test_they_are_kept_escaped(tmp_path: Path, what: str) -> None:
    odd = {what} if what != "all" else {"script", "argument", "directory", "variable"}
    cwd = tmp_path / (ODD if "directory" in odd else "plain")
    cwd.mkdir()
    script = cwd / (f"{ODD}.py" if "script" in odd else "train.py")
    script.write_text(BODY)
    arguments = [ODD] if "argument" in odd else []
    environment = {"USER": ODD, "LOGNAME": ODD, "WANDB_API_KEY": f"{ODD}-key"} if "variable" in odd else {}
    assert train(cwd, script, *arguments, **environment) == "True\n"
    (run,) = multitrack.open_journal(cwd / ".multitrack").runs()
    context = run.context
    assert context is not None
    assert context.program is not None
    assert ("script" in odd) == (SHOWN in Path(context.program).name)
    assert ("directory" in odd) == (SHOWN in context.cwd) == (SHOWN in run.manifest.project)
    assert ("argument" in odd) == (SHOWN in " ".join(context.command[2:]))
    assert run.get_params() == {"path": SHOWN if "argument" in odd else ""}
    assert ("variable" in odd) == (context.user == SHOWN)
    assert [line["record"]["step"] for line in delivered(cwd / "delivered.jsonl", "metric")] == [0]


def test_a_host_and_settings_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((real[0], ODD, *real[2:])))
    monkeypatch.setenv("MULTITRACK_PROJECT", ODD)
    with multitrack.start_run(config={"delivery": "off"}) as run:
        run.log_metric("x", 1.0)
    assert (run.manifest.project, run.manifest.context and run.manifest.context.host) == (SHOWN, SHOWN)
    assert b"\\\\xefve" in (run.directory or Path()).joinpath("000001.jsonl").read_bytes()


def test_options_that_are_such_paths_are_taken_as_they_are_by_sync(tmp_path: Path, trusted: None) -> None:
    (tmp_path / ODD).mkdir()
    table = {"file": {"path": f"{ODD}/delivered.jsonl"}}
    run = multitrack.start_run(backends=["recording_backends:file"], config={"delivery": "off", **table})
    run.log_metric("x", 1.0, step=0)
    run.end()
    assert run.directory is not None
    assert SHOWN in read_manifest(run.directory).backends[0].options["path"]
    assert multitrack.sync()[run.id].complete
    assert len(delivered(tmp_path / ODD / "delivered.jsonl", "metric")) == 1


def test_all_commands_show_such_a_run(tmp_path: Path) -> None:
    cwd = tmp_path / ODD
    cwd.mkdir()
    (cwd / f"{ODD}.py").write_text(BODY)
    train(cwd, cwd / f"{ODD}.py", ODD)
    for arguments in (["runs"], ["runs", "--json"], ["show", "2"], ["show", "2", "--json"], ["compare"], ["logs", "2"],
                      ["compare", "--csv"], ["report", "--no-charts"], ["sync"], ["config"]):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "multitrack", *arguments], cwd=cwd, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )  # fmt: skip
        assert done.returncode == 0, (arguments, done.stderr)
        assert "Traceback" not in done.stderr


GONE = """
import multitrack, os, sys
os.mkdir('gone')
os.chdir('gone')
os.rmdir('../gone')
try:
    run = multitrack.start_run({arguments})
except multitrack.ConfigError as error:
    print(error)
else:
    run.log_metric('x', 1.0, step=0)
    print(run.end().complete, run.manifest.project)
"""


@pytest.mark.parametrize("delivery", ["process", "thread", "off"])
def test_a_deleted_directory_with_an_absolute_journal(tmp_path: Path, delivery: str) -> None:
    config = {"journal": str(tmp_path / "j"), "delivery": delivery, "file": {"path": str(tmp_path / "delivered.jsonl")}}
    backends = ["recording_backends:file"]
    (tmp_path / "train.py").write_text(GONE.format(arguments=f"config={config}, backends={backends}"))
    assert train(tmp_path, tmp_path / "train.py") == f"{delivery != 'off'} project\n"
    (run,) = multitrack.open_journal(tmp_path / "j").runs()
    assert run.context is not None
    assert "gone" in run.context.cwd


@pytest.mark.slow
def test_a_deleted_directory_and_an_sdk_that_asks_for_it(tmp_path: Path) -> None:
    """In a thread it is the lane's stated problem; the command delivers from there."""
    config = {
        "journal": str(tmp_path / "j"),
        "delivery": "thread",
        "mlflow": {"tracking_uri": f"sqlite:///{tmp_path}/m.db"},
    }
    text = GONE.format(arguments=f"config={config}, backends=['mlflow']")
    text += "    print(run.flush()['mlflow'].problem, flush=True)\n"
    text += f"    command = [sys.executable, '-m', 'multitrack', 'sync', '--journal', {str(tmp_path / 'j')!r}]\n"
    text += "    os.execv(sys.executable, command)\n"
    (tmp_path / "train.py").write_text(text)
    said = train(tmp_path, tmp_path / "train.py")  # where the command failed, its status would be the program's
    assert said.splitlines()[0] == "False project"
    assert "the current directory of this process was deleted" in said.splitlines()[1]
    (run,) = multitrack.open_journal(tmp_path / "j").runs()
    assert run.lanes()["mlflow"].settled


@pytest.mark.long("mlflow", "recording_backends:file")
@pytest.mark.parametrize("backend", ["", "mlflow", "neptune", "recording_backends:file"])
def test_a_deleted_directory_without_is_said(tmp_path: Path, backend: str) -> None:
    """The journal, or where the tracker's files would be, is relative to it."""
    config = {"journal": str(tmp_path / "j")} if backend else {}
    (tmp_path / "train.py").write_text(
        GONE.format(arguments=f"config={config}, backends={[backend] if backend else []}")
    )
    assert "the current directory was deleted" in train(tmp_path, tmp_path / "train.py")
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"params": {"": 1}}, ValueError), ({"tags": {"a": None}}, TypeError), ({"run_id": "not/an id"}, ValueError),
        ({"backends": ["nonesuch"]}, ConfigError), ({"capture": ["nonesuch"]}, ValueError), ({"parent": "../x"}, ValueError),
        ({"backends": ["recording_backends:nonesuch"]}, multitrack.PluginError), ({"name": ""}, ValueError),
    ],
)  # fmt: skip
def test_a_start_that_fails_leaves_nothing(tmp_path: Path, arguments: Any, error: type[Exception]) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error):
        multitrack.start_run(config={"delivery": "off", "journal": "deep/er/journal"}, **arguments)
    assert sorted(tmp_path.rglob("*")) == before


def test_nor_does_one_that_fails_while_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from multitrack.recording import builder

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(builder, "write_manifest", full)
        with pytest.raises(JournalError, match="No space left"):
            multitrack.start_run(config={"delivery": "off", "journal": "deep/er/journal"})
    assert list(tmp_path.iterdir()) == []
    with multitrack.start_run(config={"delivery": "off", "journal": "deep/er/journal"}) as run:
        run.log_metric("x", 1.0)
    with monkeypatch.context() as patched:
        patched.setattr(builder, "write_manifest", full)
        with pytest.raises(JournalError):
            multitrack.start_run(config={"delivery": "off", "journal": "deep/er/journal"})
    assert [path.name for path in (tmp_path / "deep" / "er" / "journal" / "runs").iterdir()] == [run.id]


def test_a_refused_continuation_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    with multitrack.start_run(run_id="it", project="p", params={"lr": 0.1}, config={"delivery": "off"}) as run:
        run.log_metric("x", 1.0)
    assert run.directory is not None
    before = {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()}
    assert before
    for arguments in ({"params": {"lr": 0.2}}, {"project": "other"}):
        with pytest.raises((RunError, multitrack.ParamChangedError)):
            multitrack.start_run(run_id="it", config={"delivery": "off"}, **arguments)  # type: ignore[arg-type]
    assert {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()} == before
