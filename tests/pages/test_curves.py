"""A run that ended is shown by what is kept of it, which is what reading its journal gives."""

import fcntl
from pathlib import Path

import msgspec
import pytest

import drawn_runs
import multitrack
from multitrack.journal.cursor import Cursor
from multitrack.journal.segments import segment_path
from multitrack.page.collect import Collected, Tables
from multitrack.reading.recorded_run import RecordedRun
from multitrack.summaries import curves


@pytest.fixture
def run(tmp_path: Path) -> RecordedRun:
    """A run with all that a page shows, beyond the length from which curves are kept."""
    with drawn_runs.start(tmp_path / "j", "a", params={"lr": 0.1}, tags={"a": "b"}) as run:
        for step in range(3000):
            run.log_metrics({"loss": step * 7919 % 1009 / 7, "odd": float("nan") if step % 100 else step}, step=step)
        run.log_metric("score", 0.5)
        run.log_list_metric("list", [1, float("inf"), 7])
        run.log_list_metric("list", [i + 0.123456789 for i in range(200_000)])  # several lines
        run.log_artifact_ref("weights", "s3://bucket/1.keras", kind="model")
        run.log_artifact_ref("weights", "s3://bucket/2.keras", kind="model")
        run.log_lines([f"line {i}" for i in range(50)])
        run.log_lines("a warning", stream="stderr")
    return multitrack.open_journal(tmp_path / "j").run("a")


def page_of(run: RecordedRun) -> str:
    collected = Collected(run, lines=20)
    assert collected.read_on()
    assert not collected.read_on()
    found = msgspec.to_builtins(collected.page_run(Tables()))
    for held in (*found["series"].values(), *found["lists"].values()):
        if held["means"]:  # the order in which numbers are added up moves the last digits
            held["means"]["values"] = [f"{float(value):.9g}" for value in held["means"]["values"]]
    return repr(found)


def no_journal(*_: object) -> None:
    raise AssertionError("the journal was read")


def test_what_is_kept_shows_what_the_journal_holds(run: RecordedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Collected, "_find_at_rest", lambda *_: False)
        read = page_of(run)
    assert "s3://bucket/2.keras" in read
    assert "s3://bucket/1.keras" not in read
    assert not (run.directory / curves.CACHE.name).exists()
    assert page_of(run) == read
    monkeypatch.setattr(curves, "read_curves", no_journal)
    monkeypatch.setattr(Cursor, "read", no_journal)
    assert page_of(multitrack.open_journal(run.directory.parent.parent).run(run.id)) == read


def test_other_points_or_a_damaged_file_are_read_anew(run: RecordedRun) -> None:
    whole = curves.curves_of(run.directory)
    kept = (run.directory / curves.CACHE.name).read_bytes()
    assert len(curves.curves_of(run.directory, 100).series["loss"].curve.values) <= 100
    assert repr(curves.curves_of(run.directory)) == repr(whole)
    assert (run.directory / curves.CACHE.name).read_bytes() == kept
    for damage in (b"", kept[:-3], msgspec.msgpack.encode([1, [], 1200, [{}, {}]])):
        (run.directory / curves.CACHE.name).write_bytes(damage)
        assert repr(curves.curves_of(run.directory)) == repr(whole)


def test_a_run_that_goes_on_is_shown_as_it_goes_on(run: RecordedRun) -> None:
    collected = Collected(run)
    collected.read_on()
    config = {"delivery": "off", "journal": str(run.directory.parent.parent)}
    with multitrack.start_run(run_id=run.id, config=config) as again:
        again.log_metric("loss", 4711.0, step=3000)
        assert collected.read_on()
        found = collected.page_run(Tables())
        assert (found.status, found.series["loss"].count, found.series["loss"].values[-1]) == ("running", 3001, 4711.0)
        assert curves.curves_of(run.directory).series["loss"].count == 3001
        again.log_metric("loss", 4712.0, step=3001)
    assert collected.read_on()
    assert collected.page_run(Tables()).series["loss"].count == 3002
    assert curves.curves_of(run.directory).series["loss"].count == 3002


def test_an_ended_run_that_is_still_held_is_not_at_rest(run: RecordedRun) -> None:
    with segment_path(run.directory, 1).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        collected = Collected(run)
        assert collected.read_on()
        assert not collected.is_at_rest
        assert collected.page_run(Tables()).series["loss"].count == 3000
    collected = Collected(run)
    assert collected.read_on()
    assert collected.is_at_rest


def test_short_runs_keep_nothing_more(tmp_path: Path) -> None:
    with drawn_runs.start(tmp_path / "j", "short") as run:
        run.log_metric("loss", 1.0, step=0)
    assert run.directory is not None
    assert curves.curves_of(run.directory).series["loss"].curve.values == [1.0]
    assert not (run.directory / curves.CACHE.name).exists()
