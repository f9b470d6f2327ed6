"""Redelivery, resumed and renamed runs, and a database that cannot be written."""

import gc
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from trackio_reader import find_run, reader
from trackio_runs import PROJECT, database, deliver, rows, start

from multitrack.delivery.lane_state import lane_file
from multitrack.errors import DeniedError, RetryableError
from multitrack.recording.run import Run
from multitrack_trackio.errors import translated


def record(run: Run, count: int) -> None:
    for step in range(count):
        run.log_metric("loss", float(step), step=step)
    run.log_list_metric("list", [1.0, 2.0])
    run.log_lines(["one", "two"])


def forget_position(run: Run) -> None:
    assert run.directory is not None
    lane_file(run.directory, "trackio").unlink()


def in_trackio(place: Path, action: str) -> None:
    """Do something to the only run as the dashboard does, in a process whose directory this is."""
    code = (
        "import sys, pathlib\nfrom trackio import sqlite_storage\n"
        "sqlite_storage.TRACKIO_DIR = pathlib.Path(sys.argv[1])\n"
        f"import trackio\n(run,) = trackio.Api().runs(sys.argv[2])\n{action}\n"
    )
    subprocess.run([sys.executable, "-c", code, str(place / "trackio"), PROJECT], check=True)


def test_a_row_that_is_delivered_again_changes_nothing(tmp_path: Path) -> None:
    run = start(tmp_path, params={"lr": 0.1})
    record(run, 5)
    deliver(tmp_path, run)
    before = rows(tmp_path, "SELECT * FROM metrics ORDER BY id")
    forget_position(run)
    run.end()
    deliver(tmp_path, run)
    assert rows(tmp_path, "SELECT * FROM metrics ORDER BY id") == before
    assert len(before) == 1 + 5 + 2 + 2


@pytest.mark.parametrize("whole", [True, False], ids=["database", "run"])
def test_a_database_or_run_that_was_deleted_is_filled_again(tmp_path: Path, whole: bool) -> None:
    run = start(tmp_path)
    record(run, 5)
    run.end()
    deliver(tmp_path, run)
    if whole:
        database(tmp_path).unlink()
    else:
        in_trackio(tmp_path, "run.delete()")
    again = start(tmp_path, run_id=run.id)
    again.log_metric("loss", 5.0, step=5)
    again.end()
    deliver(tmp_path, again)
    native = find_run(tmp_path / "trackio", PROJECT, run.id)
    assert [point.step for point in native.series["loss"]] == list(range(6))
    assert native.lines == ["one", "two"]


@pytest.mark.parametrize("forgets", [True, False])
def test_a_run_that_was_renamed_in_trackio_keeps_that_name_and_has_each_row_once(tmp_path: Path, forgets: bool) -> None:
    """Trackio's renaming drops the ids of the rows, by which they are told apart."""
    run = start(tmp_path, name="ours")
    record(run, 5)
    run.end()
    deliver(tmp_path, run)
    in_trackio(tmp_path, "run.rename('theirs')")
    assert rows(tmp_path, "SELECT COUNT(*) FROM metrics WHERE log_id IS NULL") == [(10,)]
    again = start(tmp_path, run_id=run.id)
    again.log_metric("loss", 5.0, step=5)
    if forgets:
        forget_position(again)
    again.end()
    deliver(tmp_path, again)
    (found,) = reader().runs(tmp_path / "trackio", PROJECT)
    assert found["name"] == "theirs"
    native = find_run(tmp_path / "trackio", PROJECT, run.id)
    assert [point.step for point in native.series["loss"]] == list(range(6))
    assert native.lines == ["one", "two"]
    assert rows(tmp_path, "SELECT COUNT(*) FROM metrics WHERE log_id IS NULL") == [(0,)]


def test_rows_of_others_in_a_renamed_run_stay(tmp_path: Path) -> None:
    run = start(tmp_path, name="ours")
    record(run, 2)
    run.end()
    deliver(tmp_path, run)
    native_id = run.backend_ids["trackio"]
    rows(tmp_path, "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) "
         "VALUES (?, '2026-01-01T00:00:00.000+00:00', 'ours', 0, '{\"other\": 1.5}')", native_id)  # fmt: skip
    again = start(tmp_path, run_id=run.id)
    again.end()
    deliver(tmp_path, again)
    assert find_run(tmp_path / "trackio", PROJECT, run.id).series["other"][0].value == 1.5


def test_a_run_that_is_renamed_while_it_is_open_is_listed_once(tmp_path: Path) -> None:
    run = start(tmp_path, name="ours")
    record(run, 2)
    with OpenInTrackio(run):
        in_trackio(tmp_path, "run.rename('theirs')")
        run.log_metric("loss", 2.0, step=2)
    (found,) = reader().runs(tmp_path / "trackio", PROJECT)
    assert found["name"] == "theirs"
    assert find_run(tmp_path / "trackio", PROJECT, run.id).status == "finished"


def test_a_run_that_is_deleted_while_it_is_open_is_delivered_again_whole(tmp_path: Path) -> None:
    run = start(tmp_path, params={"lr": 0.1})
    record(run, 5)
    with OpenInTrackio(run):
        in_trackio(tmp_path, "run.delete()")
        run.log_metric("loss", 5.0, step=5)
    native = find_run(tmp_path / "trackio", PROJECT, run.id)
    assert [point.step for point in native.series["loss"]] == list(range(6))
    assert (native.params, native.lines, native.status) == ({"lr": 0.1}, ["one", "two"], "finished")


class OpenInTrackio:
    """Keep the run open in Trackio while something happens, then end and deliver it."""

    def __init__(self, run: Run) -> None:
        from multitrack.testing.kills import MortalLane
        from multitrack_trackio import TrackioBackend

        assert run.directory is not None
        self._run = run
        self._lane = MortalLane(run.directory, TrackioBackend(), (2000,))

    def __enter__(self) -> None:
        self._lane.deliver(None)

    def __exit__(self, *_: object) -> None:
        self._run.end()
        self._lane.deliver(None)
        assert self._lane.done
        self._lane.release()


def test_a_new_name_replaces_the_old_one_in_every_row(tmp_path: Path) -> None:
    for name in ("first", "second"):
        run = start(tmp_path, run_id="nightly", name=name)
        run.log_metric("loss", 0.5, step=0)
        run.end()
        deliver(tmp_path, run)
    assert rows(tmp_path, "SELECT DISTINCT run_name FROM metrics") == [("second",)]
    assert rows(tmp_path, "SELECT run_name FROM configs") == [("second",)]


def test_runs_of_one_id_in_two_journals_do_not_meet_in_one_project(tmp_path: Path) -> None:
    for place in (tmp_path / "one", tmp_path / "two"):
        run = start(place, run_id="nightly", name=place.name, options={"directory": str(tmp_path / "trackio")})
        record(run, 3)
        run.end()
        deliver(place, run)
    found = reader().runs(tmp_path / "trackio", PROJECT)
    assert sorted(run["name"] for run in found) == ["one", "two"]
    assert len({run["id"] for run in found}) == 2
    assert [sum("loss" in row for row in run["logs"]) for run in found] == [3, 3]


def test_a_locked_database_is_tried_again(tmp_path: Path) -> None:
    with pytest.raises(RetryableError, match="locked"), translated(tmp_path):
        raise sqlite3.OperationalError("database is locked")
    with pytest.raises(RetryableError, match="10 seconds"), translated(tmp_path):
        raise OSError("Could not acquire database lock after 10 seconds")
    with pytest.raises(FileNotFoundError), translated(tmp_path):
        raise FileNotFoundError(2, "No such file or directory")


# Trackio leaves the file open whose lock it did not get.
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file .*lock:ResourceWarning")  # Trackio's, where it waits in vain
def test_another_writer_delays_the_delivery_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trackio import sqlite_storage

    monkeypatch.setattr(sqlite_storage.time, "sleep", lambda _: None)  # the 10 seconds
    run = start(tmp_path)
    record(run, 3)
    (tmp_path / "trackio").mkdir()
    import fcntl

    with (tmp_path / "trackio" / f"{PROJECT}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        from multitrack.testing.kills import MortalLane
        from multitrack_trackio import TrackioBackend

        assert run.directory is not None
        lane = MortalLane(run.directory, TrackioBackend(), (2000,))
        while lane.state.problem is None:
            lane.step()
        assert "lock" in lane.state.problem
        assert not lane.state.stopped
        lane.release()
    gc.collect()
    monkeypatch.undo()
    run.end()
    deliver(tmp_path, run)
    assert len(find_run(tmp_path / "trackio", PROJECT, run.id).series["loss"]) == 3


def test_a_file_that_is_no_database_stops_the_lane_and_sets_nothing_aside(tmp_path: Path) -> None:
    (tmp_path / "trackio").mkdir()
    database(tmp_path).write_bytes(b"not a database" * 100)
    run = start(tmp_path)
    record(run, 3)
    run.end()
    report = deliver(tmp_path, run)
    assert "not a database" in str(report["trackio"])
    database(tmp_path).unlink()
    assert deliver(tmp_path, run).complete
    assert len(find_run(tmp_path / "trackio", PROJECT, run.id).series["loss"]) == 3


def test_a_layout_without_run_ids_that_is_not_converted_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from multitrack_trackio.internals import storage_of
    from multitrack_trackio.storage_way import StorageWriter

    connection = sqlite3.connect(tmp_path / "old.db")
    connection.execute("CREATE TABLE metrics (id INTEGER PRIMARY KEY, run_name TEXT, step INTEGER, metrics TEXT)")
    connection.close()
    storage = storage_of(tmp_path)
    assert storage is not None
    monkeypatch.setattr(storage, "create", lambda project: None)  # as a release that does not convert
    with pytest.raises(DeniedError, match=r"before 0\.24"):
        StorageWriter(storage, tmp_path, "old", "id", "name", "name", 0).open()


def test_the_users_own_trackio_in_the_same_process_is_not_touched(tmp_path: Path) -> None:
    """A courier may be a thread of the training."""
    import trackio
    from trackio import sqlite_storage

    before = (sqlite_storage.TRACKIO_DIR, trackio.SQLiteStorage._dataset_import_attempted)
    run = start(tmp_path)
    record(run, 3)
    run.end()
    deliver(tmp_path, run)
    assert (sqlite_storage.TRACKIO_DIR, trackio.SQLiteStorage._dataset_import_attempted) == before
