"""The state of a resumed run is cached, and is the one that its journal tells."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.errors import MetricKindError, ParamChangedError
from multitrack.journal.cursor import Cursor
from multitrack.recording import resuming
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
