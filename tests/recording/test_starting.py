"""The courier process is started beside the training thread, and nothing that happens meanwhile loses it."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.courier.process_host import ProcessHost
from multitrack.environment import forks
from multitrack.journal.manifest import read_manifest
from processes import couriers, script, wait_until
from recording_backends import delivered

BACKEND = "recording_backends:file"
#: For a script: whoever starts a process stands still in the middle of it until ``go`` is set.
STAND_STILL = """
import subprocess, threading
from multitrack.recording import lifecycle
middle, go = threading.Event(), threading.Event()
started = subprocess._fork_exec
def slow(arguments, *rest):
    if 'multitrack.courier' in map(os.fsdecode, arguments):
        middle.set()
        go.wait()
    return started(arguments, *rest)
subprocess._fork_exec = slow
"""


class Gate:
    """Holds up whoever starts a courier."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        self.thread = ""
        start = subprocess.Popen

        def slow(command: list[str], **options: Any) -> Any:
            if "multitrack.courier" in command:
                self.thread = threading.current_thread().name
                self.reached.set()
                assert self.open.wait(60)
            return start(command, **options)

        monkeypatch.setattr(subprocess, "Popen", slow)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def steps(path: Path) -> list[int]:
    return [line["record"]["step"] for line in delivered(path, "metric")]


def test_start_run_and_recording_do_not_wait_for_the_courier(gate: Gate, tmp_path: Path) -> None:
    runs = [multitrack.start_run(name="first", backends=[BACKEND])]
    assert gate.reached.wait(60)
    runs += [multitrack.start_run(name=f"run {i}", backends=[BACKEND], notes="x" * 9000) for i in range(20)]
    for step, run in enumerate(runs):
        run.log_metric("x", 1.0, step=step)
    gate.open.set()
    for run in runs:
        assert run.end().complete
    assert gate.thread not in ("", threading.current_thread().name)
    assert sorted(steps(tmp_path / "delivered.jsonl")) == list(range(21))
    assert len(couriers()) == 1


def test_flush_waits_for_a_courier_on_its_way(gate: Gate) -> None:
    run = multitrack.start_run(backends=[BACKEND])
    run.log_metric("x", 1.0, step=0)
    threading.Timer(0.1, gate.open.set).start()
    assert run.flush(timeout=60).pending == 0
    assert run.end().complete


def test_the_courier_starts_where_and_with_what_start_run_was_called(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ANSWER", "before")
    run = multitrack.start_run(backends=[BACKEND])
    monkeypatch.setenv("LC_ANSWER", "after")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    gate.open.set()
    run.wait_open(60)
    monkeypatch.chdir(tmp_path)
    (pid,) = couriers()
    assert b"LC_ANSWER=before" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert run.end().complete


def test_where_no_process_can_be_started_the_end_does_not_wait_for_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/nowhere/python")
        run = multitrack.start_run(backends=[BACKEND])
        run.log_metric("x", 1.0, step=0)
        assert run._host is not None and not run._host.nudge()
        assert not run.end().complete
    assert "cannot start the courier" in caplog.text
    assert "send the rest with: multitrack sync" in caplog.text


def test_without_another_thread_it_is_started_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the interpreter's exit, which from Python 3.12 on allows no more threads."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patch:
        patch.setattr(forks.threading.Thread, "start", refuse)
        run = multitrack.start_run(backends=[BACKEND])
    wait_until(couriers)
    assert run.directory is not None
    context = read_manifest(run.directory).context
    assert context is not None and context.complete
    assert run.end().complete


def test_an_exit_right_after_start_run_loses_no_courier(tmp_path: Path) -> None:
    """With ``exit = "detach"`` nobody waits for delivery, so nothing else would have started it."""
    training = script(
        tmp_path,
        "from multitrack.environment import forks\nforks._AHEAD = 0.5\n"
        f"multitrack.start_run(backends=['{BACKEND}'], config={{'exit': 'detach'}}).log_metric('x', 1.0, step=0)\n",
    )
    _, errors = training.communicate(timeout=60)
    assert training.returncode == 0, errors
    wait_until(lambda: delivered(tmp_path / "delivered.jsonl", "close"))
    assert steps(tmp_path / "delivered.jsonl") == [0]
    wait_until(lambda: couriers() == [])


def test_a_courier_that_is_stopped_at_once_is_started_first(tmp_path: Path) -> None:
    with multitrack.start_run(backends=[BACKEND], config={"delivery": "off"}) as run:
        run.log_metric("x", 1.0, step=0)
    assert run.directory is not None
    host = ProcessHost(run.directory.parent.parent)
    host.add(run.directory, run.delivery)
    host.stop(60)
    wait_until(lambda: delivered(tmp_path / "delivered.jsonl", "close"))
    wait_until(lambda: couriers() == [])


def test_a_fork_waits_for_a_start_so_that_the_child_holds_none_of_its_pipes(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        STAND_STILL + f"run = multitrack.start_run(backends=['{BACKEND}'])\n"
        "assert middle.wait(60)\n"
        "threading.Timer(0.2, go.set).start()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    run.log_metric('x', 1.0, step=1)\n"
        "    time.sleep(600)\n"
        "run.log_metric('x', 1.0, step=0)\n"
        "run.wait_open(60)\n"
        "lives = os.waitpid(child, os.WNOHANG) == (0, 0)\n"
        "os.kill(child, signal.SIGKILL)\n"
        "os.waitpid(child, 0)\n"
        "print(sorted(run.backend_ids), lives, run.end().complete)\n",
    )
    out, errors = training.communicate(timeout=120)
    assert out == "['file'] True True\n", errors
    wait_until(lambda: couriers() == [])


def test_a_child_forked_before_the_start_holds_nothing_of_it(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        f"from multitrack.environment import forks\nforks._AHEAD = 0.2\n"
        f"run = multitrack.start_run(backends=['{BACKEND}'])\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    links = [os.readlink(entry.path) for entry in os.scandir('/proc/self/fd') if int(entry.name) > 2]\n"
        "    print([link for link in links if link.startswith('pipe:')], flush=True)\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "print(run.end().complete)\n",
    )
    out, errors = training.communicate(timeout=60)
    assert out == "[]\nTrue\n", errors
