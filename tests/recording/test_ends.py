"""How runs end, and output as lines."""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack import (
    MetricKindError,
    ParamChangedError,
    RunClosedError,
    RunInUseError,
)
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.run import Run
from multitrack.summaries.summary import Summary


def start(**arguments: Any) -> Run:
    return multitrack.start_run(config={"delivery": "off"} | arguments.pop("config", {}), **arguments)


def summary(run: Run) -> Summary:
    assert run.directory is not None
    return RecordedRun(run.directory).summary()


def recorded(run: Run) -> RecordedRun:
    assert run.directory is not None
    return RecordedRun(run.directory)


def test_an_exception_ends_the_run_as_failed_and_goes_on_up() -> None:
    with pytest.raises(ZeroDivisionError), start() as run:
        run.log_metric("x", 1.0)
        1 / 0  # noqa: B018
    assert run.status == summary(run).status == "failed"
    lines = list(recorded(run).get_lines())
    assert "ZeroDivisionError: division by zero" in [line.text for line in lines]
    assert {line.stream for line in lines} == {"stderr"}


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), "killed"), (SystemExit(0), "finished"), (SystemExit(None), "finished"), (SystemExit(3), "failed"),
     (SystemExit("message"), "failed"), (SystemExit(143), "killed")],
)  # fmt: skip
def test_what_leaves_the_block_decides_how_it_ended(error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), start() as run:
        raise error
    assert summary(run).status == status


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("pass", "finished", 0), ("sys.exit(0)", "finished", 0), ("raise ValueError('x')", "failed", 1),
        ("raise KeyboardInterrupt", "killed", -2), ("os.kill(os.getpid(), signal.SIGTERM)", "killed", -15),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed", -9), ("os._exit(0)", "killed", 0),
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); os.kill(os.getpid(), signal.SIGTERM)", "finished", 143),
    ],
)  # fmt: skip
def test_how_a_process_goes_with_a_run_open(tmp_path: Path, body: str, status: str, code: int) -> None:
    # subprocess is imported at exit, as in a script this short: Python then forgets that it was interrupted.
    script = (
        "import multitrack, os, signal, sys\n"
        "run = multitrack.start_run(config={'delivery': 'off', 'journal': 'j'})\n"
        f"run.log_metric('x', 1.0, step=0)\n{body}\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == code, done.stderr.decode()
    (run,) = multitrack.open_journal(tmp_path / "j").runs()
    deadline = time.monotonic() + 5
    while run.summary().status == "running" and time.monotonic() < deadline:
        time.sleep(0.02)  # a git that the killed process had just begun holds its files until it is running
    assert run.summary().status == status
    assert run.summary().metrics == {"x": 1.0}


def test_a_closed_run_takes_nothing_and_loses_nothing() -> None:
    run = start()
    run.log_metric("x", 1.0)
    run.end()
    for call, arguments in (("log_metric", ("x", 2.0)), ("log_params", ({"a": 1},)), ("log_lines", ("x",)),
                            ("log_list_metric", ("l", [1])), ("log_artifact_ref", ("a", "s3://b")), ("set_tags", ({"a": "b"},))):  # fmt: skip
        with pytest.raises(RunClosedError, match=r"has ended; start_run\(run_id="):
            getattr(run, call)(*arguments)
    assert summary(run).metrics == {"x": 1.0}
    assert summary(run).records == 1
    run.end()
    with pytest.raises(ValueError, match="status"):
        start().end("done")  # type: ignore[arg-type]


def test_a_resumed_run_goes_on_and_knows_its_params() -> None:
    first = start(run_id="my-run", name="n", params={"lr": 0.1})
    first.log_list_metric("l", [1.0, 2.0])
    first.log_metric("s", 1.0, step=5)
    with pytest.raises(RunInUseError, match="my-run is open in this process already"):
        start(run_id="my-run")
    first.end()
    before = summary(first).records
    with pytest.raises(ParamChangedError, match="'lr'"):
        start(run_id="my-run", params={"lr": 0.2})
    assert summary(first).status == "finished"  # the refused start left it as it was
    again = start(run_id="my-run", params={"lr": 0.1})
    assert summary(again).status == "running"
    assert (again.name, summary(again).records) == ("n", before)
    again.log_list_metric("l", [3.0])
    with pytest.raises(MetricKindError):
        again.log_list_metric("s", [1.0])
    again.end()
    assert recorded(again).get_list_metrics() == {"l": [1.0, 2.0, 3.0]}
    times = [record.time for record in recorded(again).records()]
    assert times == sorted(times)


def test_a_forked_child_logs_to_a_segment_of_its_own() -> None:
    run = start()
    run.log_metric("x", 0, step=0)
    pid = os.fork()
    if pid == 0:
        for step in range(1, 4):
            run.log_metric("child", step, step=step)
        os._exit(0)
    for step in range(1, 4):
        run.log_metric("parent", step, step=step)
    os.waitpid(pid, 0)
    run.end()
    series = recorded(run).get_metrics()
    assert [p.value for p in series["child"]] == [p.value for p in series["parent"]] == [1, 2, 3]
    assert summary(run).status == "finished"
    assert run.directory is not None
    assert len(list(run.directory.glob("*.jsonl"))) == 2


@pytest.mark.parametrize(("tags", "told"), [({"deployment": "eu"}, 1), ({"stage": "eu"}, 0)])
def test_a_worker_forked_after_the_start_of_a_serving_run_is_told_once(
    tags: dict[str, str], told: int, caplog: pytest.LogCaptureFixture
) -> None:
    run = start(tags=tags)
    pid = os.fork()
    if pid == 0:
        for _ in range(3):
            run.log_metric("score", 1)
        os._exit(sum("Call start_run in each worker" in message for message in caplog.messages))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == told
    run.log_metric("score", 1)
    run.end()
    assert caplog.messages == []


# -- output as lines ------------------------------------------------------------------------------------------


def test_capture_turns_output_into_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("training")
    with start(capture=("stdout", "stderr", "logging")) as run:
        print("hello\nworld")
        print("progress 1%\rprogress 2%")
        print("no newline", end="")
        print("oops", file=sys.stderr)
        logger.warning("careful")
    print("after")
    assert capsys.readouterr().out == "hello\nworld\nprogress 1%\rprogress 2%\nno newlineafter\n"
    lines = [(line.stream, line.text) for line in recorded(run).get_lines()]
    assert [text for stream, text in lines if stream == "stdout"] == ["hello", "world", "progress 2%", "no newline"]
    assert ("stderr", "oops") in lines
    assert ("log", "WARNING training: careful") in lines
    with pytest.raises(ValueError, match="capture takes"):
        start(capture=("output",))


def test_a_log_handler_follows_the_active_run() -> None:
    logger = logging.getLogger("some.library")
    handler = multitrack.LogHandler()
    logger.addHandler(handler)
    try:
        logger.warning("nobody listens")
        with start() as run:
            logger.warning("heard %d", 1)
    finally:
        logger.removeHandler(handler)
    assert [line.text for line in recorded(run).get_lines()] == ["WARNING some.library: heard 1"]
