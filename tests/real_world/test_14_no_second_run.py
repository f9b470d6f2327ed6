"""A program is never started again by the courier that it starts, or by an SDK that a file of the program hides."""

import sys
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

import multitrack
import programs
from quiet import ROOT, environment
from recording_backends import delivered

pytestmark = pytest.mark.case(14)

BODY = """
import os, sys
with open("starts", "a") as file:
    file.write(f"{os.getpid()}\\n")
EXECUTABLE
import multitrack
run = multitrack.start_run("p", backends=["recording_backends:file"])
for step in range(5):
    run.log_metric("loss", 1 / (step + 1), step=step)
report = run.end()
print("end", report.pending)
"""


def starts(cwd: Path) -> int:
    return len((cwd / "starts").read_text().split())


def recorded(cwd: Path) -> dict[int, float]:
    """The points of the one run that there may be."""
    (run,) = multitrack.open_journal(cwd / ".multitrack").runs()
    series = run.get_series("loss")
    return dict(zip(series.steps, series.values, strict=True))


@pytest.mark.long("sys.executable = None", "sys.frozen = True")
@pytest.mark.parametrize("lines", [
    "sys.executable = None", "sys.executable = ''", "sys.frozen = True", "sys.executable = '/nowhere/python3'",
    "sys.executable = os.path.abspath('app')", "sys.executable = os.getcwd()",
])  # fmt: skip
def test_no_interpreter_no_courier(tmp_path: Path, lines: str) -> None:
    """It records, says once what would deliver it, and does not wait for what cannot come."""
    cwd = tmp_path / "app's"
    script = programs.write(cwd / "train.py", BODY.replace("EXECUTABLE", lines))
    programs.write(cwd / "app", f"#!/bin/sh\nexec {sys.executable} train.py\n", executable=True)
    done = programs.run(cwd, script, limit=60)
    assert (done.returncode, done.stdout) == (0, "end 5\n"), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("is a program and not a Python interpreter") == 1
    assert 'delivery = "thread"' in done.stderr
    assert "multitrack sync" in done.stderr
    assert starts(cwd) == 1
    assert recorded(cwd) == {step: 1 / (step + 1) for step in range(5)}


def test_with_threads_it_is_delivered_all_the_same(tmp_path: Path) -> None:
    cwd = tmp_path / "app"
    script = programs.write(cwd / "train.py", BODY.replace("EXECUTABLE", "sys.executable = None"))
    done = programs.run(cwd, script, limit=60, MULTITRACK_DELIVERY="thread")
    assert (done.returncode, done.stdout) == (0, "end 0\n"), done.stderr
    assert len(delivered(cwd / "delivered.jsonl", "metric")) == 5


@pytest.mark.parametrize("name", ["python3", ".python-wrapped"])
def test_a_program_named_like_an_interpreter_starts_itself_once_at_most(tmp_path: Path, name: str) -> None:
    """The mark in the courier's environment stops the second run at ``start_run``, and says it."""
    cwd = tmp_path / "app"
    script = programs.write(cwd / "train.py", BODY.replace("EXECUTABLE", f"sys.executable = os.path.abspath({name!r})"))
    programs.write(cwd / name, f"#!/bin/sh\nexec {sys.executable} {script} \n", executable=True)
    done = programs.run(cwd, script, limit=100)
    assert done.returncode == 0, done.stderr
    assert "start_run was called in a process that delivers the records of process" in done.stderr
    assert done.stderr.count("start_run was called in a process") == 1
    assert done.stderr.count("cannot start the courier") == 1
    assert "died" not in done.stderr
    assert starts(cwd) == 2
    assert recorded(cwd) == {step: 1 / (step + 1) for step in range(5)}


def test_another_python_without_our_packages_says_it_once(tmp_path: Path) -> None:
    cwd = tmp_path / "app"
    script = programs.write(cwd / "train.py", BODY.replace("EXECUTABLE", "sys.executable = os.path.abspath('python3')"))
    programs.write(cwd / "python3", f'#!/bin/sh\nexec {sys.executable} -S "$@"\n', executable=True)
    done = programs.run(cwd, script, limit=100)
    assert (done.returncode, done.stdout) == (0, "end 5\n"), done.stderr
    assert done.stderr.count("the courier cannot import") == 1
    assert "install multitrack there" in done.stderr
    assert done.stderr.count("cannot start the courier") == 1
    assert "Traceback" not in done.stderr
    assert "died" not in done.stderr
    assert starts(cwd) == 1


@pytest.mark.long("script-process")
@pytest.mark.parametrize(("how", "delivery"), [
    ("script", "process"), ("PYTHONPATH", "process"), ("module", "thread"),
])  # fmt: skip
def test_a_script_named_like_an_sdk(tmp_path: Path, how: str, delivery: str) -> None:
    cwd = tmp_path / "project"
    text = BODY.replace("EXECUTABLE", "").replace("recording_backends:file", "mlflow")
    script = programs.write(cwd / "mlflow.py", text)
    programs.write(cwd / "multitrack.toml", f'delivery = "{delivery}"\n[mlflow]\ntracking_uri = "sqlite:///runs.db"\n')
    variables = {}
    if how == "PYTHONPATH":
        given = environment(tmp_path, ROOT / "tests")["PYTHONPATH"]
        variables = {"PYTHONPATH": f".:{given}"}
    done = programs.run(cwd, *(["-m", "mlflow"] if how == "module" else [script]), limit=100, **variables)
    assert (done.returncode, done.stdout) == (0, "end 0\n"), done.stderr
    assert starts(cwd) == 1
    assert done.stderr.count("hides the package mlflow") == 1
    assert str(script) in done.stderr
    client = MlflowClient(tracking_uri=f"sqlite:///{cwd}/runs.db")
    (native,) = client.search_runs([client.get_experiment_by_name("p").experiment_id])
    points = {point.step: point.value for point in client.get_metric_history(native.info.run_id, "loss")}
    assert points == recorded(cwd) == {step: 1 / (step + 1) for step in range(5)}


def test_a_file_named_like_an_sdk_that_the_program_has_imported(tmp_path: Path) -> None:
    """In the courier the installed one is taken; in threads there can be one of the name, and the run says which."""
    cwd = tmp_path / "project"
    programs.write(cwd / "mlflow.py", "ours = True\n")
    text = "import mlflow\nassert mlflow.ours\n" + BODY.replace("EXECUTABLE", "")
    script = programs.write(cwd / "train.py", text.replace("recording_backends:file", "mlflow"))
    programs.write(cwd / "multitrack.toml", '[mlflow]\ntracking_uri = "sqlite:///runs.db"\n')
    done = programs.run(cwd, script, limit=100)
    assert (done.returncode, done.stdout) == (0, "end 0\n"), done.stderr
    done = programs.run(cwd, script, limit=60, MULTITRACK_DELIVERY="thread")
    assert (done.returncode, done.stdout) == (0, "end 5\n"), done.stderr
    assert f"{cwd / 'mlflow.py'} is imported as 'mlflow' in this process" in done.stderr


def test_only_a_file_by_that_name_and_nothing_installed(tmp_path: Path) -> None:
    cwd = tmp_path / "project"
    text = BODY.replace("EXECUTABLE", "").replace("recording_backends:file", "mlflow")
    hidden = "import importlib.machinery as m, sys\nfind = m.PathFinder.find_spec\n"
    hidden += "def only_here(name, path=None, target=None):\n"
    hidden += "    spec = find(name, path, target)\n"
    hidden += "    return None if name == 'mlflow' and spec and 'site-packages' in str(spec.origin) else spec\n"
    hidden += "m.PathFinder.find_spec = only_here\n"
    script = programs.write(cwd / "mlflow.py", hidden + text)
    done = programs.run(cwd, script, limit=60)
    assert done.returncode == 1
    assert f"{script} is not that package: rename the file" in done.stderr
    assert starts(cwd) == 1
