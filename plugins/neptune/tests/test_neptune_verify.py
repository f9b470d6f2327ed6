"""Runs that multitrack delivered to Neptune's format, read back, verified, and imported into another journal."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from neptune_file import run_directories

import multitrack
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source
from multitrack.migration.verifying import verify_run
from multitrack.reading.recorded_run import RecordedRun
from segment_times import assert_times_rise


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return {
        "journal": str(tmp_path / "journal"), "delivery": "off", "neptune": {"directory": str(tmp_path / "neptune")},
    }  # fmt: skip


def record_everything(config: dict[str, Any]) -> multitrack.Run:
    """A run with all that has a stand-in or another name in Neptune."""
    with multitrack.start_run(
        "p", "ours 🚀", backends=["neptune"], config=config, group="g", notes="n" * 20_000
    ) as run:
        run.log_params({
            "lr": 0.1, "one": 1.0, "n": 3, "big": 2**70, "beyond": 2**31, "none": None, "nan": math.nan,
            "inf": -math.inf, "some": [1, "x", None, math.nan], "flag": True, "text": "NaN", "long": "é" * 20_000,
            "a//b": 1, "a~b": 2, "val": 3, "val/loss": 4, "object": Thing(), "empty": "",
        })  # fmt: skip
        for step in range(300):
            run.log_metrics({"loss": 1 / (step + 1), "val": float(step), "val/loss": 2.0 * step}, step=step)
        for step, value in enumerate((math.nan, math.inf, 2**70 + 1, 2**53 + 1, -math.inf, 0.5)):
            run.log_metric("odd", value, step=step)
            run.log_metric("odd", 1.0, step=3)
        run.log_metric("best", 0.5)
        run.log_metric("best", 0.25)
        run.log_metric("loss", 0.125)
        run.log_metric("huge", 10**400)
        run.log_list_metric("list", [1, 2.5, math.nan, 3])
        run.log_list_metric("list", 4)
        run.log_lines(["one", "", "x" * 2500, "NaN"])
        run.log_artifact_ref("weights", "s3://bucket/w", kind="model", digest="sha256:" + "0" * 64, version="dvc:md5:1")
        run.log_artifact_ref("data/train", "s3:odd uri", kind="dataset", role="input", size=2**40)
        run.set_tags({"team": "vision", "empty": "", "long": "y" * 20_000})
        run.set_tags({"team": "audio"})
    assert multitrack.sync(config["journal"])[run.id].complete
    return run


class Thing:
    def __repr__(self) -> str:
        return "Thing(" + "z" * 3000 + ")"


def recorded(journal: Path, run_id: str) -> RecordedRun:
    return multitrack.open_journal(journal).run(run_id)


def test_everything_is_read_back_equal(tmp_path: Path, config: dict[str, Any]) -> None:
    here = recorded(tmp_path / "journal", record_everything(config).id)
    found = verify_run(here, "neptune")
    assert (found.error, found.findings, found.extra) == (None, [], 0)
    assert found.equal > 900 + 12 + 17
    (directory,) = run_directories(tmp_path / "neptune")
    log = directory / "data-1.log"
    lines = log.read_bytes().splitlines(keepends=True)
    lines = [
        line.replace(b'"value": 0.1}', b'"value": 0.2}') for line in lines if b'"value": 149.0, "step": 149' not in line
    ]
    log.write_bytes(b"".join(lines))
    found = verify_run(here, "neptune")
    different = [(each.thing, each.outcome, each.count) for each in found.findings]
    assert ("param lr", "different", 1) in different
    assert ("metric val", "missing", 100) in different  # the client has 100 points in an operation


def test_a_delivered_run_comes_back_with_its_id(tmp_path: Path, config: dict[str, Any]) -> None:
    here = recorded(tmp_path / "journal", record_everything(config).id)
    source = open_source(str(tmp_path / "neptune"))
    assert [each.outcome for each in import_runs(source, tmp_path / "journal") if isinstance(each, Imported)] == [
        "recorded here"
    ]
    (done,) = import_runs(source, tmp_path / "other")
    assert isinstance(done, Imported)
    assert (done.id, done.outcome, done.gaps) == (here.id, "new", {})
    assert_times_rise(tmp_path / "other")
    there = recorded(tmp_path / "other", here.id)
    for name in ("project", "name", "group", "notes", "created"):
        assert getattr(there.manifest, name) == getattr(here.manifest, name)
    one, other = here.summary(), there.summary()
    assert repr(one.params) == repr(other.params)
    assert (one.tags, one.status, one.ended) == (other.tags, other.status, other.ended)
    assert one.simple == other.simple
    assert {name: [repr(float(p.value)) if abs(p.value) < 2**53 else repr(p.value) for p in points]
            for name, points in here.get_metrics().items() if name not in ("odd", "huge")} == {
        name: [repr(p.value) for p in points]
        for name, points in there.get_metrics().items() if name not in ("odd", "huge")
    }  # fmt: skip
    assert [line.text for line in there.get_lines()] == [line.text for line in here.get_lines()]
    # Replayed, it is the same again.
    (again,) = import_runs(source, tmp_path / "other")
    assert isinstance(again, Imported)
    assert again.outcome == "unchanged"


def test_of_two_versions_of_a_run_the_later_counts(tmp_path: Path, config: dict[str, Any]) -> None:
    run = multitrack.start_run("p", "again", backends=["neptune"], config=config)
    run.log_metric("loss", 1.0, step=0)
    run.end()
    multitrack.sync(config["journal"])
    (earlier,) = run_directories(tmp_path / "neptune")
    kept = tmp_path / earlier.name
    earlier.rename(kept)
    with multitrack.start_run("p", "again", run_id=run.id, backends=["neptune"], config=config) as run:
        run.log_metric("loss", 0.5, step=1)
    multitrack.sync(config["journal"])
    kept.rename(earlier)  # as if the courier had been killed before it removed it
    assert len(run_directories(tmp_path / "neptune")) == 2
    (done,) = import_runs(open_source(str(tmp_path / "neptune")), tmp_path / "other")
    assert isinstance(done, Imported)
    points = recorded(tmp_path / "other", run.id).get_metrics()["loss"]
    assert [(point.step, point.value) for point in points] == [(0, 1.0), (1, 0.5)]
    assert verify_run(recorded(tmp_path / "journal", run.id), "neptune").passed


def test_a_run_that_is_not_there_is_said(tmp_path: Path, config: dict[str, Any]) -> None:
    with multitrack.start_run("p", "gone", backends=["neptune"], config=config) as run:
        run.log_metric("loss", 1.0, step=0)
    multitrack.sync(config["journal"])
    (directory,) = run_directories(tmp_path / "neptune")
    note = next((tmp_path / "journal").glob("**/published.json"))
    note.write_text(json.dumps({"directories": ["/etc", str(directory)]}))
    assert verify_run(recorded(tmp_path / "journal", run.id), "neptune").passed
    note.write_text("damaged")
    assert verify_run(recorded(tmp_path / "journal", run.id), "neptune").passed
    directory.rename(tmp_path / "elsewhere")
    found = verify_run(recorded(tmp_path / "journal", run.id), "neptune")
    assert found.error is not None
    assert "it appears there when it has ended, as a whole" in found.error
