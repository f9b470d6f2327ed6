"""A compacted segment: smaller, with every figure exact, everything else unchanged and at its place."""

import math
from pathlib import Path
from typing import Any

import pytest

import multitrack
from compacted_runs import DAY, compacted, segments, service
from full_disk import no_space_beyond
from monitor_clock import Clock
from multitrack.compaction import segment
from multitrack.errors import JournalError
from multitrack.journal.cursor import Cursor
from multitrack.monitor import monitor
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import Compacted, Lines, Metric
from multitrack.summaries.summary import Summary

STATISTICS = ("count", "rate", "mean", "min", "max", "p50", "p95", "p99")


def windows(metric: str, every: str = "1h") -> list[dict[str, Any]]:
    (found,) = monitor(multitrack.open_journal().runs(), metric, every=every, statistics=STATISTICS).groups.values()
    assert len(found) > 10
    return [{"start": window.start, **window.statistics} for window in found]


def kept(run: RecordedRun) -> list[tuple[Any, ...]]:
    """All records but simple metrics and headers, with their ordinals and derived fields."""
    return [
        (type(record), record.ordinal, record)
        for record in run.records()
        if type(record).__name__ not in ("Compacted", "Segment")
        and not (isinstance(record, Metric) and record.step is None)
    ]


def position(run: RecordedRun) -> int:
    cursor = Cursor(run.directory)
    while cursor.read():
        pass
    assert cursor.at_end()
    return cursor.position


def test_all_figures_but_percentiles_stay_exactly_the_same(clock: Clock) -> None:
    run = service(clock)
    before = {name: windows(name) for name in ("score", "latency")}
    summary, others, lines = run.summary(), kept(run), position(run)
    done = compacted(run)
    assert done.segments == 2
    assert done.records == lines - len(others) - done.segments  # and the headers
    assert done.after < done.before / 4
    assert windows("score") == before["score"]  # of few different values, the percentiles as well
    for was, now in zip(before["latency"], windows("latency"), strict=True):
        exact = {name: was[name] for name in ("start", "count", "rate", "min", "max")}
        assert {name: now[name] for name in exact} == exact
        assert now["mean"] == pytest.approx(was["mean"], rel=1e-14)
    again = RecordedRun(run.directory)
    assert again.summary() == summary
    assert (kept(again), position(again)) == (others, lines)
    assert again.get_metrics()["loss"] == run.get_metrics()["loss"]


def test_percentiles_are_within_one_percent_of_the_value_at_their_rank(clock: Clock) -> None:
    run = service(clock)
    values = sorted(
        record.numbers["latency"]
        for record in run.records()
        if isinstance(record, Metric) and math.isfinite(record.numbers.get("latency", math.nan))
    )
    compacted(run)
    found = monitor(multitrack.open_journal().runs(), "latency", every="300d", statistics=["p50", "p99.9"])
    ((window,),) = found.groups.values()
    for percent in (50, 99.9):
        rank = (len(values) - 1) * percent / 100
        low, high = values[math.floor(rank)], values[math.ceil(rank)]
        assert low * 0.99 <= window.statistics[f"p{percent}"] <= high * 1.01  # type: ignore[operator]


def test_lines_are_dropped_and_counted_if_asked(clock: Clock) -> None:
    run = service(clock)
    summary = run.summary()
    compacted(run, "metrics", "lines")
    again = RecordedRun(run.directory)
    assert again.summary() == summary
    assert list(again.get_lines()) == []
    assert not any(isinstance(record, Lines) for record in again.records())
    assert sum(record.lines for record in again.records() if isinstance(record, Compacted)) == summary.lines > 0


def test_lines_may_be_dropped_later_than_metrics(clock: Clock) -> None:
    run = service(clock)
    summary, before, lines = run.summary(), windows("latency"), position(run)
    first = compacted(run)
    assert windows("latency") != before
    before = windows("latency")
    second = compacted(run, "lines")
    assert (second.segments, second.records) == (2, summary.lines // 2)
    assert second.after < first.after
    assert windows("latency") == before
    again = RecordedRun(run.directory)
    assert (again.summary(), position(again)) == (summary, lines)
    assert list(again.get_lines()) == []


def test_compacting_again_changes_nothing(clock: Clock) -> None:
    run = service(clock)
    compacted(run)
    before = [path.read_bytes() for path in segments(run.directory)]
    with pytest.raises(ValueError, match="not enough values"):
        compacted(run)
    assert [path.read_bytes() for path in segments(run.directory)] == before


def test_a_full_disk_changes_nothing_and_is_named(clock: Clock) -> None:
    run = service(clock)
    before = [path.read_bytes() for path in segments(run.directory)]
    with no_space_beyond(5000), pytest.raises(JournalError, match=f"cannot compact run {run.id}: File too large"):
        compacted(run)
    assert [path.read_bytes() for path in segments(run.directory)] == before
    assert not (run.directory / ".compacting").exists()


def test_damaged_and_torn_lines_keep_their_place(clock: Clock) -> None:
    run = service(clock)
    first, last = segments(run.directory)
    lines = first.read_bytes().splitlines(keepends=True)
    lines[100] = b'{"record":"metric","time":"x"}\n'
    lines[200] = b'{"record":"metric","time":1,"values":{"score":"many"}}\n'
    lines[300:300] = [b"\n"]
    first.write_bytes(b"".join(lines))
    with last.open("ab") as file:
        file.write(b'{"record":"metric","ti')

    def damaged() -> list[tuple[int, str]]:
        cursor = Cursor(run.directory)
        while cursor.read():
            pass
        return cursor.damaged

    before, lines_before = damaged(), position(run)
    assert len(before) == 3
    compacted(run)
    assert (damaged(), position(run)) == (before, lines_before)


def test_a_reader_in_the_middle_of_a_segment_reads_on_in_the_file_that_it_began(clock: Clock) -> None:
    run = service(clock)
    expected = Summary.of(run.directory)
    cursor = Cursor(run.directory)
    records = cursor.read(max_records=700)
    compacted(run)
    while some := cursor.read(max_records=700):
        records += some
    simple = [record for record in records if isinstance(record, Metric) and record.step is None]
    removed = sum(record.records for record in records if isinstance(record, Compacted))
    assert 0 < len(simple) < expected.records  # those of the first segment
    assert [record.ordinal for record in simple] == sorted({record.ordinal for record in simple})
    assert cursor.position == position(run)
    assert len(simple) + removed + len(kept(run)) == position(run) - len(segments(run.directory))


def test_a_segment_that_would_not_become_smaller_is_left_alone(clock: Clock) -> None:
    run = service(clock, every=DAY // 3)
    before = [path.read_bytes() for path in segments(run.directory)]
    with pytest.raises(ValueError, match="not enough values"):
        compacted(run)
    assert [path.read_bytes() for path in segments(run.directory)] == before


def test_a_killed_compaction_leaves_the_segment_as_it_was(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    run = service(clock)
    before = [path.read_bytes() for path in segments(run.directory)]
    monkeypatch.setattr(segment, "put_on_medium", lambda path: pytest.fail("never comes here"))
    monkeypatch.setattr(Path, "replace", lambda path, target: (_ for _ in ()).throw(KeyboardInterrupt))
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: None)  # a killed process cleans nothing up
    with pytest.raises(KeyboardInterrupt):
        compacted(run)
    assert [path.read_bytes() for path in segments(run.directory)] == before
    assert (run.directory / ".compacting").exists()
    monkeypatch.undo()
    assert compacted(run).segments == 2
    assert not (run.directory / ".compacting").exists()
