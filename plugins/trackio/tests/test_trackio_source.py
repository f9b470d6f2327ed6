"""Runs that Trackio itself wrote, imported into a journal."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from trackio_reader import reader
from trackio_runs import deliver, rows, start

import multitrack
from multitrack.errors import SourceError
from multitrack.hookspecs import Gap
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source
from multitrack.migration.verifying import verify_run
from segment_times import assert_times_rise

pytestmark = pytest.mark.slow
WRITE = """
import math, trackio
trackio.init(project="digits", name="one", config={"lr": 0.1, "m": {"u": [1, 2]}}, group="g", auto_log_gpu=False)
for i in range(300):
    trackio.log({"loss": 1 / (i + 1), "nested": {"a": i}}, step=i)
trackio.log({"odd": math.nan, "text": "hey", "big": 2**60}, step=400)
trackio.log({"odd": -math.inf}, step=2)
trackio.finish()
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In a process of its own: Trackio keeps its directory in global variables."""
    directory = tmp_path_factory.mktemp("trackio")
    environment = {**os.environ, "TRACKIO_DIR": str(directory), "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", WRITE], env=environment, check=True, capture_output=True)
    return directory


def do_import(place: Path, journal: Path) -> list[Imported]:
    found = list(import_runs(open_source(str(place)), journal))
    assert found
    assert not any(isinstance(each, Gap) for each in found), found
    assert_times_rise(journal)
    return [each for each in found if isinstance(each, Imported)]


@pytest.mark.parametrize("inside", ["", "digits.db"])
def test_everything_is_imported_once(directory: Path, tmp_path: Path, inside: str) -> None:
    (done,) = do_import(directory / inside, tmp_path)
    assert set(done.gaps) == {
        "text: texts left out, which a series cannot hold (1)",
        "Trackio knows no status: the run counts as finished at its last row",
    }
    run = multitrack.open_journal(tmp_path).run(done.id)
    (native,) = reader().runs(directory, "digits")
    assert run.id == native["id"]
    points = run.get_metrics()
    for key in ("loss", "odd", "big"):
        assert [(point.step, repr(point.value)) for point in points[key]] == [
            (row["step"], repr(row[key])) for row in native["logs"] if key in row
        ]
    assert [point.value for point in points["nested.a"]] == list(range(300))
    summary = run.summary()
    assert summary.params == {"lr": 0.1, "m/u": [1, 2]}
    assert (run.manifest.project, run.manifest.name, run.manifest.group) == ("digits", "one", "g")
    assert summary.status == "finished"
    assert [each.outcome for each in do_import(directory, tmp_path)] == ["unchanged"]


def test_a_run_delivered_from_here_comes_back(tmp_path: Path) -> None:
    config = {"journal": str(tmp_path / "journal"), "trackio": {"directory": str(tmp_path / "trackio")}}
    with multitrack.start_run("p", "ours 🚀", backends=["trackio"], config=config) as run:
        run.log_params({"lr": 0.1, "big": 2**70, "_odd": "NaN", "none": None, "inf": float("inf"), "some": [1, "x"]})
        for step in range(50):
            run.log_metric("loss", 1 / (step + 1), step=step)
        run.log_metric("__odd", float("inf"), step=1)
        run.log_metric("loss", 2**70 + 1, step=3)
        run.log_metric("best", 0.5)
        run.log_metric("best", 0.25)
        run.log_metric("loss", 0.125)
        run.log_list_metric("list", [1, 2.5])
        run.log_lines(["one", "NaN"])
        run.log_artifact_ref("weights", "s3://bucket/w", kind="model", digest="sha256:" + "0" * 64)
        run.set_tags({"team": "vision"})
    assert run.flush(60).complete
    here = multitrack.open_journal(tmp_path / "journal").run(run.id)
    found = verify_run(here, "trackio")
    assert (found.error, [each for each in found.findings if each.outcome != "stand-in"], found.extra) == (None, [], 0)
    assert found.equal > 60
    do_import(tmp_path / "trackio", tmp_path / "other")
    there = multitrack.open_journal(tmp_path / "other").run(run.id)
    one, other = here.summary(), there.summary()
    assert (one.params, one.tags, one.status, one.simple) == (other.params, other.tags, other.status, other.simple)
    assert repr(here.get_metrics()["loss"]) == repr(there.get_metrics()["loss"])
    assert [line.text for line in there.get_lines()] == ["one", "NaN"]

    with sqlite3.connect(next(tmp_path.glob("trackio/*.db"))) as connection:
        connection.execute("DELETE FROM metrics WHERE step = 7")
    found = verify_run(here, "trackio")
    assert [(each.thing, each.outcome, each.count) for each in found.findings if each.outcome == "missing"] == [
        ("metric loss", "missing", 1)
    ]


def test_a_damaged_database_costs_no_more_than_itself(directory: Path, tmp_path: Path) -> None:
    shutil.copytree(directory, tmp_path / "trackio")
    whole = (directory / "digits.db").read_bytes()
    for name, part in (("half", whole[: len(whole) // 2]), ("holed", holed(whole))):
        (tmp_path / "trackio" / f"{name}.db").write_bytes(part)
    gap, digits, other = import_runs(open_source(str(tmp_path / "trackio")), tmp_path / "journal")
    assert isinstance(gap, Gap)
    assert "half.db is damaged, or copied in part: " in gap.reason
    assert isinstance(digits, Imported)
    assert isinstance(other, Imported)
    assert (digits.project, other.project) == ("digits", "holed")
    assert 0 < other.points < digits.points
    (reason,) = [reason for reason in other.gaps if "holed.db is damaged, and rows were left out: " in reason]
    assert "malformed" in reason


def holed(whole: bytes) -> bytes:
    """A database without one page of rows: a leaf of a table begins with 13 (sqlite.org/fileformat.html, 1.6)."""
    size = int.from_bytes(whole[16:18])
    pages = [whole[start : start + size] for start in range(0, len(whole), size)]
    leaves = [number for number, page in enumerate(pages) if page[0] == 13 and page.count(b"nested") > 5]
    pages[leaves[-2]] = b"\xff" * size
    return b"".join(pages)


def test_what_has_no_project_is_said(tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes(b"no database")
    with pytest.raises(SourceError, match="has no projects of Trackio"):
        open_source(str(tmp_path), "trackio")
    with pytest.raises(SourceError, match="no plugin recognizes"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("later", ["series", "list"])
def test_simple_metrics_are_told_from_series_of_their_names(tmp_path: Path, later: str) -> None:
    """A baseline that is written before the series, or a result after it; also for names that look like the others'."""
    run = start(tmp_path)
    run.log_metric("before", 0.5)
    run.log_metric("before", 0.25)
    for step in range(4):
        for name in ("before", "both", "after"):
            if name == "both" and step == 0:
                run.log_metric("both", 1.0)
            run.log_metric(name, 0.25, step=step) if later == "series" else run.log_list_metric(name, 0.25)
    if later == "series":  # a list metric can have no result beside it
        run.log_metric("both", 2.0)
        run.log_metric("after", 3.0)
    run.log_metric("alone", 1.0)
    run.log_metric("alone", 1.0)
    run.log_metrics({"after/summary": 7.0}, step=5)
    run.end()
    deliver(tmp_path, run)
    (recorded,) = multitrack.open_journal(tmp_path / "journal").runs()
    found = verify_run(recorded, "trackio")
    assert (found.error, found.findings, found.extra) == (None, [], 0)
    (imported,) = do_import(tmp_path / "trackio", tmp_path / "other")
    assert imported.error is None
    (other,) = multitrack.open_journal(tmp_path / "other").runs()
    assert other.summary().metrics == recorded.summary().metrics
    lengths = {name: len(points) for name, points in other.get_metrics().items()}
    assert lengths == recorded.summary().lengths  # Trackio has lists as series


def test_simple_metrics_of_a_renamed_run_are_told_from_series(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log_metric("before", 0.5)
    for step in range(4):
        run.log_metrics({"before": 0.25, "after": 0.25}, step=step)
    run.log_metric("after", 3.0)
    run.log_list_metric("after/summary", [1.0])  # may be taken for the result of "after" by its step, not by its id
    run.end()
    deliver(tmp_path, run)
    (recorded,) = multitrack.open_journal(tmp_path / "journal").runs()
    assert (verify_run(recorded, "trackio").findings, verify_run(recorded, "trackio").extra) == ([], 0)
    rows(tmp_path, "UPDATE metrics SET log_id = NULL")
    rows(tmp_path, "DELETE FROM metrics WHERE CAST(metrics AS TEXT) LIKE '%after/summary%1.0%'")
    found = verify_run(recorded, "trackio")
    assert [(each.outcome, each.thing) for each in found.findings] == [("missing", "metric after/summary")]
