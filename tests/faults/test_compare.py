"""The comparison of the kill harness can fail: whatever is taken away, doubled, moved or altered is told."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import calls
import multitrack
from compare import Expected, Noted, Training, compare_journal, compare_tracker, read_notes
from multitrack.reading.recorded_run import RecordedRun
from multitrack.testing import Capabilities, NativePoint, NativeRun
from training import Notes

SEED, COUNT = 5, 120


def recorded(tmp_path: Path, long_at: int = -1) -> tuple[RecordedRun, Training]:
    """A run that this process has logged and noted, as ``training.py`` does."""
    notes = Notes(str(tmp_path / "notes"))
    config = {"journal": str(tmp_path / "journal"), "delivery": "off"}
    with notes.of("start"):
        run = multitrack.start_run(
            "p", config=config, backends=[], params=calls.PARAMS, tags=calls.start_tags(0), run_id="r"
        )
    for n in range(COUNT):
        with notes.of(n):
            calls.call(SEED, n, long_at=long_at).make(run)
    with notes.of("end"):
        run.end()
    assert run.directory is not None
    return RecordedRun(run.directory), Training(os.getpid(), 0, long_at, read_notes(tmp_path / "notes"))


def held(expected: Expected) -> NativeRun:
    """What a tracker gives that holds everything."""
    return NativeRun(
        params=dict(expected.params), artifacts=dict(expected.artifacts), tags={**expected.tags, "own": "x"},
        lines=list(expected.lines), metrics={name: values[-1] for name, values in expected.simple.items()},
        series={
            name: [NativePoint(step, float(value), time) for step, value, time in points]
            for name, points in expected.series.items()
        },
    )  # fmt: skip


def test_what_was_logged_and_nothing_else_is_right(tmp_path: Path) -> None:
    run, training = recorded(tmp_path, long_at=7)
    expected, misses = compare_journal(run, SEED, [training])
    assert misses.told == []
    assert expected.acknowledged == COUNT + 2
    assert len(expected.series["signal"]) > calls.LONG
    assert compare_tracker(held(expected), expected, Capabilities()).told == []


def _reverse(native: NativeRun) -> None:
    native.series["loss"].reverse()


TAMPERINGS: dict[str, tuple[Callable[[NativeRun], object], tuple[int, int, int, int]]] = {
    "a point is lost": (lambda native: native.series["loss"].pop(3), (1, 0, 0, 0)),
    "a point comes twice": (lambda native: native.series["plateau"].append(native.series["plateau"][-1]), (0, 1, 0, 0)),
    "points are out of order": (_reverse, (0, 0, 1, 0)),
    "a time is altered": (
        lambda native: native.series["loss"].insert(0, native.series["loss"].pop(0)._replace(time=1)), (1, 1, 0, 0)
    ),
    "a list has a gap": (lambda native: native.series["signal"].pop(100), (1, 0, 0, 0)),
    "a series is not there": (lambda native: native.series.pop("gaps"), (-1, 0, 0, 0)),
    "a series is alien": (lambda native: native.series.update(alien=[NativePoint(0, 1.0, 1)]), (0, 0, 0, 1)),
    "a metric is an earlier value": (lambda native: native.metrics.update(best=0.0), (1, 0, 0, 0)),
    "a line comes twice": (lambda native: native.lines.append(native.lines[-1]), (0, 1, 0, 0)),
    "a param has another type": (lambda native: native.params.update({"model/units": 64.0}), (1, 1, 0, 0)),
    "a tag is an earlier value": (lambda native: native.tags.update(started="?"), (1, 1, 0, 0)),
    "a reference is lost": (lambda native: native.artifacts.popitem(), (1, 0, 0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_a_tracker_lacks_or_has_too_much_is_told(name: str, tmp_path: Path) -> None:
    run, training = recorded(tmp_path)
    expected, _ = compare_journal(run, SEED, [training])
    native = held(expected)
    tamper, counts = TAMPERINGS[name]
    tamper(native)
    misses = compare_tracker(native, expected, Capabilities())
    if counts[0] < 0:
        assert misses.lost == len(expected.series["gaps"])
    else:
        assert (misses.lost, misses.twice, misses.out_of_order, misses.other) == counts
    assert len(misses.told) == 1


@pytest.mark.parametrize("gap", ["history", "params", "artifacts", "lines", "tags"])
def test_a_declared_gap_must_be_one(gap: str, tmp_path: Path) -> None:
    run, training = recorded(tmp_path)
    expected, _ = compare_journal(run, SEED, [training])
    native = held(expected)
    capabilities = Capabilities(**{gap: False})
    assert compare_tracker(native, expected, capabilities).told != []
    if gap == "history":
        native.series = {name: points[-1:] for name, points in native.series.items()}
    else:
        getattr(native, gap).clear()
    assert compare_tracker(native, expected, capabilities).told == []


def test_a_journal_without_an_acknowledged_line_is_told(tmp_path: Path) -> None:
    run, training = recorded(tmp_path)
    (segment,) = run.directory.glob("0*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:20], *lines[21:]]))
    assert compare_journal(run, SEED, [training])[1].lost == 1
    segment.write_bytes(b"".join([*lines[:20], lines[20], *lines[20:]]))
    assert compare_journal(run, SEED, [training])[1].twice == 1
    segment.write_bytes(b"".join([*lines[:20], lines[21], lines[20], *lines[22:]]))
    assert compare_journal(run, SEED, [training])[1].out_of_order == 1
    record = json.loads(lines[20])
    segment.write_bytes(b"".join([*lines[:20], json.dumps({**record, "time": 5}).encode() + b"\n", *lines[21:]]))
    assert compare_journal(run, SEED, [training])[1].other == 1


def test_a_call_that_had_not_returned_may_be_there_or_not(tmp_path: Path) -> None:
    run, training = recorded(tmp_path)
    training.noted.pop()  # the end
    last = training.noted.pop()
    for noted in ([last.begun, None], []):
        begun = [Noted(last.what, noted[0])] if noted else []
        cut = Training(training.pid, 0, -1, [*training.noted, *begun])
        misses = compare_journal(run, SEED, [cut])[1]
        assert bool(misses) is not bool(begun)  # never begun, but there: nobody's
    killed_in_the_next = Noted(COUNT, last.begun)
    assert not compare_journal(run, SEED, [Training(training.pid, 0, -1, [*training.noted, last, killed_in_the_next])])[
        1
    ]
