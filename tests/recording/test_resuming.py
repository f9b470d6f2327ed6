"""The state of a resumed run is cached, and is the one that its journal tells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.errors import MetricKindError, ParamChangedError
from multitrack.journal import encoding
from multitrack.journal.cursor import Cursor
from multitrack.recording import checkpoint, resuming
from multitrack.recording.history import Past

CONFIG = {"delivery": "off", "journal": "journal"}


@pytest.fixture(autouse=True)
def worth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cache also the state of runs that are quick to read."""
    monkeypatch.setattr(resuming, "_WORTH", 1)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The segments that were read, in this order."""
    segments: list[int] = []
    original = Cursor._read_from

    def noted(cursor: Cursor, *args: Any) -> bool:
        if cursor.segment not in segments:
            segments.append(cursor.segment)
        return original(cursor, *args)

    monkeypatch.setattr(Cursor, "_read_from", noted)
    return segments


def started(run_id: str | None = None, **arguments: Any) -> multitrack.Run:
    return multitrack.start_run("p", run_id=run_id, backends=[], config=CONFIG, **arguments)


def record(run: multitrack.Run, step: int) -> None:
    """A record of each kind."""
    run.log_params({f"p{step}": step, "nested": {"a": [1, None, "x"]}, "big": 2**70, "o": object()})
    run.log_metric("loss", 0.5, step=step)
    run.log_metric("simple", 1)
    run.log_list_metric("list", [1.0, 2.0])
    run.log_lines(["a", "b"])
    run.set_tags({"key": step})
    run.log_artifact_ref("data", "s3://bucket/key", kind="dataset", role="input")


def without_cache(directory: Path) -> Past:
    (directory / "past.msgpack").unlink(missing_ok=True)
    return resuming.past_of(directory)


def comparable(past: Past) -> Past:
    """Simple metrics have no kind that a call could violate, so the journal's reader does not tell them."""
    past.kinds = {name: kind for name, kind in past.kinds.items() if kind != "simple"}
    return past


def ended(run: multitrack.Run) -> Path:
    run.end()
    assert run.directory is not None
    return run.directory


def test_a_run_that_ended_is_not_read_again(read: list[int]) -> None:
    run = started()
    record(run, 0)
    directory = ended(run)
    read.clear()
    cached = comparable(resuming.past_of(directory))
    assert read == []
    assert cached == without_cache(directory)
    assert cached.count == 7
    assert read == [1]
    again = started(run.id)
    with pytest.raises(ParamChangedError):
        again.log_params({"p0": 1})
    with pytest.raises(MetricKindError):
        again.log_list_metric("loss", [1.0])
    record(again, 1)
    again.end()
    cached = comparable(resuming.past_of(directory))
    assert read == [1]
    assert cached == without_cache(directory)
    assert cached.count == 14


def test_only_later_segments_are_read(read: list[int]) -> None:
    run = started()
    record(run, 0)
    directory = ended(run)
    code = f"import multitrack, os; run = multitrack.start_run('p', run_id={run.id!r}, backends=[], config={CONFIG}); "
    code += "[run.log_metric('late', 1.0, step=step) for step in range(5)]; os._exit(1)"
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    read.clear()
    cached = comparable(resuming.past_of(directory))
    assert read == [2]
    assert cached == without_cache(directory)
    assert (cached.count, cached.kinds["late"]) == (12, "series")


def test_records_of_other_processes_are_read() -> None:
    run = started()
    record(run, 0)
    if (pid := os.fork()) == 0:
        run.log_metric("child", 1.0, step=0)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    directory = ended(run)
    assert not (directory / "past.msgpack").exists()
    assert resuming.past_of(directory).kinds["child"] == "series"
    again = started(run.id)
    record(again, 1)
    again.end()
    cached = comparable(resuming.past_of(directory))
    assert cached == without_cache(directory)
    assert cached.count == 15


@pytest.mark.parametrize("damage", ["bytes", "segment", "longer"])
def test_a_cache_that_does_not_fit_is_not_used(damage: str) -> None:
    run = started()
    record(run, 0)
    directory = ended(run)
    segment = directory / "000001.jsonl"
    if damage == "bytes":
        cache = directory / "past.msgpack"
        cache.write_bytes(cache.read_bytes()[:-3])
    elif damage == "segment":  # as compaction replaces it
        lines = [line for line in segment.read_bytes().splitlines(keepends=True) if b'"loss"' not in line]
        segment.write_bytes(b"".join(lines))
    else:
        stat = segment.stat()
        segment.write_bytes(segment.read_bytes().replace(b'"loss"', b'"gain"'))
        os.utime(segment, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    found = comparable(resuming.past_of(directory))
    assert found == without_cache(directory)
    assert ("loss" in found.kinds) == (damage == "bytes")
    assert found.count == (6 if damage == "segment" else 7)


def test_a_short_run_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "_WORTH", 8)
    run = started()
    record(run, 0)
    directory = ended(run)
    resuming.past_of(directory)
    assert not (directory / "past.msgpack").exists()


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after each call after which there can be one, by forked children, too."""
    monkeypatch.setattr(checkpoint, "_RECORDS", 1)
    monkeypatch.setattr(checkpoint, "_LOOK_EVERY", 0)
    monkeypatch.setattr(checkpoint, "_MOST", 3600.0)


def killed(act: Callable[[], object]) -> None:
    """Run something in a forked process that is killed then."""
    if (pid := os.fork()) == 0:
        try:
            act()
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL


def roll(run: multitrack.Run) -> None:
    """Begin a new segment, as after some hours of a deployment."""
    run._journal.roll_every(3600.0)
    run._journal._roll(run._journal.past.last_time)


def new_run() -> Path:
    """The directory of a run that was started and killed, with records of all kinds, and a few more of one."""

    def act() -> None:
        run = started()
        for step in range(3):
            record(run, step)
        run.log_lines("a checkpoint")
        run.log_metrics({"late": 1.0, "later": 2}, step=1)
        run.log_params({"after": "the checkpoint"})

    killed(act)
    (directory,) = Path("journal/runs").iterdir()
    return directory


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The lines that were decoded."""
    decoded: list[bytes] = []
    original = encoding.decode

    def noted(line: bytes) -> Any:
        decoded.append(line)
        return original(line)

    monkeypatch.setattr(encoding, "decode", noted)
    return decoded


@pytest.mark.usefixtures("often")
def test_of_a_killed_run_only_what_came_after_a_checkpoint_is_read(lines: list[bytes]) -> None:
    directory = new_run()
    lines.clear()
    cached = comparable(resuming.past_of(directory))
    assert [b'"after"' in line for line in lines] == [True]
    assert cached == without_cache(directory)
    assert len(lines) > 20
    assert (cached.count, cached.kinds["later"], cached.params["after"][1]) == (24, "series", "the checkpoint")
    killed(lambda: record(started(directory.name), 3))
    lines.clear()
    cached = comparable(resuming.past_of(directory))
    assert len(lines) < 5
    assert cached == without_cache(directory)
    again = started(directory.name)
    with pytest.raises(ParamChangedError):
        again.log_params({"after": 1})
    again.end()


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("damage", ["cut", "other bytes", "another file", "damaged", "missing", "shorter"])
def test_a_checkpoint_that_does_not_fit_is_not_used(damage: str) -> None:
    directory = new_run()
    segment, cache = directory / "000001.jsonl", directory / "past.msgpack"
    whole = segment.read_bytes()
    if damage == "cut":
        cache.write_bytes(cache.read_bytes()[:-3])
    elif damage == "damaged":
        cache.write_bytes(b"\xff" * 100)
    elif damage == "missing":
        cache.unlink()
    elif damage == "shorter":
        segment.write_bytes(whole[: whole.index(b'"loss"')] + b"\n")
    elif damage == "other bytes":
        with segment.open("r+b") as file:
            file.write(whole.replace(b'"late"', b'"tale"'))
    else:  # as compaction replaces it
        (directory / "draft").write_bytes(whole.replace(b'"loss"', b'"gain"'))
        (directory / "draft").replace(segment)
    cached = comparable(resuming.past_of(directory))
    assert cached == without_cache(directory)
    assert ("tale" in cached.kinds) == (damage == "other bytes")
    assert ("gain" in cached.kinds) == (damage == "another file")
    assert (cached.count == 24) == (damage != "shorter")


@pytest.mark.usefixtures("often")
def test_records_of_forked_processes_are_read_after_a_kill() -> None:
    def act() -> None:
        run = started()
        record(run, 0)
        killed(lambda: [run.log_metric("child", 1.0, step=step) for step in range(3)])
        record(run, 1)
        roll(run)
        record(run, 2)  # the state lacks the child's, whose segment lies between

    killed(act)
    (directory,) = Path("journal/runs").iterdir()
    cached = comparable(resuming.past_of(directory))
    assert cached == without_cache(directory)
    assert (cached.count, cached.kinds["child"]) == (24, "series")


@pytest.mark.usefixtures("often")
def test_segments_of_its_own_and_what_is_counted_later(lines: list[bytes]) -> None:
    def act() -> None:
        run = started()
        record(run, 0)
        roll(run)
        run.integration.new_training()
        run.integration.note_trained(1, epoch=1, step=1, batches=1, counted=1, skipped_epochs=2, skipped_batches=3)
        run.integration.count_skipped(epochs=2, batches=3)
        record(run, 1)
        run.integration.new_training()
        run.integration.count_skipped(epochs=4, batches=5)  # counted, but not recorded yet
        run.log_metric("loss", 0.5, step=2)
        run.integration.note_trained(2, epoch=1, step=1, batches=1, counted=1, skipped_epochs=4, skipped_batches=5)

    killed(act)
    (directory,) = Path("journal/runs").iterdir()
    lines.clear()
    cached = comparable(resuming.past_of(directory))
    assert [b'"trained"' in line for line in lines] == [True]
    assert cached == without_cache(directory)
    assert (cached.trainings, cached.skipped_epochs, cached.skipped_batches) == (2, 6, 8)


@pytest.mark.usefixtures("often")
def test_there_is_no_checkpoint_while_records_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def act() -> None:
        run = started()
        record(run, 0)
        monkeypatch.setattr("multitrack.journal.writer.os.write", lambda fd, line: 1)
        run.log_metric("loss", 0.5, step=1)
        monkeypatch.undo()
        record(run, 1)

    killed(act)
    (directory,) = Path("journal/runs").iterdir()
    cached = comparable(resuming.past_of(directory))
    assert cached == without_cache(directory)
    assert cached.lost == 1


def test_checkpoints_are_written_after_so_many_records_and_so_much_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "_RECORDS", 5)
    monkeypatch.setattr(checkpoint, "_LOOK_EVERY", 3_600_000)
    monkeypatch.setattr(checkpoint, "_MOST", 3600.0)
    run = started()
    directory = run.directory
    assert directory is not None
    journal = run._journal
    due, cache = journal._checkpoints, directory / "past.msgpack"
    run.log_metric("loss", 0.5, step=0)
    for step in range(10):
        due.due = 0.0
        run.log_metric("loss", 0.5, step=step)
    assert not cache.exists()  # the time has not come
    journal.look_at = due.due = 0.0
    run.log_metric("loss", 0.5, step=10)
    assert cache.exists()
    cache.unlink()
    for step in range(4):
        journal.look_at = due.due = 0.0
        run.log_metric("loss", 0.5, step=step)
    assert not cache.exists()  # too few records
    monkeypatch.setattr(checkpoint, "_MOST", 1e-9)
    journal.look_at = due.due = 0.0
    run.log_metric("loss", 0.5, step=4)
    assert cache.exists()
    assert due._after > 1000  # one that takes long is seldom written
    run.end()
