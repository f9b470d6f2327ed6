"""Redelivery, resumed runs, and a file that was deleted or cannot be written."""

import sqlite3
from pathlib import Path

import pytest
from goodseed_reader import find_run, read_file
from goodseed_runs import deliver, file_in, rows, start

from multitrack.delivery.lane_state import lane_file
from multitrack.errors import RetryableError
from multitrack.recording.run import Run
from multitrack.testing.kills import MortalLane
from multitrack_goodseed import GoodseedBackend, database
from multitrack_goodseed.database import RunFile

TABLES = ("configs", "metric_points", "string_points", "run_meta")


def record(run: Run, count: int) -> None:
    for step in range(count):
        run.log_metric("loss", float(step), step=step)
        run.log_metric("loss", step + 0.5, step=step)
    run.log_list_metric("list", [1.0, 2.0])
    run.log_lines(["one", "two"])


def forget_position(run: Run) -> None:
    assert run.directory is not None
    lane_file(run.directory, "goodseed").unlink()


def lane_of(run: Run) -> MortalLane:
    assert run.directory is not None
    return MortalLane(run.directory, GoodseedBackend(), (2000,))


def content(path: Path) -> list[list[tuple[object, ...]]]:
    return [rows(path, f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES]  # noqa: S608 - as above


def test_what_is_delivered_again_changes_nothing(tmp_path: Path) -> None:
    """Points at repeated steps are not told from others by their step, so the file's position is what counts."""
    run = start(tmp_path, params={"lr": 0.1})
    record(run, 5)
    deliver(tmp_path, run)
    before = content(file_in(tmp_path, run))
    forget_position(run)
    deliver(tmp_path, run)
    assert content(file_in(tmp_path, run)) == before
    assert len(before[1]) == 5 * 2 + 2
    run.end()


def test_an_error_within_a_batch_leaves_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(tmp_path)
    record(run, 5)
    add_text = RunFile.add_text
    with monkeypatch.context() as patch:

        def fail(self: RunFile, text: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        patch.setattr(RunFile, "add_text", fail)
        lane = lane_of(run)
        while lane.state.problem is None:
            lane.step()
        assert "disk I/O error" in lane.state.problem
        assert rows(file_in(tmp_path, run), "SELECT COUNT(*) FROM metric_points") == [(0,)]
        lane.release()
    assert RunFile.add_text is add_text
    run.end()
    deliver(tmp_path, run)
    native = read_file(file_in(tmp_path, run))
    assert len(native.series["loss"]) == 10
    assert native.lines == ["one", "two"]


@pytest.mark.parametrize("opened", [True, False], ids=["while it is open", "after its end"])
def test_a_file_that_was_deleted_is_written_again_whole(tmp_path: Path, opened: bool) -> None:
    run = start(tmp_path, params={"lr": 0.1})
    record(run, 5)
    if opened:
        lane = lane_of(run)
        lane.deliver(None)
        file_in(tmp_path, run).unlink()
        run.log_metric("loss", 5.0, step=5)
        run.end()
        lane.deliver(None)
        lane.release()
    else:
        run.end()
        deliver(tmp_path, run)
        file_in(tmp_path, run).unlink()
        run = start(tmp_path, run_id=run.id)
        run.log_metric("loss", 5.0, step=5)
        run.end()
        deliver(tmp_path, run)
    native = find_run(tmp_path / "goodseed", run.id)
    assert [point.step for point in native.series["loss"]] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert (native.params, native.lines, native.status) == ({"lr": 0.1}, ["one", "two"], "finished")


def test_a_resumed_run_whose_journal_lost_lines_has_what_the_journal_has(tmp_path: Path) -> None:
    """A power cut may take the journal's newest lines; the resumed run has other records at their ordinals."""
    run = start(tmp_path)
    record(run, 3)
    run.log_metric("cut", 1.0, step=0)
    deliver(tmp_path, run)
    run.end()
    assert run.directory is not None
    (segment,) = run.directory.glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    assert b'"cut"' in lines[-2]
    segment.write_bytes(b"".join(lines[:-2]))
    again = start(tmp_path, run_id=run.id)
    again.log_metric("new", 2.0, step=0)
    again.end()
    deliver(tmp_path, again)
    native = read_file(file_in(tmp_path, again))
    assert [point.value for point in native.series["new"]] == [2.0]
    assert "cut" not in native.series
    assert len(native.series["loss"]) == 6


def test_another_writer_delays_the_delivery_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_PATIENCE", 0.1)
    run = start(tmp_path)
    record(run, 3)
    lane = lane_of(run)
    while not lane.opened:
        lane.step()
    other = sqlite3.connect(file_in(tmp_path, run), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    while lane.state.problem is None:
        lane.step()
    assert "locked" in lane.state.problem
    assert not lane.state.stopped
    other.execute("ROLLBACK")
    other.close()
    lane.release()
    run.end()
    deliver(tmp_path, run)
    assert len(read_file(file_in(tmp_path, run)).series["loss"]) == 6


def test_a_file_that_is_no_database_stops_the_lane_and_sets_nothing_aside(tmp_path: Path) -> None:
    run = start(tmp_path)
    record(run, 3)
    run.end()
    deliver(tmp_path, run)
    path = file_in(tmp_path, run)
    path.write_bytes(b"not a database" * 100)
    forget_position(run)
    report = deliver(tmp_path, run)
    assert "not a database" in str(report["goodseed"])
    path.unlink()
    assert deliver(tmp_path, run).complete
    assert len(read_file(path).series["loss"]) == 6


def test_runs_of_one_id_in_two_journals_do_not_meet_in_one_project(tmp_path: Path) -> None:
    runs = []
    for place in (tmp_path / "one", tmp_path / "two"):
        run = start(place, run_id="nightly", name=place.name, options={"directory": str(tmp_path / "goodseed")})
        record(run, 3)
        run.end()
        deliver(place, run)
        runs.append(run)
    found = [read_file(file_in(tmp_path, run)) for run in runs]
    assert [run.name for run in found] == ["one", "two"]
    assert [len(run.series["loss"]) for run in found] == [6, 6]


def test_a_run_in_the_trash_is_written_and_stays_there(tmp_path: Path) -> None:
    run = start(tmp_path)
    record(run, 1)
    deliver(tmp_path, run)
    rows(file_in(tmp_path, run), "INSERT INTO run_meta VALUES ('trashed', 'true')")
    run.log_metric("loss", 0.5, step=0)
    run.end()
    deliver(tmp_path, run)
    assert rows(file_in(tmp_path, run), "SELECT value FROM run_meta WHERE key = 'trashed'") == [("true",)]
    assert read_file(file_in(tmp_path, run)).status == "finished"


def test_a_run_is_one_file_between_batches(tmp_path: Path) -> None:
    """So that it can be copied while it is open."""
    run = start(tmp_path)
    record(run, 3)
    lane = lane_of(run)
    lane.deliver(None)
    assert [path.name for path in file_in(tmp_path, run).parent.iterdir()] == [file_in(tmp_path, run).name]
    lane.release()
    run.end()


def test_a_missing_file_is_retried_from_the_start(tmp_path: Path) -> None:
    from multitrack_goodseed.database_way import DatabaseWriter
    from multitrack_goodseed.rows import Rows

    writer = DatabaseWriter(lambda path: None, tmp_path / "gone.sqlite", "digits", "id", 0)
    with pytest.raises(RetryableError, match="was deleted") as error:
        writer.write(Rows(), 1)
    assert error.value.reopen
