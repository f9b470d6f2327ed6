"""Tables that many runs share: equal ids, deleted tables, formats and versions, folders, parents."""

import json
import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from files_reader import Rows, csv_rows, parquet_rows, read_run
from files_runs import name_of, part_files, start, sync, tables

from multitrack.hookspecs import RunInfo
from multitrack.journal.cursor import Cursor
from multitrack.tables.folders import folder_name
from multitrack.tables.schema import POINTS
from multitrack_files import FilesOptions, backend
from multitrack_files.claims import claim
from multitrack_files.recording import Recording
from multitrack_files.schema import RUNS, TABLES


def test_equal_ids_of_two_journals_share_the_tables_and_no_row(tmp_path: Path) -> None:
    runs = {journal: start(tmp_path, journal, run_id="nightly", name=journal) for journal in ("one", "two")}
    for journal, run in runs.items():
        run.log_metric("loss", len(journal) + ord(journal[0]), step=0)
        start(tmp_path, journal, parent=run, run_id="child", backends=None).end()
        sync(tmp_path, journal)
    for journal, run in runs.items():
        run.log_metric("loss", 0.5, step=1)
        run.end()
        sync(tmp_path, journal)
    first, second = map(name_of, runs.values())
    assert first == "nightly"
    assert re.fullmatch("nightly-[0-9a-f]{8}", second)
    for journal, run in runs.items():
        native = read_run(tables(tmp_path), name_of(run))
        assert (native.name, native.status) == (journal, "finished")
        assert [point.value for point in native.series["loss"]] == [len(journal) + ord(journal[0]), 0.5]
    rows = tables(tmp_path)(RUNS)
    assert sorted(row["id"] for row in rows) == ["child", "child", "nightly", "nightly"]
    assert {row["run"]: row["parent"] for row in rows if row["id"] == "child"}["child"] == first
    assert {row["parent"] for row in rows if row["id"] == "child"} == {first, second}


def test_a_run_keeps_its_name_when_the_other_is_deleted(tmp_path: Path) -> None:
    runs = [start(tmp_path, journal, run_id="nightly") for journal in ("one", "two")]
    for run, journal in zip(runs, ("one", "two"), strict=True):
        run.log_metric("loss", 0.5, step=0)
        run.end()
        sync(tmp_path, journal)
    name = name_of(runs[1])
    for folder in list((tmp_path / "tables").rglob("nightly")):
        shutil.rmtree(folder)
    again = start(tmp_path, "two", run_id="nightly")
    again.log_metric("loss", 0.25, step=1)
    again.end()
    sync(tmp_path, "two")
    assert name_of(again) == name != "nightly"
    native = read_run(tables(tmp_path), name_of(again))
    assert [point.value for point in native.series["loss"]] == [0.5, 0.25]


def test_equal_ids_that_are_claimed_at_once_get_names_of_their_own(tmp_path: Path) -> None:
    """Couriers of different journals may open their runs at the same moment."""
    infos = [
        RunInfo(
            id="nightly", project="p", name="n", created=i % 8, context=None, directory=tmp_path, options=FilesOptions()
        )
        for i in range(32)
    ]
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda info: claim(tmp_path, info), infos))
    assert len({found.run for found in claims}) == 8
    assert sum(found.new for found in claims) == 8
    for info, found in zip(infos, claims, strict=True):
        assert claim(tmp_path, info) == found._replace(new=False)
    assert {path.name for path in tmp_path.iterdir()} == {found.run for found in claims}


def test_a_claim_that_cannot_be_read_is_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "nightly").mkdir()
    (tmp_path / "nightly/owner.json").write_text("{")
    info = RunInfo(
        id="nightly", project="p", name="n", created=1, context=None, directory=tmp_path, options=FilesOptions()
    )
    assert claim(tmp_path, info).run.startswith("nightly-")
    assert not claim(tmp_path, info).new


def test_tables_that_are_deleted_are_written_again_from_the_beginning(tmp_path: Path) -> None:
    run = start(tmp_path, params={"lr": 0.1})
    run.log_metric("loss", 0.5, step=0)
    sync(tmp_path)
    shutil.rmtree(tmp_path / "tables")
    run.log_metric("loss", 0.25, step=1)
    run.end()
    sync(tmp_path)
    native = read_run(tables(tmp_path), name_of(run))
    assert [point.value for point in native.series["loss"]] == [0.5, 0.25]
    assert native.params == {"lr": 0.1}


def test_tables_deleted_under_an_open_run_are_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same courier notices it: it never goes on with the later rows alone."""
    run = start(tmp_path)
    for step in range(4):
        run.log_metric("loss", 0.5, step=step)
    run.end()
    flush, read, deleted = Recording.flush, Cursor.read, []

    def flush_and_delete(recording: Recording) -> None:
        flush(recording)
        if not deleted:
            deleted.append(recording.id)
            shutil.rmtree(tmp_path / "tables")

    monkeypatch.setattr(Recording, "flush", flush_and_delete)
    monkeypatch.setattr(Cursor, "read", lambda cursor, *_: read(cursor, max_records=2))
    sync(tmp_path)
    assert deleted == [run.id]
    assert run.flush().complete
    native = read_run(tables(tmp_path), run.id)
    assert [point.step for point in native.series["loss"]] == list(range(4))


@pytest.mark.parametrize(
    ("described", "reason"),
    [({"version": 2, "format": "parquet"}, "schema version 2"), ({"version": 1, "format": "csv"}, "in the format csv")],
)
def test_tables_of_another_version_or_format_are_left_alone(
    tmp_path: Path, described: dict[str, object], reason: str
) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/schema.json").write_text(json.dumps(described))
    run = start(tmp_path)
    run.end()
    sync(tmp_path)
    problem = run.flush()["files"].problem
    assert problem is not None
    assert reason in problem
    assert "choose another directory" in problem
    assert [path.name for path in (tmp_path / "tables").iterdir() if path.name != "_state"] == ["schema.json"]


def test_another_directory_gets_the_whole_run(tmp_path: Path) -> None:
    run = start(tmp_path, params={"lr": 0.1})
    run.log_metric("loss", 0.5, step=0)
    run.end()
    sync(tmp_path)
    again = start(tmp_path, run_id=run.id, options={"directory": str(tmp_path / "other"), "format": "csv"})
    again.log_metric("loss", 0.25, step=1)
    again.end()
    sync(tmp_path)
    native = read_run(csv_rows(tmp_path / "other"), name_of(again))
    assert [point.value for point in native.series["loss"]] == [0.5, 0.25]
    assert native.params == {"lr": 0.1}
    assert [row["value"] for row in tables(tmp_path)(POINTS)] == [0.5], "the other one is left alone"


@pytest.mark.parametrize("rows_of", [parquet_rows, csv_rows])
def test_every_table_can_be_read_from_the_first_run_on(tmp_path: Path, rows_of: Callable[[Path], Rows]) -> None:
    start(tmp_path, options={"format": rows_of.__name__.removesuffix("_rows")}).end()
    sync(tmp_path)
    for table in TABLES:
        assert len(rows_of(tmp_path / "tables")(table)) == (table is RUNS)


# -- folders and rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "project",
    [
        "digits",
        "a.b-c_1",
        "../../etc/passwd 🚀",
        "..",
        ".hidden",
        "_x",
        "key=value",
        "a/b",
        "a b",
        "a:b",
        "x" * 300,
        "🚀",
    ],
)
def test_a_projects_folder_is_one_that_every_reader_finds(tmp_path: Path, project: str) -> None:
    run = start(tmp_path, project=project)
    run.log_metric("loss", 0.5, step=0)
    run.end()
    sync(tmp_path)
    (path,) = part_files(tmp_path)
    folder = path.parents[1]
    assert folder.parent == tmp_path / "tables/points"
    assert folder.name[0] not in "._", "PyArrow and pandas pass over such folders"
    assert "=" not in folder.name, "readers take it for a column"
    assert len(os.fsencode(folder.name)) <= 64
    assert [row["project"] for row in tables(tmp_path)(RUNS)] == [project]
    assert {path.name for path in tmp_path.iterdir()} == {"journal", "tables"}


def test_projects_have_folders_of_their_own() -> None:
    names = ["a b", "a-b", "a:b", "a/b", "", ".", "..", "A b", "🚀", "🚁", "x" * 300, "x" * 301]
    assert len({folder_name(name).lower() for name in names}) == len(names)
    assert folder_name("digits") == "digits"


def test_only_tables_match_a_readers_pattern(tmp_path: Path) -> None:
    """Drafts and notes are elsewhere, and gone when the run has ended."""
    run = start(tmp_path)
    run.log_metric("loss", 0.5, step=0)
    sync(tmp_path)
    files = {path for path in (tmp_path / "tables").rglob("*") if path.is_file()}
    assert {path.suffix for path in files} == {".parquet", ".json"}
    assert {path.relative_to(tmp_path / "tables").parts[0] for path in files} == {
        *(table.name for table in TABLES), "_state", "schema.json",
    }  # fmt: skip
    run.end()
    sync(tmp_path)
    assert [path.name for path in (tmp_path / "tables/_state").rglob("*") if path.is_file()] == ["owner.json"]


def test_a_parent_that_is_opened_later_is_linked_in_the_end(tmp_path: Path) -> None:
    parent = start(tmp_path, name="search")
    child = start(tmp_path, parent=parent, backends=None)
    child.end()
    parent.end()
    sync(tmp_path)
    parents = {row["run"]: row["parent"] for row in tables(tmp_path)(RUNS)}
    assert parents == {parent.id: None, child.id: parent.id}
    assert {row["status"] for row in tables(tmp_path)(RUNS)} == {"finished"}
    assert not backend._open, "a courier of many runs forgets those that are complete"


def test_a_parent_of_another_machines_journal_is_found(tmp_path: Path) -> None:
    parent = start(tmp_path, "one", run_id="search")
    parent.end()
    sync(tmp_path, "one")
    child = start(tmp_path, "two", parent="search", run_id="trial", backends=["files"])
    child.end()
    sync(tmp_path, "two")
    assert {row["run"]: row["parent"] for row in tables(tmp_path)(RUNS)} == {"search": None, "trial": "search"}


def test_a_running_run_shows_that_it_is_running(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log_metric("loss", 0.5, step=0)
    sync(tmp_path)
    (row,) = tables(tmp_path)(RUNS)
    assert (row["status"], row["ended"]) == ("running", None)
    run.end("failed")
    sync(tmp_path)
    (row,) = tables(tmp_path)(RUNS)
    assert row["status"] == "failed"
    assert row["ended"] >= row["started"]
