"""Programs written for Neptune's client, unchanged but for their imports, and the journal that they leave."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

import multitrack.compat.neptune as neptune
from compat_programs import contents, imported_runs, journal_runs, references, run_compat, run_sdk, scripts
from multitrack.reading.recorded_run import RecordedRun

#: What programs record that continue a run, or read, needs a server with the SDK itself.
COMPARED = ["hello_world", "namespaces", "several_runs", "tags", "training_loop", "files"]


def recorded(name: str, place: Path) -> list[RecordedRun]:
    done = run_compat("neptune", scripts("neptune")[name], place)
    assert done.returncode == 0, done.stderr
    return journal_runs(place)


def test_hello_world(tmp_path: Path) -> None:
    (run,) = recorded("hello_world", tmp_path)
    found = contents(run)
    assert found["params"] == {
        "parameters/learning_rate": 0.001, "parameters/optimizer": "Adam", "parameters/layers/units": 64,
        "parameters/layers/dropout": True, "seed": 7, "f1_score": 0.66,
    }  # fmt: skip
    assert found["series"] == {
        "train/loss": [(epoch, 0.9**epoch) for epoch in range(5)],
        "train/accuracy": [(epoch, 1 - 0.5**epoch) for epoch in range(5)],
    }
    assert not found["simple"] and not found["tags"] and not run.get_mistakes()
    assert run.manifest.project == "team/digits"
    assert run.summary().status == "finished"
    assert [line.text for line in run.get_lines() if line.stream == "stdout"] == ["trained"]


def test_training_loop(tmp_path: Path) -> None:
    (run,) = recorded("training_loop", tmp_path)
    found = contents(run)
    assert (run.manifest.name, run.manifest.notes) == ("loop", "a loop")
    assert found["params"] == {
        "config/batch": 32, "config/epochs": 3, "config/note": "first\nsecond", "model/size": 12.5,
        "started": "2024-02-03T04:05:06.000+00:00", "progress/epoch": 0,
    }  # fmt: skip
    assert found["simple"] == {"progress/epoch": [0, 1, 2]}
    assert found["series"] == {
        "metrics/batch/loss": [(step, 1 / (1 + step)) for step in range(12)],
        "metrics/epoch/loss": [(0, 1.0), (10, 0.5), (20, 1 / 3)],
        "metrics/epoch/val/loss": [(0, 2.0), (10, 1.0), (20, 2 / 3)],
        "metrics/curve": [(0, 0.5), (4, 0.25), (9, 0.125)],
        "metrics/half": [(2, 1.0), (3, 2.0)], "legacy": [(0, 3.5), (1, 4.5), (2, 5.5)],
    }  # fmt: skip
    times = "timestamps are left out: a point has the time of the call"
    assert dict(run.get_mistakes()) == {
        ("neptune append", f"left out: {times}"): 1,
        ("neptune append", f"left out: 11 more times: {times}"): 1,
        ("neptune append", "left out: steps are whole numbers: others are rounded down"): 1,
    }


def test_namespaces(tmp_path: Path) -> None:
    (run,) = recorded("namespaces", tmp_path)
    found = contents(run)
    assert found["params"] == {
        "setup/shape": "[28, 28]", "setup/callback": "None", "setup/ok": False, "setup/rate": 0.5,
        "setup/n/m": "(1,)", "single": "[1, 2]", "odd/path": 3, "direct/a": 1, "b": "text", "handle": "by assign",
    }  # fmt: skip
    assert found["series"] == {"train/loss": [(0, 0.5), (1, 0.25)], "train/inner/deep/er": [(3, 7)]}
    assert found["lines"] == ["train/notes: begin", "train/notes: more", "train/notes: end"]
    assert not run.get_mistakes()


def test_tags(tmp_path: Path) -> None:
    (run,) = recorded("tags", tmp_path)
    assert contents(run)["tags"] == dict.fromkeys([*"abcde", "data/classes/cat", "data/classes/dog"], "true")


def test_files(tmp_path: Path) -> None:
    (run,) = recorded("files", tmp_path)
    assert references(run) == {
        "model": ("model.txt", "file"), "again": ("model.txt", "file"), "text": ("text.txt", "file"),
        "page": ("page.html", "file"), "image": ("image.png", "figure"), "pickled": ("pickled.pkl", "file"),
        "predictions/0": ("0.png", "figure"), "predictions/1": ("1.png", "figure"),
        "data/data/one.csv": ("one.csv", "file"), "data/data/two.csv": ("two.csv", "file"),
        "dataset": ("data", "artifact"),
    }  # fmt: skip
    (directory,) = (tmp_path / ".multitrack" / "runs").iterdir()
    assert (directory / "files" / "text.txt").read_text() == "some text"
    assert (directory / "files" / "image.png").read_bytes().startswith(b"\x89PNG")
    assert (directory / "files" / "text.txt").stat().st_mode & 0o777 == 0o600
    uris = {each.name: each.uri for each in run.summary().artifacts}
    assert uris["dataset"] == "s3://bucket/data"
    assert {reason for _, reason in run.get_mistakes()} == {
        "left out: names and descriptions of images", "left out: 1 more times: names and descriptions of images",
    }  # fmt: skip


def test_several_runs(tmp_path: Path) -> None:
    runs = recorded("several_runs", tmp_path)
    assert [contents(run)["params"] for run in runs] == [{"lr": 0.1}, {"lr": 0.01}, {"number": 0}, {"number": 1}]
    assert runs[0].id.startswith("sweep-0-1-")
    assert [contents(run)["series"] for run in runs[2:]] == [{"value": [(0, 0), (1, 10)]}, {"value": [(0, 1)]}]


def test_resumed(tmp_path: Path) -> None:
    for said in ("", "missing\nnot found\n"):
        done = run_compat("neptune", scripts("neptune")["resumed"], tmp_path)
        assert (done.returncode, done.stdout) == (0, said), done.stderr
    (run,) = journal_runs(tmp_path)
    found = contents(run)
    assert found["series"] == {"loss": [(0, 3.0), (1, 2.0), (2, 1.0)]}
    assert found["params"] == {"params/lr": 0.1}
    assert found["tags"] == {"first": "true", "second": "true"}
    assert not run.get_mistakes()


def plain(run: RecordedRun) -> dict[str, Any]:
    """What can be compared: a number that changed is a param as well here, and in an import a metric alone."""
    found = contents(run)
    found["params"] = {name: value for name, value in found["params"].items() if name not in found["simple"]}
    return found


def images(run: RecordedRun) -> list[tuple[str, str | None]]:
    """Names and digests of the images of series."""
    return [(each.name, each.digest) for each in run.summary().artifacts if each.name.startswith("predictions/")]


@pytest.mark.skipif(importlib.util.find_spec("neptune") is None, reason="needs the neptune package")
def test_the_same_as_imports_of_the_sdk(tmp_path: Path) -> None:
    run_sdk("neptune", COMPARED, tmp_path / "sdk", NEPTUNE_MODE="offline")
    compared = 0
    for name in COMPARED:
        expected = imported_runs(tmp_path / "sdk" / name / ".neptune", tmp_path / "imported" / name)
        found = recorded(name, tmp_path / "compat" / name)
        assert [plain(run) for run in found] == [plain(run) for run in expected], name
        assert [images(run) for run in found] == [images(run) for run in expected], name
        compared += len(found)
    assert compared == 9
    assert len(images(expected[0])) == 2
    # An imported run is continued by its id in Neptune.
    imported = imported_runs(tmp_path / "sdk" / "hello_world" / ".neptune", Path(".multitrack"))[0]
    assert imported.manifest.imported is not None
    run = neptune.init_run(with_id=imported.manifest.imported.id, capture_stdout=False, capture_stderr=False)
    run["train/loss"].append(0.5)
    run.stop()
    assert run.run.id == imported.id
    assert contents(imported)["series"]["train/loss"][-2:] == [(4, 0.9**4), (5, 0.5)]
