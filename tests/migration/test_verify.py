"""``multitrack verify``: what was delivered is there; what is taken out of a tracker, or changed in it, is found."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import multitrack
from multitrack.migration.verifying import Verified, verify_run
from multitrack.reading.recorded_run import RecordedRun

pytestmark = pytest.mark.slow
BACKENDS = ["mlflow", "wandb", "tensorboard", "trackio", "files", "goodseed"]


def config_of(directory: Path) -> dict[str, object]:
    return {
        "journal": str(directory / "journal"),
        "mlflow": {"tracking_uri": f"sqlite:///{directory}/mlflow.db"},
        "wandb": {"mode": "offline", "dir": str(directory)},
        "tensorboard": {"directory": str(directory / "logs")},
        "trackio": {"directory": str(directory / "trackio")},
        "files": {"directory": str(directory / "tables")},
        "goodseed": {"directory": str(directory / "goodseed")},
    }


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run with hostile values, delivered to all."""
    tmp_path = tmp_path_factory.mktemp("delivered")
    with multitrack.start_run(
        "prö/ject", "näme 🚀", backends=BACKENDS, config=config_of(tmp_path), notes="a\nb"
    ) as run:
        run.log_params({"lr": 0.1, "big": 2**60 + 1, "none": None, "yes": True, "some": [1, "x"], "läss🚀": "x" * 7000})
        for step in range(500):
            run.log_metrics({"loss": 1 / (step + 1), "acc": step}, step=step)
        for value in (math.nan, math.inf, -math.inf, 2**60 + 1, 1e308, 5e-324):
            run.log_metric("odd / läss", value, step=3)
        run.log_metric("loss", 0.5, step=2)  # repeated, and backward
        run.log_metric("best", 0.25)
        run.log_metric("best", 0.125)
        run.log_list_metric("list", [1, 2.5, 3])
        run.log_lines(["one", "", " two\ttabs", "ünï"])
        run.log_artifact_ref("weights", "s3://bucket/w", kind="model", digest="sha256:" + "0" * 64, version="dvc:md5:1")
        run.log_artifact_ref("train", "s3://bucket/t", kind="dataset", role="input")
        run.set_tags({"stage": "dev"})
        run.set_tags({"stage": "prod", "ö": "ä"})
    assert run.flush(120).complete
    return tmp_path


@pytest.fixture
def run(delivered: Path, tmp_path: Path) -> RecordedRun:
    """A copy of that run: of its journal, and of all trackers."""
    shutil.copytree(delivered, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.glob("journal/runs/**/*.json"):
        path.write_text(path.read_text().replace(str(delivered), str(tmp_path)))
    (run,) = multitrack.open_journal(tmp_path / "journal").runs()
    return run


def wrong(found: Verified) -> dict[str, tuple[str, int]]:
    return {each.thing: (each.outcome, each.count) for each in found.findings if each.outcome != "stand-in"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_everything_is_there(run: RecordedRun, backend: str) -> None:
    found = verify_run(run, backend)
    assert found.error is None
    assert wrong(found) == {}
    assert found.passed
    points = 500 * 2 + 6 + 1 + 3
    assert found.equal + sum(each.count for each in found.findings) == 5 + 6 + points + 1 + 4 + 2 + 2
    assert found.equal > points


def test_what_is_changed_in_mlflow_is_found(run: RecordedRun, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as store, store:
        store.execute("DELETE FROM metrics WHERE key = 'loss' AND step IN (7, 8)")
        store.execute("UPDATE metrics SET value = 9 WHERE key = 'acc' AND step = 3")
        store.execute("UPDATE params SET value = '0.2' WHERE key = 'lr'")
        store.execute("DELETE FROM tags WHERE key = 'stage'")
        store.execute("UPDATE runs SET status = 'FAILED'")
        store.execute("INSERT INTO params (key, value, run_uuid) SELECT 'auto', '1', run_uuid FROM runs")
    found = verify_run(run, "mlflow")
    assert wrong(found) == {
        "metric loss": ("missing", 2), "metric acc": ("different", 1), "param lr": ("different", 1),
        "tag stage": ("missing", 1), "status": ("different", 1),
    }  # fmt: skip
    assert (found.passed, found.extra) == (False, 1)
    (lr,) = [each for each in found.findings if each.thing == "param lr"]
    assert lr.detail == "0.1 is 0.2"
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as store, store:
        store.execute("DELETE FROM runs")
    found = verify_run(run, "mlflow")
    assert not found.passed
    assert "cannot be read" in str(found.error)


def test_files_that_are_cut_are_found(run: RecordedRun, tmp_path: Path) -> None:
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = verify_run(run, "wandb")
    assert wrong(found)["metric loss"][0] == "missing"
    assert wrong(found)["metric loss"][1] > 100
    path.unlink()
    assert "has no .wandb files" in str(verify_run(run, "wandb").error)
    records = max(tmp_path.glob("logs/**/*tfevents*"), key=lambda path: path.stat().st_size)
    records.write_bytes(records.read_bytes()[: records.stat().st_size // 2])
    assert wrong(verify_run(run, "tensorboard"))["metric loss"][0] == "missing"


def test_the_command(run: RecordedRun, tmp_path: Path) -> None:
    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "multitrack", "verify", *words, "--journal", "journal"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)

    done = call("--against", "mlflow", "--json")
    (told,) = json.loads(done.stdout)
    assert (done.returncode, told["id"], told["passed"]) == (0, run.id, True)
    done = call(run.id, "--against", "tensorboard")
    assert (done.returncode, "1 of 1 runs are complete in tensorboard" in done.stderr) == (0, True), done.stderr
    done = call("--against", "neptune")
    assert (done.returncode, "1 runs were not delivered to neptune" in done.stderr) == (1, True)
    done = call(run.id, "--against", "neptune")
    assert done.returncode == 1
    assert f"the run was not delivered to neptune: `multitrack replay {run.id} --to neptune`" in done.stderr
