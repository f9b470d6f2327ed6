"""A run that is compacted begins a new segment each day: nothing is lost or read twice, and readers go on."""

import os
import resource
from pathlib import Path

import pytest

import multitrack
from full_disk import no_space_beyond
from monitor_clock import Clock, clock
from multitrack.journal.cursor import Cursor
from multitrack.journal.segments import is_held, segment_path
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import Metric, Segment
from processes import wait_until

__all__ = ["clock"]

HOUR = 3_600_000
SETTINGS = {"delivery": "off", "compact_after": "1d"}


def start(**more: object) -> multitrack.Run:
    return multitrack.start_run("shop", deployment="eu", backends=[], config={**SETTINGS, **more})


def values(directory: Path) -> list[float]:
    return [record.numbers["score"] for record in RecordedRun(directory).records() if isinstance(record, Metric)]


def numbered(directory: Path) -> list[Path]:
    return sorted(directory.glob("0*.jsonl"))


@pytest.mark.parametrize(("after", "count"), [("1d", 3), ("12h", 49), ("30min", 97)])
def test_a_segment_a_period(clock: Clock, after: str, count: int) -> None:
    clock.ms = 1_699_920_000_000  # midnight in UTC
    run = start(compact_after=after)
    assert run.directory is not None
    for number in range(48 * 4 + 1):
        run.log_metric("score", number)
        clock.ms += HOUR // 4
    segments = numbered(run.directory)
    # A program that is started on another thread has the files of this process until it runs.
    wait_until(lambda: [is_held(path) for path in segments] == [False] * (count - 1) + [True])
    run.end()
    assert values(run.directory) == list(range(48 * 4 + 1))
    first, *later = [record for record in RecordedRun(run.directory).records() if isinstance(record, Segment)]
    assert (first.fork, first.manifest is not None) == (False, True)
    assert all(record.fork and record.manifest is None for record in later)
    assert len(later) == count - 1
    assert RecordedRun(run.directory).summary().status == "finished"


def test_a_reader_that_waits_at_the_end_goes_on_in_the_next_segment(clock: Clock) -> None:
    run = start()
    assert run.directory is not None
    cursor, found = Cursor(run.directory), []
    for number in range(60):
        clock.ms += HOUR
        run.log_metric("score", number)
        found += [record.numbers["score"] for record in cursor.read() if isinstance(record, Metric)]
    assert not cursor.at_end()
    run.end()
    while some := cursor.read():
        found += [record.numbers["score"] for record in some if isinstance(record, Metric)]
    assert found == list(range(60))
    assert cursor.at_end()


def test_a_forked_child_has_segments_a_day_as_well(clock: Clock) -> None:
    run = start()
    assert run.directory is not None
    run.log_metric("score", 0)
    if (pid := os.fork()) == 0:
        for number in range(1, 60):
            clock.ms += HOUR
            run.log_metric("score", number)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    run.log_metric("score", 60)
    run.end()
    assert len(numbered(run.directory)) >= 4
    assert sorted(values(run.directory)) == list(range(61))


def test_a_full_disk_is_waited_out_in_the_segment_that_counts_the_losses(clock: Clock) -> None:
    run = start()
    assert run.directory is not None
    run.log_metric("score", 0)
    with no_space_beyond(segment_path(run.directory, 1).stat().st_size):
        for number in range(1, 60):
            clock.ms += HOUR
            run.log_metric("score", number)
    assert len(numbered(run.directory)) == 1
    for number in range(60, 120):
        clock.ms += HOUR
        run.log_metric("score", number)
    run.end()
    assert len(numbered(run.directory)) >= 3
    assert values(run.directory) == [0, *range(60, 120)]
    assert RecordedRun(run.directory).summary().lost == 59


def test_a_segment_that_cannot_be_opened_leaves_the_old_one_in_use(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    run = start()
    assert run.directory is not None
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    for number in range(30):
        clock.ms += HOUR
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
            run.log_metric("score", number)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(numbered(run.directory)) == 1
    assert "its records go on in segment 1" in caplog.text
    for number in range(30, 60):
        clock.ms += HOUR
        run.log_metric("score", number)
    run.end()
    assert len(numbered(run.directory)) >= 2
    assert values(run.directory) == list(range(60))
