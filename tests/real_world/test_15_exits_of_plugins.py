"""A plugin or SDK that exits, at its import or in a call, is its lane's stated problem at once."""

import time
from pathlib import Path

import pytest

import multitrack
import programs
from multitrack import PluginError

pytestmark = pytest.mark.case(15)

ARGPARSE = "import argparse\nargparse.ArgumentParser(prog='tool').parse_args(['--nonesuch'])\n"
SYNC = ("-m", "multitrack", "sync", "--trust", "exits_plugin:plugin", "--trust", "recording_backends:file")
PLUGIN = """
import sys
from multitrack import hookimpl
from multitrack.hookspecs import Opened

class Plugin:
    name = "exits"
AT_IMPORT
    @hookimpl
    def open_run(self, run):
        OPEN
        return Opened("1")

    @hookimpl
    def log_metric(self, run, records):
        LOG_METRIC

    @hookimpl
    def close_run(self, run, status, time):
        CLOSE

plugin = Plugin()
"""
TRAIN = """
import multitrack, sys, time
began = time.monotonic()
run = multitrack.start_run(backends=["exits_plugin:plugin", "recording_backends:file"])
run.log_metric("loss", 0.5, step=0)
report = run.end()
print(report["exits"].problem)
print(report["exits"].pending, report["file"].pending, time.monotonic() - began < 60)
"""


def plugin(cwd: Path, at_import: str = "", **calls: str) -> Path:
    text = PLUGIN.replace("AT_IMPORT", at_import)
    for call in ("OPEN", "LOG_METRIC", "CLOSE"):
        text = text.replace(call, calls.get(call.lower(), "pass"))
    return programs.write(cwd / "exits_plugin.py", text)


@pytest.mark.long(
    "sys.exit(2)-SystemExit: 2-open-process",
    "raise KeyboardInterrupt-KeyboardInterrupt-log_metric-thread",
    "raise GeneratorExit('over')-GeneratorExit: over-close-process",
)
@pytest.mark.parametrize("delivery", ["process", "thread"])
@pytest.mark.parametrize("call", ["open", "log_metric", "close"])
@pytest.mark.parametrize(("exits", "said"), [
    ("sys.exit(2)", "SystemExit: 2"), ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("raise GeneratorExit('over')", "GeneratorExit: over"),
])  # fmt: skip
def test_an_exit_in_a_call(tmp_path: Path, call: str, exits: str, said: str, delivery: str) -> None:
    cwd = tmp_path / "project"
    script = programs.write(cwd / "train.py", TRAIN)
    plugin(cwd, **{call: exits})
    done = programs.run(cwd, script, limit=100, MULTITRACK_DELIVERY=delivery)
    assert done.returncode == 0, done.stderr
    problem, counts = done.stdout.splitlines()
    assert counts == f"{0 if call == 'close' else 1} 0 True", done.stderr
    hook = call if call == "log_metric" else f"{call}_run"
    assert f"backend 'exits' left {hook} with {said}" in problem
    # So it is for a later sync, which says it and returns.
    synced = programs.run(cwd, *SYNC, limit=60)
    assert (synced.returncode, said in synced.stdout + synced.stderr) == (1, True), synced


def test_an_sdk_whose_import_exits(tmp_path: Path) -> None:
    """As when a program beside the training is called like it, and parses arguments without a guard."""
    cwd = tmp_path / "project"
    script = programs.write(cwd / "train.py", TRAIN)
    plugin(cwd, open="import tool")
    programs.write(cwd / "tool.py", ARGPARSE)
    done = programs.run(cwd, script, limit=100)
    problem, counts = done.stdout.splitlines()
    assert "SystemExit: 2" in problem
    assert counts == "1 0 True"


def test_mlflow_itself_hidden_by_a_program_that_exits(tmp_path: Path) -> None:
    cwd = tmp_path / "project"
    text = TRAIN.replace("exits_plugin:plugin", "mlflow").replace("exits", "mlflow")
    script = programs.write(cwd / "train.py", text)
    programs.write(cwd / "mlflow.py", ARGPARSE)
    programs.write(cwd / "multitrack.toml", '[mlflow]\ntracking_uri = "sqlite:///runs.db"\n')
    done = programs.run(cwd, script, limit=100)
    assert done.stdout.splitlines() == ["None", "0 0 True"], done.stderr
    assert f"{cwd / 'mlflow.py'} hides the package mlflow" in done.stderr


@pytest.mark.slow
def test_a_dependency_of_mlflow_hidden_by_a_program_that_exits(tmp_path: Path) -> None:
    """In a thread the SDK's own imports find it; the problem names the file."""
    cwd = tmp_path / "project"
    text = TRAIN.replace("exits_plugin:plugin", "mlflow").replace("exits", "mlflow")
    script = programs.write(cwd / "train.py", text)
    programs.write(cwd / "alembic.py", ARGPARSE)
    programs.write(cwd / "multitrack.toml", '[mlflow]\ntracking_uri = "sqlite:///runs.db"\n')
    done = programs.run(cwd, script, limit=100, MULTITRACK_DELIVERY="thread")
    problem, counts = done.stdout.splitlines()
    assert "left open_run with SystemExit: 2" in problem, done.stderr
    assert f"raised by {cwd / 'alembic.py'}" in problem
    assert counts == "1 0 True"


@pytest.mark.parametrize("exits", ["sys.exit('usage: …')", "raise GeneratorExit('usage: …')"])
def test_a_plugin_whose_import_or_options_exit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exits: str) -> None:
    """That is a mistake in the program's set-up: it raises at the start, and leaves nothing behind."""
    monkeypatch.syspath_prepend(str(tmp_path / "plugins"))
    at_import = f"import sys\n{exits}\n"
    options = f"    @hookimpl\n    def backend_options(self):\n        {exits}\n"
    programs.write(tmp_path / "plugins" / "exits_at_import.py", at_import)
    programs.write(tmp_path / "plugins" / "exits_in_options.py", PLUGIN.replace("AT_IMPORT", options))
    for reference, told in (("exits_at_import:plugin", "exits_at_import"), ("exits_in_options:plugin", "exits")):
        with pytest.raises(PluginError, match=told) as caught:
            multitrack.start_run(backends=[reference])
        assert "Exit: usage: …" in str(caught.value)
    assert not (tmp_path / ".multitrack").exists()


def test_sync_of_a_plugin_whose_import_exits(tmp_path: Path) -> None:
    """The plugin worked when the run was recorded."""
    cwd = tmp_path / "project"
    script = programs.write(cwd / "train.py", TRAIN.replace("backends=", "config={'delivery': 'off'}, backends="))
    path = plugin(cwd)
    done = programs.run(cwd, script, limit=60)
    assert done.returncode == 0, done.stderr
    path.write_text(ARGPARSE)
    began = time.monotonic()
    synced = programs.run(cwd, *SYNC, limit=60)
    assert time.monotonic() - began < 50
    assert synced.returncode == 1
    assert "SystemExit: 2" in synced.stdout + synced.stderr
    (run,) = multitrack.open_journal(cwd / ".multitrack").runs()
    states = run.lanes()
    assert (states["exits"].settled, states["file"].settled) == (False, True)
