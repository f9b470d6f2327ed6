"""A run in another process, the same id twice in one, and runs that cells of a notebook leave open."""

import copy
import logging
import pickle
import textwrap
from pathlib import Path
from typing import Any

import pytest

import multitrack
import programs
from multitrack import RunInUseError

pytestmark = pytest.mark.case(24)

OFF = {"delivery": "off"}
POOLS = """
import multitrack, sys, concurrent.futures, multiprocessing, joblib, pickle
from pathlib import Path

def train(run): run.log_metric("x", 1.0)
def child(parent):
    with multitrack.start_run(parent=parent, config={"delivery": "off"}) as run:
        run.log_metric("x", 1.0)
    return run.id

def submit(how, function, argument):
    if how == "spawn":
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            return pool.submit(function, argument).result()
    if how == "pool":
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(function, (argument,))
    if how == "joblib":
        return joblib.Parallel(2)([joblib.delayed(function)(argument)] * 2)[0]
    if how == "forkserver":
        process = multiprocessing.get_context("forkserver").Process(target=function, args=(argument,))
        process.start()
        process.join()
        return None

if __name__ == "__main__":
    run = multitrack.start_run(run_id="outer", config={"delivery": "off"})
    try:
        submit(sys.argv[1], train, run)
    except Exception as error:
        print(type(error).__name__, error, getattr(error, "__cause__", None))
    submit(sys.argv[1], child, run.id)
    run.end()
"""


@pytest.mark.long("spawn", "joblib")
@pytest.mark.parametrize("how", ["spawn", "pool", "joblib", "forkserver"])
def test_a_run_sent_to_another_process(tmp_path: Path, how: str) -> None:
    """It says what to send in its place, and that works."""
    cwd = tmp_path / "project"
    programs.write(cwd / "train.py", POOLS)
    done = programs.run(cwd, "train.py", how)
    assert done.returncode == 0, done.stderr
    assert "multitrack.start_run(parent='outer')" in done.stdout
    runs = list(multitrack.open_journal(cwd / ".multitrack").runs())
    children = [run for run in runs if run.manifest.parent == "outer"]
    assert len(children) == (2 if how == "joblib" else 1)
    assert [child.get("metrics.x") for child in children] == [1.0] * len(children)
    assert {run.summary().status for run in runs} == {"finished"}


def test_by_pickle_and_copy() -> None:
    with multitrack.start_run(run_id="it", config=OFF) as run:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match=r"send its id, 'it'.*start_run\(parent='it'\)"):
                pickle.dumps({"callbacks": [run]}, protocol)
        assert copy.copy(run) is copy.deepcopy(run) is run  # KerasTuner copies callbacks, and what they hold


def test_one_id_twice_in_one_process() -> None:
    run = multitrack.start_run(run_id="it", config=OFF)
    with pytest.raises(RunInUseError, match="open in this process already"):
        multitrack.start_run(run_id="it", config=OFF)
    run.log_metric("x", 1.0)  # the first is left as it was
    run.end()
    multitrack.start_run(run_id="it", config=OFF).end()  # and once it has ended it can be continued
    (found,) = multitrack.open_journal().runs()
    assert found.get("metrics.x") == 1.0


def test_one_id_in_two_processes(tmp_path: Path) -> None:
    cwd = tmp_path / "project"
    body = "import multitrack, subprocess, sys\nrun = multitrack.start_run(run_id='it', config={'delivery': 'off'})\n"
    programs.write(
        cwd / "outer.py", body + "print(subprocess.run([sys.executable, 'inner.py'], capture_output=True).stderr)"
    )
    programs.write(cwd / "inner.py", body)
    done = programs.run(cwd, "outer.py")
    assert "RunInUseError" in done.stdout
    assert "this process" not in done.stdout


HELD = """
    import os, signal, subprocess, sys
    import multitrack
    run = multitrack.start_run(run_id="it", config={"delivery": "off"})
    (held,) = [int(fd) for fd in os.listdir("/proc/self/fd") if "/runs/it/" in os.path.realpath(f"/proc/self/fd/{fd}")]
    subprocess.Popen(["sleep", sys.argv[1]], pass_fds=[held], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("seconds", "continued"), [(0.5, True), (10, False)])
def test_a_killed_run_is_continued_though_its_dead_process_had_just_forked(
    tmp_path: Path, seconds: float, continued: bool
) -> None:
    """As to run git: until that runs, it has the lock of the run as well; here for longer than it would."""
    cwd = tmp_path / "project"
    programs.write(cwd / "held.py", textwrap.dedent(HELD))
    programs.run(cwd, "held.py", str(seconds))
    if continued:
        multitrack.start_run(run_id="it", config={**OFF, "journal": str(cwd / ".multitrack")}).end()
        return
    with pytest.raises(RunInUseError, match=r"run it is being written by process \d+ on "):
        multitrack.start_run(run_id="it", config={**OFF, "journal": str(cwd / ".multitrack")})


class Notebook:
    """Cells that a real IPython shell runs one after the other."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        from IPython.core.interactiveshell import InteractiveShell

        self.shell = InteractiveShell.instance()
        self._caplog = caplog

    def run(self, cell: str) -> str:
        """Run a cell; the warnings that it caused."""
        self._caplog.clear()
        with self._caplog.at_level(logging.WARNING, "multitrack"):
            result = self.shell.run_cell(cell, store_history=True)
        result.raise_error()
        return self._caplog.text

    def close(self) -> None:
        type(self.shell).clear_instance()


@pytest.fixture
def notebook(caplog: pytest.LogCaptureFixture) -> Any:
    opened = Notebook(caplog)
    opened.run("import multitrack\nconfig = {'delivery': 'off'}")
    yield opened
    opened.run("for run in [r for r in list(globals().values()) if isinstance(r, multitrack.Run)]: run.end()")
    opened.close()


def test_a_cell_that_leaves_its_run_open(notebook: Notebook) -> None:
    assert notebook.run("first = multitrack.start_run(name='first', config=config)") == ""
    assert notebook.run("first.log_metric('x', 1.0)") == ""
    said = notebook.run("second = multitrack.start_run(name='second', config=config)")
    assert "(first) of cell 2 is still open" in said
    assert "call its end()" in said
    notebook.run("first.end()")
    assert notebook.run("second.end()\nthird = multitrack.start_run(config=config)") == ""


def test_what_is_meant_is_not_said(notebook: Notebook) -> None:
    assert notebook.run("a = multitrack.start_run(config=config)\nb = multitrack.start_run(config=config)") == ""
    notebook.run("a.end(), b.end()")
    notebook.run("parent = multitrack.start_run(name='parent', config=config)")
    assert notebook.run("child = multitrack.start_run(parent=parent, config=config)") == ""
    notebook.run("child.end()\nparent.end()")
    notebook.run("with multitrack.start_run(config=config):\n    inner = 1")
    assert notebook.run("off = multitrack.start_run(disabled=True)") == ""
    assert notebook.run("last = multitrack.start_run(config=config)") == ""


def test_output_goes_to_the_run_that_captures_last(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    notebook.run("first = multitrack.start_run(run_id='first', config=config, capture=['stdout', 'logging'])")
    notebook.run("print('one')")
    said = notebook.run("second = multitrack.start_run(run_id='second', config=config, capture=['stdout', 'logging'])")
    assert "is still open" in said
    notebook.run("print('two')\nimport logging\nlogging.getLogger('mine').warning('three')")
    notebook.run("plain = multitrack.start_run(run_id='plain', config=config)")  # it takes nothing from the second
    notebook.run("print('four')\nsecond.end()\nfirst.end()")
    lines = {
        run.id: [line.text for line in run.get_lines() if line.stream != "log" or "three" in line.text]
        for run in multitrack.open_journal().runs()
    }
    assert lines["first"][0] == "one"
    assert not {"two", "four"} & set(lines["first"])
    assert [text for text in lines["second"] if text in ("one", "two", "four")] == ["two", "four"]
    assert any("three" in text for text in lines["second"])
    assert not any("three" in text for text in lines["first"])
    assert lines["plain"] == []
    assert "four" in capsys.readouterr().out  # and the screen has all of it


def test_outside_a_notebook_two_runs_may_be_open(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        first = multitrack.start_run(config=OFF)
        second = multitrack.start_run(config=OFF)
    assert caplog.text == ""
    first.end()
    second.end()
