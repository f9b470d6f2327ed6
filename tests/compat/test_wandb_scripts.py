"""Programs written for W&B's SDK, unchanged but for their imports, and the journal that they leave."""

from __future__ import annotations

import importlib.util
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from compat_programs import contents, imported_runs, journal_runs, references, run_compat, run_sdk, scripts
from multitrack.reading.recorded_run import RecordedRun

#: A run cannot be continued offline with the SDK itself.
COMPARED = [
    "artifacts", "config_update", "define_metric", "media", "several_runs", "steps", "summary", "training_loop",
]  # fmt: skip


def recorded(name: str, place: Path) -> list[RecordedRun]:
    done = run_compat("wandb", scripts("wandb")[name], place)
    assert done.returncode == 0, done.stderr
    return journal_runs(place)


def test_training_loop(tmp_path: Path) -> None:
    (run,) = recorded("training_loop", tmp_path)
    found = contents(run)
    assert found["params"] == {"lr": 0.1, "layers": [64, 32], "model/name": "cnn", "model/dropout": None}
    assert found["series"] == {
        "loss": [(epoch, 0.9**epoch) for epoch in range(5)],
        "accuracy": [(epoch, 1 - 0.5**epoch) for epoch in range(5)],
        "epoch": [(epoch, epoch) for epoch in range(5)],
    }
    assert found["tags"] == {"a": "true", "b": "true", "job_type": "train"}
    assert not found["simple"] and not run.get_mistakes()
    manifest = run.manifest
    assert (manifest.project, manifest.name, manifest.notes, manifest.group) == ("digits", "first", "a note", "sweep")
    assert run.summary().status == "finished"
    assert [line.text for line in run.get_lines() if line.stream == "stdout"] == ["trained"]


def test_config_update(tmp_path: Path) -> None:
    (run,) = recorded("config_update", tmp_path)
    assert contents(run)["params"] == {
        "lr": 0.1, "units": 64, "batch": 32, "seed": 7, "opt/name": "adam", "opt/beta": 0.9, "epochs": 3, "note": "x",
    }  # fmt: skip
    assert not run.get_mistakes()


def test_steps(tmp_path: Path) -> None:
    (run,) = recorded("steps", tmp_path)
    series = contents(run)["series"]
    (step, value) = series["a"].pop()
    assert step == 13 and isnan(value)
    assert series == {
        "a": [(0, 1), (10, 5)], "b": [(0, 2), (10, 6)], "nested.x": [(0, 3)], "nested.deep.y": [(0, 4.5)], "c": [(12, 1)],
    }  # fmt: skip
    dropped = "left out: a step before the current one is dropped, as W&B does"
    assert dict(run.get_mistakes()) == {("wandb log", dropped): 1}


def test_define_metric(tmp_path: Path) -> None:
    (run,) = recorded("define_metric", tmp_path)
    found = contents(run)
    assert found["series"]["val/loss"] == [(1, 4.0), (3, 3.0), (5, 2.0)]
    assert found["series"]["epoch"] == [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2)]
    assert found["simple"] == {"acc.max": [0.5], "loss.min": [1.0], "loss.mean": [2.0]}
    assert found["tags"] == {"step_metric/val/*": "epoch"}


def test_summary(tmp_path: Path) -> None:
    (run,) = recorded("summary", tmp_path)
    found = contents(run)
    assert found["simple"] == {"best_accuracy": [0.75], "epochs": [3], "test.loss": [0.5]}
    assert found["tags"] == {"summary/verdict": "good"}
    assert found["lines"] == ["alert WARN: low: the accuracy is low"]


def test_artifacts(tmp_path: Path) -> None:
    (run,) = recorded("artifacts", tmp_path)
    assert references(run) == {
        "data/test.csv": ("test.csv", "dataset"), "data/train.csv": ("train.csv", "dataset"),
        "net": ("model.bin", "model"), "remote": ("data", "dataset"), "report": ("report.txt", "text"),
        "model.bin": ("model.bin", "file"),
    }  # fmt: skip
    (model,) = (each for each in run.summary().artifacts if each.name == "net")
    assert model.role == "output" and model.model is not None
    assert not run.get_mistakes()


def test_media(tmp_path: Path) -> None:
    (run,) = recorded("media", tmp_path)
    assert contents(run)["series"] == {"loss": [(0, 0.5), (1, 0.25)]}
    assert references(run) == {
        "image/0": ("0.png", "figure"), "table/1": ("1.table.json", "table"),
        "images/2_0": ("2_0.png", "figure"), "images/2_1": ("2_1.png", "figure"),
        "weights/3": ("3.json", "histogram"), "page/3": ("3.html", "html"),
    }  # fmt: skip
    (directory,) = (tmp_path / ".multitrack" / "runs").iterdir()
    table = (directory / "files" / "media" / "table" / "1.table.json").read_text()
    assert table == '{"columns": ["id", "score"], "data": [[1, 0.5], [2, 0.25]]}'


def test_several_runs(tmp_path: Path) -> None:
    runs = recorded("several_runs", tmp_path)
    assert [run.id for run in runs[:2]] == ["run-0_1", "run-0_01"]
    assert [contents(run)["params"] for run in runs[:2]] == [{"lr": 0.1}, {"lr": 0.01}]
    assert [contents(run)["series"]["value"] for run in runs[2:]] == [[(0, 0), (1, 1)], [(0, 0), (1, -1)]]


def test_resumed(tmp_path: Path) -> None:
    for _ in range(2):
        done = run_compat("wandb", scripts("wandb")["resumed"], tmp_path)
        assert done.returncode == 0, done.stderr
    (run,) = journal_runs(tmp_path)
    found = contents(run)
    assert (run.id, found["params"], found["simple"]) == ("own", {"lr": 0.1, "model/units": 64}, {"best": [2.0]})
    assert found["series"] == {"loss": [(0, 3.0), (1, 2.0), (2, 1.0)]}
    assert not run.get_mistakes()


def plain(run: RecordedRun) -> dict[str, Any]:
    """What can be compared: NaN is equal to nothing."""
    found = contents(run)
    for name, points in found["series"].items():
        found["series"][name] = [(step, "NaN" if isnan(value) else value) for step, value in points]
    return found


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="needs the wandb package")
def test_the_same_as_imports_of_the_sdk(tmp_path: Path) -> None:
    run_sdk("wandb", COMPARED, tmp_path / "sdk", WANDB_MODE="offline")
    # The SDK writes all runs of a process where its first one is.
    expected = imported_runs(tmp_path / "sdk" / COMPARED[0] / "wandb", tmp_path / "imported")
    found = [run for name in COMPARED for run in recorded(name, tmp_path / "compat" / name)]
    assert len(found) == 11
    assert [plain(run) for run in found] == [plain(run) for run in expected]
