"""Summaries of runs, and their cache."""

import math
import os
import stat
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import multitrack
from multitrack.journal.segments import segment_path
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.run import Run
from multitrack.summaries import cached_runs, curves
from multitrack.summaries.cache import CacheFile, stamp_of
from multitrack.summaries.cached_runs import cached_run
from multitrack.summaries.statistics import REDUCTIONS, RunningStatistics, Statistics
from multitrack.summaries.summary import Summary


def start(run_id: str | None = None, **more: Any) -> Run:
    return multitrack.start_run("digits", run_id=run_id, config={"delivery": "off"}, **more)


def recorded(run: Run) -> RecordedRun:
    return multitrack.open_journal().run(run.id)


def files(run: Run) -> set[str]:
    assert run.directory is not None
    return {path.name for path in run.directory.iterdir()}


def counted(numbers: list[int | float], stretch: int = 7) -> Statistics:
    running = RunningStatistics()
    for i in range(0, len(numbers), stretch):
        running.waiting += numbers[i : i + stretch]
        running.count()
    return running.result()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**80), 2**80) | st.floats(), min_size=1, max_size=60))
def test_statistics_are_of_all_numbers_and_of_the_finite_ones(numbers: list[int | float]) -> None:
    found = counted(numbers)
    finite = [number for number in numbers if math.isfinite(number)]
    assert (found.count, repr(found.first), repr(found.last)) == (len(numbers), repr(numbers[0]), repr(numbers[-1]))
    if not finite:
        assert (found.min, found.max, found.mean, found.median) == (None, None, None, None)
        return
    assert (found.min, found.max) == (min(finite), max(finite))
    largest = max(abs(float(number)) for number in finite)
    assert found.median == pytest.approx(statistics.median(float(n) / 2 for n in finite) * 2, rel=1e-12, abs=1e-300)
    if largest < 1e300:
        assert found.mean == pytest.approx(statistics.fmean(map(float, finite)), rel=1e-9, abs=largest * 1e-12)


def test_the_median_of_a_long_series_is_of_an_even_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multitrack.summaries.statistics.SAMPLE", 100)
    found = counted([float(i) for i in range(10_000)], 33)
    assert (found.count, found.min, found.max, found.mean) == (10_000, 0, 9999, 4999.5)
    assert found.median == pytest.approx(5000, abs=200)


def test_every_reduction_by_its_name() -> None:
    found = counted([3, 1, 2, 10, math.nan])
    values = {name: found.reduce(name, "min") for name in REDUCTIONS}
    assert repr(values.pop("last")) == "nan"
    assert values == {"first": 3, "min": 1, "max": 10, "mean": 4, "median": 2.5, "count": 5, "best": 1}
    assert found.reduce("best", "max") == 10
    with pytest.raises(ValueError, match="min or max"):
        found.reduce("best")
    with pytest.raises(ValueError, match="no reduction 'sum'; there are last, first"):
        found.reduce("sum")


def test_a_summary_is_cached_once_the_run_has_ended_and_holds_what_was_recorded() -> None:
    run = start(params={"lr": 0.1, "nan": math.nan, "l": [1, "a"], "n": None, "b": True}, tags={"a": "ä"}, name="näme")
    run.log_metrics({"loss": 2, "acc": math.inf}, step=0)
    run.log_metrics({"loss": 1.5, "acc": 0.5}, step=1)
    run.log_metric("acc", 0.75)
    run.log_list_metric("l", [3, 1, math.nan])
    run.log_artifact_ref("w", "s3://b/w", kind="model")
    run.log_lines(["a", "b"])
    reader = recorded(run)
    live = reader.summary()
    assert live.status == "running"
    assert cached_runs.CACHE.name not in files(run)
    run.end()
    assert recorded(run).summary().status == "finished"
    assert cached_runs.CACHE.name in files(run)
    assert run.directory is not None
    assert stat.S_IMODE((run.directory / cached_runs.CACHE.name).stat().st_mode) == 0o600
    segment_path(run.directory, 1).chmod(0)  # even root's reading is shown by what follows
    again = recorded(run)
    found = again.summary()
    assert repr(found.params) == repr({"lr": 0.1, "nan": math.nan, "l": [1, "a"], "n": None, "b": True})
    assert repr(found.series["acc"]) == repr(Statistics(2, math.inf, 0.5, 0.5, 0.5, 0.5, 0.5))
    assert repr(found.lists["l"]) == repr(Statistics(3, 3, math.nan, 1, 3, 2.0, 2.0))
    assert repr(found.metrics) == repr({"loss": 1.5, "acc": 0.75, "l": math.nan})
    assert found.lengths == {"loss": 2, "acc": 2, "l": 3}
    assert (found.tags, found.lines, found.artifacts[0].uri, found.records) == ({"a": "ä"}, 2, "s3://b/w", 8)
    assert (again.facts.name, again.facts.project, again.facts.created) == ("näme", "digits", again.manifest.created)
    assert again.origin is not None
    assert again.origin.command == (again.manifest.context and again.manifest.context.command)
    assert repr(Summary.of(run.directory)) == repr(found)
    assert repr(live.params) == repr(found.params)


def no_journal_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("a journal was read")

    monkeypatch.setattr(Summary, "with_rest", read)


def test_listing_again_reads_no_journal_and_no_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = start(params={"lr": 0.1}, tags={"stage": "prod"})
    start(parent=parent).end()
    parent.end()
    where = 'params.lr < 1 and tags.stage = "prod" and python and status = finished or parent'
    assert len(list(multitrack.open_journal().runs(where=where))) == 2
    no_journal_is_read(monkeypatch)
    monkeypatch.setattr("multitrack.reading.recorded_run.read_manifest", no_journal_is_read)
    found = list(multitrack.open_journal().runs(where=where))
    assert [run.summary().status for run in found] == ["finished", "finished"]
    assert found[1].get("python") == found[0].get("python") is not None  # a child's is its parent's


def test_a_resumed_run_invalidates_the_cache() -> None:
    run = start(params={"lr": 0.1})
    run.log_metric("loss", 1.0, step=0)
    run.end()
    reader = recorded(run)
    assert reader.summary().series["loss"].count == 1
    again = start(run_id=run.id)
    again.log_metric("loss", 0.5, step=1)
    assert reader.summary().status == recorded(run).summary().status == "running"
    again.end("failed")
    for one in (reader, recorded(run)):  # one that had read it before, and a new one
        assert (one.summary().series["loss"].count, one.summary().status) == (2, "failed")


def test_a_changed_manifest_or_segment_invalidates_it() -> None:
    run = start(name="first")
    run.log_metric("loss", 0.5, step=0)
    run.end()
    assert recorded(run).get("name") == "first"
    assert run.directory is not None
    path = run.directory / "manifest.json"
    path.write_text(path.read_text().replace('"first"', '"other"'))
    os.utime(path, ns=(1, 1))
    assert recorded(run).get("name") == "other"
    path = segment_path(run.directory, 1)
    path.write_bytes(path.read_bytes().replace(b'"loss":0.5', b'"loss":0.7'))
    os.utime(path, ns=(1, 1))
    assert recorded(run).get("metrics.loss") == 0.7


@pytest.mark.parametrize("content", [b"", b"\x00" * 99, b"\x93\x01\x90\x80", None])
def test_a_damaged_file_is_made_again(content: bytes | None) -> None:
    run = start(params={"lr": 0.1})
    run.end()
    whole = recorded(run).summary()
    assert run.directory is not None
    path = run.directory / cached_runs.CACHE.name
    before = path.read_bytes()
    path.write_bytes(before[:-3] if content is None else content)
    assert recorded(run).summary() == whole
    assert path.read_bytes() == before


def test_one_of_another_version_or_run_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    run, other = start(params={"lr": 0.1}), start(params={"lr": 0.2})
    for one in (run, other):
        one.end()
        recorded(one).summary()
    assert run.directory is not None
    assert other.directory is not None
    (run.directory / cached_runs.CACHE.name).write_bytes((other.directory / cached_runs.CACHE.name).read_bytes())
    stamp = stamp_of(other.directory)
    with monkeypatch.context() as patched:
        patched.setattr(
            "multitrack.summaries.cache.stamp_of", lambda directory: stamp
        )  # were they the same size and age
        assert recorded(run).id == run.id
    assert recorded(run).get("params.lr") == 0.1
    newer = CacheFile(cached_runs.CACHE.name, cached_runs.CACHE.version + 1, cached_runs.CachedRun)
    assert cached_run(run.directory, stamp_of(run.directory)) is not None
    monkeypatch.setattr(cached_runs, "CACHE", newer)
    assert cached_run(run.directory, stamp_of(run.directory)) is None


def test_a_journal_that_cannot_be_written_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(params={"lr": 0.1})
    run.end()

    def refuse(path: Any, flags: int, *more: int) -> int:  # as root would not be refused
        if flags & os.O_CREAT:
            raise PermissionError(13, "read-only")
        return opened(path, flags, *more)

    opened = os.open
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        assert recorded(run).summary().params == {"lr": 0.1}
    assert cached_runs.CACHE.name not in files(run)
    assert not [name for name in files(run) if name.startswith(".")]


def test_a_run_of_somebody_else_is_not_written_through_a_link(tmp_path: Path) -> None:
    run = start()
    run.end()
    assert run.directory is not None
    run.directory.rename(tmp_path / "victim")
    run.directory.symlink_to(tmp_path / "victim")
    assert recorded(run).summary().status == "finished"
    assert cached_runs.CACHE.name not in {path.name for path in (tmp_path / "victim").iterdir()}


def test_an_integer_beyond_64_bits_is_read_each_time() -> None:
    run = start(params={"big": 2**70})
    run.log_metric("big", 2**70)
    run.end()
    assert recorded(run).summary().params == recorded(run).summary().simple == {"big": 2**70}
    assert cached_runs.CACHE.name not in files(run)


def test_a_run_without_a_segment_is_running() -> None:
    """Between its manifest and its first record, or damaged."""
    run = start()
    run.end()
    assert run.directory is not None
    segment_path(run.directory, 1).unlink()
    assert recorded(run).summary().records == 0


def test_readers_at_once_leave_one_whole_file() -> None:
    run = start(params={"lr": 0.1})
    for step in range(300):
        run.log_metric("loss", 1.0, step=step)
    run.end()
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(recorded(run).summary().series["loss"].count)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [300] * 6
    assert run.directory is not None
    assert cached_run(run.directory, stamp_of(run.directory)) is not None
    assert not [name for name in files(run) if name.startswith(".")]


def test_the_courier_caches_before_it_exits(trusted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    run = multitrack.start_run("digits", backends=["recording_backends:file"], params={"lr": 0.1})
    run.log_metric("loss", 0.5, step=0)
    run.log_list_metric("noise", range(200_000))
    run.end()
    multitrack.recording.couriers.stop_couriers()
    assert run.directory is not None
    deadline = time.monotonic() + 60
    while not (run.directory / curves.CACHE.name).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    found = cached_run(run.directory, stamp_of(run.directory))
    assert found is not None
    assert (found.summary.status, found.summary.series["loss"].count) == ("finished", 1)
    monkeypatch.setattr(curves, "read_curves", None)  # the journal is not read for them
    assert curves.curves_of(run.directory).lists["noise"].count == 200_000


def test_the_courier_caches_only_runs_that_have_ended_and_are_short(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    over, live, long = (start(params={"n": i, "text": "x" * 5000 * i}) for i in range(3))
    over.end()
    long.end()
    directories = [run.directory for run in (over, live, long) if run.directory is not None]
    monkeypatch.setattr(cached_runs, "_SMALL", 12_000)
    cached_runs.cache_ended_runs([tmp_path / "gone", *directories], -1)
    assert not any((directory / cached_runs.CACHE.name).exists() for directory in directories)
    cached_runs.cache_ended_runs([tmp_path / "gone", *directories], 60)
    assert [(directory / cached_runs.CACHE.name).exists() for directory in directories] == [True, False, False]
