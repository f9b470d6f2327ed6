"""The disk fails: full, read-only, or without power. ``RLIMIT_FSIZE`` makes the kernel refuse, with short writes too."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import multitrack
from full_disk import no_space_beyond
from multitrack import JournalError
from multitrack.delivery.lane import Lane
from multitrack.delivery.lane_state import read_state
from multitrack.journal.cursor import Cursor
from multitrack.journal.segments import segment_path
from multitrack.journal.writer import Writer, close_dead
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording import lifecycle
from multitrack.recording.run import Run
from multitrack.records import Metric
from processes import wait_until
from recording_backends import delivered

pytestmark = pytest.mark.usefixtures("trusted")


def start(*backends: object, run_id: str | None = None, **config: Any) -> Run:
    settings = {"interval": 0.05, "delivery": "off", **config}
    return multitrack.start_run("p", run_id=run_id, backends=list(backends), config=settings)


def recorded(run: Run) -> RecordedRun:
    return multitrack.open_journal().run(run.id)


def size_of(run: Run) -> int:
    assert run.directory is not None
    return segment_path(run.directory, 1).stat().st_size


# -- full -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [0, 1, 40, 150])
def test_training_goes_on_and_what_was_before_and_after_is_kept(left: int, caplog: pytest.LogCaptureFixture) -> None:
    run = start("recording_backends:file")
    for step in range(3):
        run.log_metric("loss", 1.0, step=step)
    with no_space_beyond(size_of(run) + left):
        for step in range(3, 10):
            run.log_metric("loss", 1.0, step=step)
        run.log_params({"lr": 0.1})
        run.log_list_metric("list", [1.0, 2.0])
        run.log_lines("lost")
    in_time = [p.step for p in recorded(run).get_metrics()["loss"]]
    assert in_time == list(range(len(in_time)))  # as many as there was room for, and nothing behind them
    lost = 10 - len(in_time) + 3
    run.log_metric("loss", 1.0, step=10)
    run.log_params({"lr": 0.1})  # it was lost, so it may be said again
    run.log_list_metric("list", [3.0])
    report = run.end()
    assert report.lost == lost
    said = [record.getMessage() for record in caplog.records]
    assert len([text for text in said if "cannot be written" in text and "earlier ones are kept" in text]) == 1
    assert len([text for text in said if f"can be written again; {lost} records were lost" in text]) == 1
    assert [p.step for p in recorded(run).get_metrics()["loss"]] == [*in_time, 10]
    assert recorded(run).get_params() == {"lr": 0.1}
    assert recorded(run).get_list_metrics() == {"list": [3.0]}
    assert recorded(run).summary().lost == lost  # whoever reads it later is told, too
    synced = multitrack.sync()[run.id]
    assert (synced.complete, synced.lost) == (True, lost)
    assert [line["record"]["step"] for line in delivered(Path("delivered.jsonl"), "metric")] == [*in_time, 10]


def test_a_disk_that_fills_up_twice_is_said_twice_and_counted_once(caplog: pytest.LogCaptureFixture) -> None:
    run = start()
    for step in range(4):
        with no_space_beyond(size_of(run)) if step % 2 else contextlib.nullcontext():
            run.log_metric("loss", 1.0, step=step)
    run.log_metric("loss", 1.0, step=4)
    assert run.end().lost == 2
    assert recorded(run).summary().lost == 2
    assert caplog.text.count("cannot be written") == 2
    again = multitrack.start_run(run_id=run.id, config={"delivery": "off"})
    assert again.end().lost == 2


def test_a_list_in_parts_that_does_not_fit_is_lost_whole() -> None:
    run = start("recording_backends:file")
    with no_space_beyond(size_of(run) + (3 << 20)):
        run.log_list_metric("list", [i / 7 for i in range(300_000)])
    run.log_list_metric("list", [1.0])
    assert run.end().lost == 1
    assert recorded(run).get_list_metrics() == {"list": [1.0]}
    report = multitrack.sync()[run.id]
    assert (report["file"].delivered, report.complete) == (1, True)


def test_an_end_that_does_not_fit_counts_as_killed(caplog: pytest.LogCaptureFixture) -> None:
    run = start("recording_backends:file")
    run.log_metric("loss", 1.0, step=0)
    with no_space_beyond(size_of(run)):
        run.end()
    assert "its end could not be written" in caplog.text
    multitrack.sync()
    assert delivered(Path("delivered.jsonl"), "close")[0]["status"] == "killed"


def test_the_end_on_a_full_disk_does_not_wait_and_does_not_claim_too_much(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = start("recording_backends:hung", delivery="process")
    run.log_metric("loss", 1.0, step=0)
    run.wait_open(timeout=60)
    before = time.monotonic()
    with no_space_beyond(size_of(run)):
        run.log_metric("loss", 1.0, step=1)
        run.end()
    assert time.monotonic() - before < 15
    assert "the rest is kept; send the rest with: multitrack sync" in caplog.text
    assert "nothing is lost" not in caplog.text


def test_a_run_that_cannot_begin_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    with no_space_beyond(20), pytest.raises(JournalError, match="No space left on device"):
        start(run_id="full")
    assert list((tmp_path / ".multitrack" / "runs" / "full").glob("*.jsonl")) == []
    assert list((tmp_path / ".multitrack" / "runs" / "full").glob(".segment*")) == []
    start(run_id="full").end()


def test_a_dead_run_is_ended_once_there_is_space(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.append(Metric(time=writer.now(), values={"x": 1.0}, step=0))
    writer.close()
    for _ in range(3):
        with no_space_beyond(50), pytest.raises(JournalError):
            close_dead(tmp_path, 1)
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["000001.jsonl"]
    assert close_dead(tmp_path, 1)


def test_a_lane_waits_for_space(tmp_path: Path) -> None:
    """Position, asides and the tracker's own file: nothing is set aside because a disk was full."""
    run = start("recording_backends:file", "recording_backends:picky", picky={"path": "picky.jsonl"})
    for step in range(20):
        run.log_metric("bad" if step == 4 else "x", 1.0, step=step)
    run.end()
    from multitrack.delivery import waiting

    with pytest.MonkeyPatch.context() as short, no_space_beyond(900):
        short.setattr(waiting, "STALL", 1.0)
        short.setattr(waiting, "START", 1.0)
        report = multitrack.sync()[run.id]
        assert not report.complete
        assert sum(lane.set_aside for lane in report.values()) <= 1
    report = multitrack.sync()[run.id]
    assert report.complete, report
    assert (report["file"].set_aside, report["picky"].set_aside) == (0, 1)
    for name, steps in (("delivered", [*range(20)]), ("picky", [step for step in range(20) if step != 4])):
        # a backend that remembers nothing: what it wrote before the disk was full comes again
        assert [*dict.fromkeys(line["record"]["step"] for line in whole(tmp_path / f"{name}.jsonl"))] == steps


def test_a_full_disk_does_not_stop_a_lane() -> None:
    run = start("recording_backends:file")
    run.log_metric("x", 1.0, step=0)
    run.end()
    assert run.directory is not None
    said: list[str] = []
    lane = Lane(run.directory, run.manifest.backends[0], options={}, notice=said.append)
    with no_space_beyond(0):
        while lane.step():
            pass
    assert not lane.state.stopped
    assert lane.pace.due > time.monotonic()
    while lane.step():
        pass
    assert lane.state.closed
    lane.release()
    assert "File too large" in said[0]
    assert said[-1] == "file: delivering again"


def whole(path: Path) -> list[Any]:
    """The lines that are whole: this backend has no repair of its own for a line that a full disk cut."""
    found = []
    for line in path.read_text().splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return [line for line in found if line["what"] == "metric"]


# -- read-only ------------------------------------------------------------------------------------------------


def as_nobody(body: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    """Runs Python as a user whom permissions hold, also where the tests run as root."""
    become = "import os\nif os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
    return subprocess.run(
        [sys.executable, "-c", "import multitrack, sys\n" + become + body], cwd=directory, env={"PATH": "/usr/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A directory that everybody can reach, which ``tmp_path`` is not."""
    directory = Path("/var/tmp") / f"multitrack-test-{os.getpid()}"
    directory.mkdir()
    directory.chmod(0o777)
    yield directory
    directory.chmod(0o777)
    shutil.rmtree(directory)


def test_a_read_only_directory_is_said_with_what_to_do(theirs: Path) -> None:
    theirs.chmod(0o555)
    done = as_nobody("multitrack.start_run()", theirs)
    assert "JournalError" in done.stderr
    assert "MULTITRACK_JOURNAL" in done.stderr
    assert "Permission denied" in done.stderr


def test_a_directory_that_becomes_read_only_keeps_the_open_run(theirs: Path) -> None:
    """Also for a forked child, which cannot open its segment: it is told once, and never raises."""
    body = (
        "from pathlib import Path\n"
        "run = multitrack.start_run('p', 'n', run_id='r', config={'delivery': 'off'})\n"
        "run.directory.chmod(0o555)\nrun.log_metric('x', 1.0, step=0)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    for step in range(9): run.log_metric('child', 1.0, step=step)\n"
        "    os._exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), run.end().lost)\nrun.directory.chmod(0o755)\n"
    )
    done = as_nobody(body, theirs)
    assert done.stdout == "7 0\n", done.stderr
    assert done.stderr.count("records of this process are lost") == 1
    (path,) = (theirs / ".multitrack" / "runs" / "r").glob("*.jsonl")
    assert [json.loads(line)["record"] for line in path.read_text().splitlines()] == ["segment", "metric", "end"]


# -- without power --------------------------------------------------------------------------------------------


def test_with_fsync_everything_is_on_the_medium_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, synced = os.fsync, {}

    def noting(fd: int) -> None:
        real(fd)
        status = os.fstat(fd)
        synced[status.st_ino] = status.st_size

    monkeypatch.setattr("os.fsync", noting)
    run = start(fsync=0.05)
    assert run.directory is not None
    path = segment_path(run.directory, 1)
    lifecycle.join_context(run)  # which writes the manifest once more
    for place in (path, run.directory / "manifest.json", run.directory, run.directory.parent, tmp_path / ".multitrack"):
        assert place.stat().st_ino in synced
    run.log_metric("x", 1.0, step=0)
    wait_until(lambda: synced[path.stat().st_ino] == path.stat().st_size)
    pid = os.fork()
    if pid == 0:
        run.log_metric("child", 1.0, step=0)
        child = segment_path(run.directory, 2)
        wait_until(lambda: synced.get(child.stat().st_ino) == child.stat().st_size)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    run.log_metric("x", 1.0, step=1)
    run.end()
    assert synced[path.stat().st_ino] == path.stat().st_size


def test_without_fsync_nobody_waits_for_the_medium(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda fd: pytest.fail("fsync was called"))
    run = start()
    run.log_metric("x", 1.0, step=0)
    run.end()


def test_an_fsync_that_fails_is_said_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    calls = []

    def failing(fd: int) -> None:
        calls.append(fd)
        raise OSError(5, "Input/output error")

    run = start(fsync=0.02)
    monkeypatch.setattr("os.fsync", failing)
    for step in range(20):
        run.log_metric("x", 1.0, step=step)
        time.sleep(0.01)
    wait_until(lambda: len(calls) > 2)
    run.end()
    assert caplog.text.count("fsync failed: [Errno 5] Input/output error") == 1


def test_what_a_power_cut_took_after_its_delivery_does_not_hide_what_follows(tmp_path: Path) -> None:
    """The lane had delivered 6 records; 2 of them never reached the medium, and the resumed run writes 4 others."""
    run = start("recording_backends:file", run_id="cut")
    for step in range(6):
        run.log_metric("x", 1.0, step=step)
    multitrack.sync()
    assert run.directory is not None
    assert read_state(run.directory, "file").position == 7
    run._journal.writer.close()  # type: ignore[union-attr]
    multitrack.recording.lifecycle.forget(run)
    path = segment_path(run.directory, 1)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    again = start("recording_backends:file", run_id="cut")
    for step in range(6, 10):
        again.log_metric("x", 1.0, step=step)
    again.end()
    assert multitrack.sync()["cut"].complete
    steps = [line["record"]["step"] for line in delivered(tmp_path / "delivered.jsonl", "metric")]
    assert steps == list(range(10))
    assert Cursor(run.directory).read()
