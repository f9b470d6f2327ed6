"""Signals reach the program, its end is the command's end, and a kill loses nothing that was logged."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from observed import recorded, run, verified
from processes import wait_until
from small import PYTHON, WAITING, losses, started, write


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "place"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP])
def test_a_signal_reaches_the_program(place: Path, number: signal.Signals) -> None:
    process = started(place, PYTHON, write(place, WAITING), "catch")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == (f"caught {number.name}\n", "", 5)
    assert losses(place) == {"one": [1.0, 1.0]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_program_that_a_signal_ends(place: Path, number: signal.Signals) -> None:
    """The shell or the scheduler sees the same status as without."""
    program = write(place, WAITING)
    process = started(place, PYTHON, program)
    (child,) = children(process.pid, "train.py")
    os.kill(child, number)
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("", "", -number)
    assert losses(place) == {"one": [1.0, 1.0]}
    (found,) = verified(place.parent / "journal", "tensorboard")
    assert found.passed


@pytest.mark.slow
@pytest.mark.long("neptune")
@pytest.mark.parametrize(
    ("tracker", "begin", "log", "killed"),
    [
        pytest.param(
            "mlflow",
            "import mlflow\nmlflow.start_run()",
            "mlflow.log_metric('loss', 0.5, step=0)",
            ("killed",),
            id="mlflow",
        ),
        pytest.param(
            "neptune",
            "import neptune\nrun = neptune.init_run()",
            "run['loss'].append(0.5)\nrun.wait(disk_only=True)",
            ("killed", "finished"),
            id="neptune",
        ),
    ],
)
def test_a_run_is_seen_while_it_goes_on_and_is_whole_after_a_kill(
    place: Path, tracker: str, begin: str, log: str, killed: tuple[str, ...]
) -> None:
    text = f"import sys, time\nsys.stdout = sys.stderr\n{begin}\n{log}\nprint('waiting', file=sys.__stdout__, flush=True)\ntime.sleep(60)\n"
    process = started(place, PYTHON, write(place, text))
    wait_until(lambda: losses(place) != {})
    (found,) = recorded(place.parent / "journal")
    assert found.summary().status == "running"
    (child,) = children(process.pid, "train.py")
    os.kill(child, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert "not everything was mirrored" not in errors
    (found,) = recorded(place.parent / "journal")
    assert [point.value for point in found.get_metrics()["loss"]] == [0.5]
    assert found.summary().status in killed
    (same,) = verified(place.parent / "journal", tracker)
    assert (same.error, same.findings) == (None, [])


@pytest.mark.slow
@pytest.mark.long("terminated")
@pytest.mark.parametrize(
    ("number", "handler", "status", "ended"),
    [
        pytest.param(signal.SIGKILL, "", -signal.SIGKILL, "killed", id="killed"),
        pytest.param(signal.SIGTERM, "", -signal.SIGTERM, "killed", id="terminated"),
        pytest.param(
            signal.SIGTERM, "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))", 7, "failed", id="handled"
        ),
    ],
)
def test_a_run_of_wandb_that_a_signal_ends(
    place: Path, number: signal.Signals, handler: str, status: int, ended: str
) -> None:
    """W&B writes its file in blocks of 32 KiB, and loses with the process what it has not written."""
    program = write(
        place, f"import os, signal, sys, time, wandb\n{handler}\nrun = wandb.init(project='p')\n"
        "for i in range(2000): run.log({'loss': 1 / (i + 1)})\n"
        "time.sleep(2)\nprint('waiting', flush=True)\ntime.sleep(60)\n",
    )  # fmt: skip
    process = started(place, PYTHON, program, WANDB_SILENT="true")
    (child,) = children(process.pid, "train.py")
    os.kill(child, number)
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("", "", status)
    (found,) = recorded(place.parent / "journal")
    values = [point.value for point in found.get_metrics()["loss"]]
    assert len(values) > 200 if ended == "killed" else len(values) == 2000
    assert values == [1 / (i + 1) for i in range(len(values))]
    assert found.summary().status == ended
    (same,) = verified(place.parent / "journal", "wandb")
    assert (same.error, same.findings, same.extra) == (None, [], 0)
    assert same.equal > len(values)


def test_without_the_command_the_program_goes_on_and_is_mirrored(place: Path) -> None:
    process = started(place, PYTHON, write(place, WAITING), "end")
    process.kill()
    process.wait()
    assert process.stdout is not None
    assert process.stdout.read() == "over\n"
    wait_until(lambda: losses(place) == {"one": [1.0, 1.0, 0.5]})
    wait_until(lambda: recorded(place.parent / "journal")[0].summary().status == "finished")
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def test_status_and_core_are_those_of_the_program(place: Path) -> None:
    program = write(place, "import sys\nsys.exit(int(sys.argv[1]))\n")
    from small import under

    assert [under(place, PYTHON, program, code).status for code in ("0", "3", "255")] == [0, 3, 255]
    assert run(place, PYTHON, program, "255").status == 255


def children(pid: int, word: str) -> list[int]:
    """The processes that a process started, with a word in their command."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == pid and word.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
