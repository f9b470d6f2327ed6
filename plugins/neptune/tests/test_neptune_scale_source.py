"""Runs in SQLite files of neptune-scale, imported into a journal.

The files are written by :mod:`scale_file`, in the schema of neptune-scale 0.30. The reader was also run once by hand
against files that neptune-scale 0.30 itself wrote offline, of a run that ended and of one that was killed.
"""

from __future__ import annotations

import math
import shutil
import sqlite3
from pathlib import Path

import pytest
from scale_file import CREATE, UPDATE, Bins, Milliseconds, Stored, creation, update, write_file

import multitrack
from multitrack.errors import SourceError
from multitrack.hookspecs import Gap
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source
from multitrack.records import ArtifactRef, Metric
from segment_times import assert_times_rise

START = 1_704_164_645_678
NO_END = "Neptune's client notes no end on disk: the run counts as ended at its last operation"
FILE = "run_operations.sqlite3"


def do_import(place: Path, journal: Path) -> list[Imported]:
    found = list(import_runs(open_source(str(place)), journal))
    assert found
    assert not any(isinstance(each, Gap) for each in found), found
    assert_times_rise(journal)
    return [each for each in found if isinstance(each, Imported)]


def points_of(run: multitrack.RecordedRun, name: str) -> list[tuple[int | None, float, int]]:
    return [
        (record.step, record.numbers[name], record.time)
        for record in run.records()
        if isinstance(record, Metric) and name in record.values
    ]


def losses(start: int, stop: int) -> list[tuple[int, int, bytes]]:
    return [
        (START + step, UPDATE, update(START + step, (step, 0), append={"loss": float(step), "acc": step}))
        for step in range(start, stop)
    ]


def everything() -> list[tuple[int, int, bytes]]:
    calls = [
        update(START, assign={
            "lr": 0.1, "n": 3, "neg": -5, "opt/name": "adam ü", "flag": True, "off": False, "inf": math.inf,
            "when": Milliseconds(START), "labels": ["u", "v"], "score": 0.5, "weights": Stored("w/f.txt", 2),
        }),
        update(START + 1, sets={"sys/tags": {"a": True, "b": True}, "sys/group_tags": {"g": True}}),
        update(START + 2, sets={"sys/tags": {"b": False}}),
        update(START + 3, (3, 500_000), append={"loss": math.nan, "zero": 0.0}),
        update(START + 4, (4, 0), append={"loss": -math.inf}, is_preview=True),
        update(START + 5, (1, 0), append={"texts": "one\ntwo", "runtime/stdout": "printed"}),
        update(START + 6, (1, 0), append={"bins": Bins([0.0, 1.0], [3])}),
        update(START + 7, (2, 0), append={"images": Stored("i/2.png", 5)}),
        update(START + 8, assign={"score": 0.75}),
    ]  # fmt: skip
    return [
        (START, CREATE, creation("exp", START)),
        *losses(0, 3),
        *((START + number, UPDATE, body) for number, body in enumerate(calls)),
    ]


def test_everything_is_imported_once(tmp_path: Path) -> None:
    place = tmp_path / ".neptune" / "w_p_r1_1"
    write_file(place / FILE, "r1", everything(), {"w/f.txt": str(tmp_path / "f.txt")}).close()
    fork = [(START + 50, CREATE, creation("", START + 50, "r1", (2, 500_000))), *losses(3, 5)]
    write_file(tmp_path / ".neptune" / "w_p_r2_2" / FILE, "r2", fork).close()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    first, second = do_import(tmp_path, tmp_path / "journal")
    assert set(first.gaps) == {
        "metric loss: step 3.5 is no whole number, kept as step 3",
        "metric zero: step 3.5 is no whole number, kept as step 3",
        "texts: its texts are log lines, which have no steps",
        "loss: previews of values to come left out (1)",
        "bins: histograms left out (1)",
        NO_END,
    }
    run = multitrack.open_journal(tmp_path / "journal").run("r1")
    manifest, summary = run.manifest, run.summary()
    assert (manifest.project, manifest.name, manifest.group, manifest.created) == ("w/p", "exp", "g", START)
    assert (summary.status, summary.ended) == ("finished", START + 8)
    assert summary.params == {
        "lr": 0.1, "n": 3, "neg": -5, "opt/name": "adam ü", "flag": True, "off": False, "inf": math.inf,
        "when": "2024-01-02T03:04:05.678+00:00",
    }  # fmt: skip
    assert summary.tags == {"a": "true", "labels/u": "true", "labels/v": "true"}
    assert summary.simple == {"score": 0.75}
    assert repr(points_of(run, "loss")) == repr(
        [(0, 0.0, START), (1, 1.0, START + 1), (2, 2.0, START + 2), (3, math.nan, START + 3)]
    )
    assert points_of(run, "acc") == [(0, 0, START), (1, 1, START + 1), (2, 2, START + 2)]
    assert points_of(run, "zero") == [(3, 0.0, START + 3)]
    assert [(line.stream, line.text) for line in run.get_lines()] == [
        ("log", "texts: one"), ("log", "texts: two"), ("stdout", "printed"),
    ]  # fmt: skip
    references = {each.name: (each.uri, each.size) for each in run.records() if isinstance(each, ArtifactRef)}
    assert references == {
        "weights": ((tmp_path / "f.txt").as_uri(), 2),
        "images/2": ("neptune://w/p/i/2.png", 5),  # the client no longer knows its local path
    }
    forked = multitrack.open_journal(tmp_path / "journal").run("r2")
    assert (forked.manifest.parent, forked.manifest.name, forked.summary().tags) == (
        "r1",
        "r2",
        {"forking/step": "2.5"},
    )
    assert points_of(forked, "loss") == [(3, 3.0, START + 3), (4, 4.0, START + 4)]
    assert set(second.gaps) == {NO_END}

    assert {path: path.read_bytes() for path in before} == before
    assert not [path for path in (tmp_path / ".neptune").rglob("*") if path.is_file() and path not in before]
    assert [each.outcome for each in do_import(tmp_path, tmp_path / "journal")] == ["unchanged", "unchanged"]
    (alone,) = do_import(place / FILE, tmp_path / "other")
    assert alone.points == first.points


def test_a_client_that_still_writes_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "w_p_r1_1" / FILE
    writer = write_file(path, "r1", losses(0, 5))
    assert path.with_name(f"{FILE}-wal").stat().st_size
    files = sorted(path.parent.iterdir())
    (done,) = do_import(tmp_path, tmp_path / "journal")
    assert sorted(path.parent.iterdir()) == files
    assert done.gaps == {}
    run = multitrack.open_journal(tmp_path / "journal").run("r1")
    assert run.summary().status == "killed"
    writer.execute("BEGIN EXCLUSIVE")  # a lock does not keep an import waiting
    assert [each.outcome for each in do_import(tmp_path, tmp_path / "journal")] == ["unchanged"]
    for time, kind, body in losses(5, 8):
        writer.execute("INSERT INTO run_operations VALUES (NULL, ?, ?, ?, ?)", (time, kind, body, len(body)))
    writer.commit()
    writer.close()
    assert [each.outcome for each in do_import(tmp_path, tmp_path / "journal")] == ["more"]
    run = multitrack.open_journal(tmp_path / "journal").run("r1")
    assert run.summary().status == "finished"
    assert [step for step, _, _ in points_of(run, "loss")] == list(range(8))


def test_a_run_that_was_continued_is_one(tmp_path: Path) -> None:
    write_file(tmp_path / "w_p_r1_1" / FILE, "r1", losses(5, 7), first=6).close()  # the server has the others
    write_file(tmp_path / "w_p_r1_2" / FILE, "r1", losses(7, 9)).close()
    (done,) = do_import(tmp_path, tmp_path / "journal")
    first = tmp_path / "w_p_r1_1" / FILE
    assert set(done.gaps) == {
        f"{first}: operations 1 to 5 are not on this disk: the client deletes what the server has", NO_END,
    }  # fmt: skip
    run = multitrack.open_journal(tmp_path / "journal").run("r1")
    assert (run.manifest.name, run.manifest.created) == ("r1", START + 5)
    assert [step for step, _, _ in points_of(run, "loss")] == [5, 6, 7, 8]


def test_damage_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "w_p_r1_1" / FILE
    operations = losses(0, 2000)
    operations[5] = (START, UPDATE, operations[5][2][:-3])
    write_file(path, "r1", operations).close()
    body = bytearray(path.read_bytes())
    page = len(body) // 2 // 4096 * 4096
    body[page : page + 4096] = bytes(4096)
    path.write_bytes(body)
    (done,) = do_import(tmp_path, tmp_path / "journal")
    damage = {each for each in done.gaps if str(path) in each}
    assert f"{path}: operation 6 is damaged (cut short) and was left out" in damage
    (other,) = damage - {f"{path}: operation 6 is damaged (cut short) and was left out"}
    assert "database disk image is malformed: nothing between operations" in other
    steps = [step for step, _, _ in points_of(multitrack.open_journal(tmp_path / "journal").run("r1"), "loss")]
    assert (len(steps) > 1800, steps[0], steps[-1]) == (True, 0, 1999)


def test_half_a_file_is_named(tmp_path: Path) -> None:
    whole = tmp_path / "whole.sqlite3"
    write_file(whole, "r1", losses(0, 2000)).close()
    place = tmp_path / "copies"
    for number, share in enumerate((0.02, 0.6)):
        half = place / f"w_p_r1_{number}" / FILE
        half.parent.mkdir(parents=True)
        half.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    found = list(import_runs(open_source(str(place)), tmp_path / "journal"))
    gaps = [each.reason for each in found if isinstance(each, Gap)]
    assert gaps == [f"{place}/w_p_r1_0/{FILE}: database disk image is malformed; it was not imported"]
    (done,) = [each for each in found if isinstance(each, Imported)]
    assert [each for each in done.gaps if "nothing after operation" in each]
    assert done.points > 1000


def test_both_clients_in_one_directory(tmp_path: Path) -> None:
    write_file(tmp_path / ".neptune" / "w_p_r1_1" / FILE, "r1", losses(0, 2)).close()
    directory = tmp_path / ".neptune" / "offline" / "run__u__1__x"
    directory.mkdir(parents=True)
    (directory / "data-1.log").write_text(
        '{"obj": {"type": "AssignInt", "path": ["n"], "value": 1}, "version": 1, "at": 1700000000.0}\n'
    )
    assert [each.id for each in do_import(tmp_path, tmp_path / "journal")] == ["u", "r1"]


def test_files_of_another_name_are_recognized(tmp_path: Path) -> None:
    write_file(tmp_path / "r1.sqlite3", "r1", losses(0, 3)).close()
    writer = write_file(tmp_path / "r2.sqlite3", "r2", losses(0, 3))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / FILE).touch()
    assert [each.id for each in do_import(tmp_path, tmp_path / "journal")] == ["r1", "r2"]
    writer.close()
    (gap,) = import_runs(open_source(str(tmp_path / "empty")), tmp_path / "journal")
    assert gap == Gap(f"{tmp_path}/empty/{FILE}: no such table: metadata; it was not imported")


def test_other_databases_are_not_opened(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.sqlite3") as connection:
        connection.execute("CREATE TABLE metadata (id)")
    connection.close()
    shutil.copy(tmp_path / "other.sqlite3", tmp_path / "copy.sqlite3")
    with pytest.raises(SourceError, match="no plugin recognizes"):
        open_source(str(tmp_path))
