"""Runs in Parquet files of neptune-exporter, imported into a journal.

The files are written by :mod:`exported_file`, in the exporter's schema. The reader was also run once by hand against
files that the exporter's own classes wrote, from tables as Neptune's client returned them.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exported_file import field, file, histogram, moment, point, write_part

import multitrack
from multitrack.errors import SourceError
from multitrack.hookspecs import Gap
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source
from multitrack.records import ArtifactRef, Metric
from segment_times import assert_times_rise

START = 1_704_164_645_678
PROJECT = "w_p-4f28901a93264206"
NO_END = "Neptune notes no end: the run counts as ended when its client was last heard of"


def do_import(place: Path, journal: Path) -> tuple[list[Imported], list[str]]:
    found = list(import_runs(open_source(str(place)), journal))
    assert_times_rise(journal)
    return (
        [each for each in found if isinstance(each, Imported)],
        [each.reason for each in found if isinstance(each, Gap)],
    )


def points_of(run: multitrack.RecordedRun, name: str) -> list[tuple[int | None, float, int]]:
    return [
        (record.step, record.numbers[name], record.time)
        for record in run.records()
        if isinstance(record, Metric) and name in record.values
    ]


def losses(start: int, stop: int) -> list[dict[str, object]]:
    return [point("loss", str(step), START + step, step * 0.5) for step in range(start, stop)]


def everything() -> list[list[dict[str, object]]]:
    fields = [
        field("lr", "float", 0.1),
        field("n", "int", 3),
        field("opt/name", "string", "adam ü"),
        field("flag", "bool", True),
        field("when", "datetime", moment(START)),
        field("of_another_run", "float", None),
        field("sys/name", "string", "named"),
        field("sys/description", "string", "notes"),
        field("sys/owner", "string", "somebody"),
        field("sys/failed", "bool", True),
        field("sys/creation_time", "datetime", moment(START)),
        field("sys/ping_time", "datetime", moment(START + 5000)),
        field("sys/modification_time", "datetime", moment(START + 9000)),
        field("sys/forking/parent", "string", "r0"),
        field("sys/forking/step", "float", 2.5),
        field("sys/tags", "string_set", ["a", "b"]),
        field("sys/group_tags", "string_set", ["g"]),
        field("labels", "string_set", ["u"]),
        field("sys/odd", "git_ref", None),
    ]
    files = [
        file("weights", "file", "w/p/r1/weights"),
        file("gone", "file_set", "w/p/r1/gone"),
        file("images", "file_series", "w/p/r1/images/0.5.png", "0.5"),
        file("data", "artifact", "w/p/r1/data/files_list.json"),
    ]
    series = [
        *losses(0, 3),
        point("loss", "3.5", START + 3, None),  # NaN, for which the exporter's tables have no value
        point("loss", "3", START + 4, math.inf),
        point("texts", "1", START + 5, "one\ntwo", "string"),
        point("monitoring/1/stdout", "0", START + 6, "half", "string"),
        point("monitoring/1/stdout", "1", START + 7, " a line\n", "string"),
        point("runtime/stderr", "0.000001", START + 8, "a line", "string"),
        histogram("bins", "1", START + 9),
        histogram("bins", "2", START + 9),
        point("untimed", "1", None, 1.0),
    ]
    return [fields, files, series]


def test_everything_is_imported_once(tmp_path: Path) -> None:
    project = tmp_path / "exports" / "data" / PROJECT
    write_part(project / "r1-83dd8a0c5b69bd30_part_0.parquet", "r1", everything())
    weights = tmp_path / "exports" / "files" / PROJECT / "w/p/r1/weights"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"hello")
    (done,), gaps = do_import(tmp_path, tmp_path / "journal")
    assert gaps == []
    assert set(done.gaps) == {
        "fields of Neptune's own left out: sys/ping_time, sys/modification_time",
        "metric loss: step 3.5 is no whole number, kept as step 3",
        "texts: its texts are log lines, which have no steps",
        "bins: histograms left out (2)",
        "sys/odd: a value of type git_ref left out (1)",
        f"3 files are not in {tmp_path}/exports/files/{PROJECT}, where the references to them point",
        NO_END,
    }
    run = multitrack.open_journal(tmp_path / "journal").run("r1")
    manifest, summary = run.manifest, run.summary()
    assert (manifest.project, manifest.name, manifest.group, manifest.notes) == ("w/p", "named", "g", "notes")
    assert (manifest.created, manifest.parent) == (START, "r0")
    assert manifest.context is not None
    assert manifest.context.user == "somebody"
    assert (summary.status, summary.ended) == ("failed", START + 5000)
    assert summary.params == {
        "lr": 0.1, "n": 3, "opt/name": "adam ü", "flag": True, "when": "2024-01-02T03:04:05.678+00:00",
    }  # fmt: skip
    assert summary.tags == {"a": "true", "b": "true", "labels/u": "true", "forking/step": "2.5"}
    assert repr(points_of(run, "loss")) == repr([
        (0, 0.0, START), (1, 0.5, START + 1), (2, 1.0, START + 2), (3, math.nan, START + 3), (3, math.inf, START + 4),
    ])  # fmt: skip
    assert points_of(run, "untimed") == [(1, 1.0, START)]
    assert [(line.stream, line.text) for line in run.get_lines()] == [
        ("log", "texts: one"), ("log", "texts: two"), ("stdout", "half a line"), ("stderr", "a line"),
    ]  # fmt: skip
    files = tmp_path / "exports" / "files" / PROJECT / "w/p/r1"
    assert {each.name: (each.uri, each.kind, each.size) for each in run.records() if isinstance(each, ArtifactRef)} == {
        "weights": (weights.as_uri(), "file", 5),
        "gone": ((files / "gone").as_uri(), "files", None),
        "images/0.5": ((files / "images/0.5.png").as_uri(), "file", None),
        "data": ((files / "data/files_list.json").as_uri(), "artifact", None),
    }
    for place in (tmp_path / "exports", project.parent, project, next(project.iterdir())):
        (again,), _ = do_import(place, tmp_path / "journal")
        assert again.outcome == "unchanged"


def test_parts_are_read_in_their_order(tmp_path: Path) -> None:
    for number in range(12):
        rows = losses(number * 10, number * 10 + 10)
        write_part(tmp_path / f"r1_part_{number}.parquet", "r1", [rows[:5], rows[5:]])
    (done,), gaps = do_import(tmp_path, tmp_path / "journal")
    assert (gaps, set(done.gaps)) == ([], {NO_END})
    run = multitrack.open_journal(tmp_path / "journal").run("r1")
    assert points_of(run, "loss") == [(step, step * 0.5, START + step) for step in range(120)]
    assert (run.manifest.created, run.manifest.name, run.summary().ended) == (START, "r1", START + 119)


def test_a_run_is_complete_with_part_0(tmp_path: Path) -> None:
    project = tmp_path / PROJECT
    write_part(project / "r1_part_1.parquet", "r1", [losses(0, 2)])
    write_part(project / "r1_part_0.parquet.tmp", "r1", [losses(0, 2)])
    write_part(project / "r2_part_0.parquet", "r2", [losses(0, 2)])
    write_part(project / "r2_part_2.parquet", "r2", [losses(2, 4)])
    write_part(project / "r2_part_3.parquet.tmp", "r2", [losses(4, 6)])
    write_part(project / "models" / "m_part_0.parquet", "m", [losses(0, 2)])
    (done,), gaps = do_import(tmp_path, tmp_path / "journal")
    assert gaps == [
        f"{project}/models/m: a model of Neptune's registry, no run; it was not imported",
        f"{project}/r1: it has no part 0, so that its export was not completed; it was not imported",
    ]
    assert set(done.gaps) == {
        f"{project}/r2: part 1 is missing", f"{project}/r2: r2_part_3.parquet.tmp was not completed, and left out",
        NO_END,
    }  # fmt: skip
    assert done.points == 4


def test_damage_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    for number in range(3):
        write_part(tmp_path / f"r1_part_{number}.parquet", "r1", [losses(number * 10, number * 10 + 10)])
    half = tmp_path / "r1_part_1.parquet"
    half.write_bytes(half.read_bytes()[:-100])
    write_part(tmp_path / "r2_part_0.parquet", "r2", [losses(0, 1)])
    (tmp_path / "r2_part_0.parquet").write_bytes((tmp_path / "r2_part_0.parquet").read_bytes()[:50])
    (done,), (gap,) = do_import(tmp_path, tmp_path / "journal")
    (damage,) = set(done.gaps) - {NO_END}
    assert damage.startswith(f"{tmp_path}/r1: r1_part_1.parquet cannot be read to its end: ")
    assert done.points == 20
    assert gap.startswith(f"{tmp_path}/r2: r2_part_0.parquet cannot be read to its end: ")


def test_memory_is_bounded_by_a_batch(tmp_path: Path) -> None:
    """Some MiB, where the rows as Python's objects would be some 100."""
    rows = losses(0, 20_000)
    write_part(tmp_path / "r1_part_0.parquet", "r1", [rows] * 8)
    before = pa.total_allocated_bytes()
    source = open_source(str(tmp_path))
    most = 0
    for run in source.runs():
        assert not isinstance(run, Gap)
        for _ in source.records(run):
            most = max(most, pa.total_allocated_bytes() - before)
    assert most < 8 * 2**20


def test_other_tables_are_left_to_others(tmp_path: Path) -> None:
    other = tmp_path / "some_part_0.parquet"
    pq.write_table(pa.table({"run": ["a"], "step": [1], "loss": [0.5]}), other)
    assert open_source(str(other)).tracker == "parquet"
    with pytest.raises(SourceError, match="no plugin recognizes"):
        open_source(str(tmp_path))
    ours = tmp_path / "r1_part_0.parquet"
    write_part(ours, "r1", [losses(0, 1)])
    assert open_source(str(ours)).tracker == "neptune"


def test_without_pyarrow_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_part(tmp_path / "r1_part_0.parquet", "r1", [losses(0, 1)])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SourceError, match=r"reading Parquet needs PyArrow: .*pip install 'multitrack\[parquet\]'"):
        open_source(str(tmp_path))
