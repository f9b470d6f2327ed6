"""Offline runs that W&B's own SDK wrote, imported into a journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import wandb
from wandb_file import read_wandb
from wandb_history import MANY, write_history

import multitrack
from multitrack.errors import SourceError
from multitrack.hookspecs import Gap
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source
from multitrack.records import Metric
from multitrack_wandb.log_format import records
from segment_times import assert_times_rise


def do_import(place: Path, journal: Path, **how: Any) -> dict[str, Imported]:
    found = list(import_runs(open_source(str(place)), journal, **how))
    assert found
    assert not any(isinstance(each, Gap) for each in found), found
    if not how.get("dry_run"):
        assert_times_rise(journal)
    return {each.source_id: each for each in found if isinstance(each, Imported)}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's directory with two runs."""
    directory = tmp_path_factory.mktemp("project")
    write_history(directory)
    return directory


@pytest.mark.parametrize("inside", ["", "wandb"])
def test_everything_is_imported_once(project: Path, tmp_path: Path, inside: str) -> None:
    journal = tmp_path / "journal"
    runs = do_import(project / inside, journal)
    assert {name: run.outcome for name, run in runs.items()} == {"search1": "new", "failed1": "new"}
    assert set(runs["search1"].gaps) == {
        "history text: texts left out, which a series cannot hold (1)",
        "summary note: a text, kept as tag summary/note",
        "summary text: a text, kept as tag summary/text",
    }
    reader = multitrack.open_journal(journal)
    search = reader.run("search1")
    written = read_wandb(project, "search1")
    expected = [
        (round(row["_timestamp"] * 1000), row["_step"], key, repr(value))
        for row in written.rows
        for key, value in _numbers(row)
    ]
    found = [
        (record.time, record.step, name, repr(value))
        for record in search.records()
        if isinstance(record, Metric) and record.step is not None
        for name, value in record.numbers.items()
    ]
    assert len(found) == MANY + MANY // 2 + 6
    assert sorted(found) == sorted(expected)
    summary = search.summary()
    assert summary.params == {
        "lr": 0.001, "model/units": 64, "model/name": "mlp", "layers": [1, 2], "late": None,
    }  # fmt: skip
    assert summary.tags == {
        "baseline": "true", "job_type": "train", "summary/note": "good", "summary/text": "some",
        "step_metric/val/*": "acc",
    }  # fmt: skip
    assert summary.simple == {"best": 0.5, "loss": 0.25}
    lines = list(search.get_lines())
    assert [line.text for line in lines if line.stream == "log"] == [
        "alert WARN: low: the accuracy", "is low", "alert INFO: done: ",
    ]  # fmt: skip
    (before,) = {time for time, step, _, _ in found if step == MANY + 10}  # W&B writes the open row after the alerts
    (time,) = {line.time for line in lines if line.stream == "log"}  # that of the row or the output before them
    assert time >= before
    assert [line.text for line in lines if line.stream == "stdout"] == (
        ["one", "two", "three", "rest"] if hasattr(wandb.Run, "write_logs") else []
    )
    manifest = search.manifest
    assert (manifest.project, manifest.name, manifest.group, manifest.notes) == (
        "digits",
        "Suche ä/ö",
        "g",
        "of\nunits",
    )
    assert manifest.created == written.started
    assert manifest.imported is not None
    assert (manifest.imported.tracker, manifest.imported.scope, manifest.imported.complete) == ("wandb", "digits", True)
    assert [(ref.name, ref.uri, ref.kind) for ref in summary.artifacts] == [
        ("train", "https://bucket.example/train", "dataset")
    ]
    assert (summary.status, reader.run("failed1").summary().status) == ("finished", "failed")
    assert {run.outcome for run in do_import(project / inside, journal).values()} == {"unchanged"}


def _numbers(row: dict[str, Any], above: str = "") -> list[tuple[str, Any]]:
    found = []
    for key, value in row.items():
        if isinstance(value, dict):
            found += _numbers(value, f"{key}.")
        elif not key.startswith("_") and not isinstance(value, str):
            found.append((above + key, int(value) if isinstance(value, bool) else value))
        elif value in ("NaN", "Infinity", "-Infinity"):
            found.append((above + key, float(value)))
    return found


def test_a_torn_file_gives_what_is_whole_and_later_the_rest(project: Path, tmp_path: Path) -> None:
    (path,) = project.glob("wandb/offline-run-*-search1/*.wandb")
    whole = path.read_bytes()
    copy = tmp_path / "wandb" / path.parent.name / path.name
    copy.parent.mkdir(parents=True)
    points = []
    for part in (0.5, 0.8, 1.0):
        cut = int(len(whole) * part)
        cut -= part < 1 and _is_boundary(whole[:cut], tmp_path)
        copy.write_bytes(whole[:cut])
        (run,) = do_import(tmp_path, tmp_path / "journal").values()
        points.append(run.points)
        assert (part < 1) == any(f"{copy}: damaged at byte" in gap for gap in run.gaps)
        assert run.status == ("running" if part < 1 else "finished")
        assert run.outcome == ("more" if len(points) > 1 else "new")
    assert min(points) > 0
    found = multitrack.open_journal(tmp_path / "journal").run("search1")
    do_import(project, tmp_path / "other", chosen=lambda run: run.id == "search1")
    other = multitrack.open_journal(tmp_path / "other").run("search1")
    assert repr(found.get_metrics()) == repr(other.get_metrics())
    assert found.summary().status == other.summary().status == "finished"


def _is_boundary(begin: bytes, tmp_path: Path) -> bool:
    (tmp_path / "begin").write_bytes(begin)
    damage: list[int] = []
    assert list(records(tmp_path / "begin", damage))
    return not damage


def test_a_damaged_block_costs_no_more_than_itself(project: Path, tmp_path: Path) -> None:
    (path,) = project.glob("wandb/offline-run-*-search1/*.wandb")
    damaged = bytearray(path.read_bytes())
    damaged[40_000] ^= 1
    copy = tmp_path / path.name
    copy.write_bytes(damaged)
    (run,) = do_import(copy, tmp_path / "journal").values()
    assert sum("damaged at byte" in gap for gap in run.gaps) == 1
    assert 0.6 * MANY < run.points < MANY + MANY // 2


def test_a_run_delivered_from_here_comes_back(tmp_path: Path) -> None:
    config = {"journal": str(tmp_path / "journal"), "wandb": {"mode": "offline", "dir": str(tmp_path)}}
    with multitrack.start_run("p/ä", "ours 🚀", backends=["wandb"], config=config) as run:
        run.log_params({"lr": 0.1, "_wandb": 3, "multitrack": "x"})
        run.log_metric("loss", 2**60 + 1, step=7)
        run.log_metric("_step", 2.5, step=7)
        run.log_metric("best", 2**61 + 1)
        run.log_lines(["one", "two"])
        run.log_artifact_ref("weights", "s3://bucket/w", kind="model", digest="sha256:" + "0" * 64)
        run.set_tags({"team": "vision"})
    assert run.flush(60).complete
    do_import(tmp_path, tmp_path / "other")
    here, there = (multitrack.open_journal(tmp_path / name).run(run.id) for name in ("journal", "other"))
    one, other = here.summary(), there.summary()
    assert (one.params, one.tags, one.status, one.simple) == (other.params, other.tags, other.status, other.simple)
    assert repr(here.get_metrics()) == repr(there.get_metrics())
    assert [line.text for line in there.get_lines()] == ["one", "two"]
    assert (here.manifest.project, here.manifest.name, here.manifest.created) == (
        there.manifest.project, there.manifest.name, there.manifest.created,
    )  # fmt: skip
    assert [(ref.uri, ref.kind, ref.digest) for ref in other.artifacts] == [
        ("s3://bucket/w", "model", "sha256:" + "0" * 64)
    ]


def test_what_has_no_runs_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.wandb").write_bytes(b"no header")
    with pytest.raises(SourceError, match=r"has no \.wandb files"):
        open_source(str(tmp_path / "x.wandb"), "wandb")
    with pytest.raises(SourceError, match="no plugin recognizes"):
        open_source(str(tmp_path / "x.wandb"))
    (tmp_path / "y.wandb").write_bytes(b"")
    (gap,) = import_runs(open_source(str(tmp_path / "y.wandb")), tmp_path / "journal")
    assert isinstance(gap, Gap)
    assert "has no run in it" in gap.reason
