"""Imports that are killed at any moment and started again end as one that was not killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import multitrack
from multitrack.journal.manifest import read_manifest
from multitrack.migration.importing import import_runs
from multitrack.migration.opening import open_source
from multitrack.reading.recorded_run import RecordedRun

RUNS, POINTS = 6, 4000


def write_store(store: Path) -> None:
    """A file store of MLflow, in the layout of mlflow/store/tracking/file_store.py."""
    for number in range(RUNS):
        run = store / "1" / f"{number:032x}"
        for folder in ("metrics", "params", "tags", "artifacts"):
            (run / folder).mkdir(parents=True)
        (run / "meta.yaml").write_text(
            f"run_name: r{number}\nstatus: 3\nstart_time: 1700000000000\nend_time: 1700000900000\n"
            "lifecycle_stage: active\nuser_id: ada\n"
        )
        (run / "params" / "lr").write_text("0.1")
        for name in ("loss", "acc"):
            lines = (f"{1700000000000 + 10 * i} {i / 7} {i}\n" for i in range(POINTS))
            (run / "metrics" / name).write_text("".join(lines))
    (store / "1" / "meta.yaml").write_text("name: digits\nexperiment_id: '1'\nlifecycle_stage: active\n")


def content(run: RecordedRun) -> tuple[object, ...]:
    summary = run.summary()
    points = {name: [(point.time, point.step, point.value) for point in points]
              for name, points in run.get_metrics().items()}  # fmt: skip
    return (
        run.id,
        points,
        summary.params,
        summary.status,
        summary.ended,
        summary.gaps,
        run.get_gaps(),
        run.manifest.imported,
    )


def test_killed_imports_end_as_one_that_was_not(tmp_path: Path) -> None:
    write_store(tmp_path / "mlruns")
    assert len(list(import_runs(open_source(str(tmp_path / "mlruns")), tmp_path / "whole"))) == RUNS
    chance, partial, kills = random.Random(7), 0, 0
    command = [sys.executable, "-m", "multitrack", "import", "mlruns", "--journal", "killed"]
    for _ in range(12):
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.1)
        before = time.monotonic()
        while not list(tmp_path.glob("killed/runs/*/*.jsonl")) and time.monotonic() < before + 30:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.25) if kills else 0.02)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        for path in tmp_path.glob("killed/runs/*/manifest.json"):
            origin = read_manifest(path.parent).imported
            assert origin is not None
            partial += not origin.complete
    assert kills
    assert partial  # or no kill came in the middle of a run
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert f"{RUNS} unchanged" in done.stderr
    whole, killed = (list(multitrack.open_journal(tmp_path / name).runs()) for name in ("whole", "killed"))
    assert len(whole) == RUNS
    assert [content(run) for run in killed] == [content(run) for run in whole]


@pytest.mark.parametrize("change", ["other", "fewer"])
def test_a_source_that_changed_is_said_and_nothing_is_written(tmp_path: Path, change: str) -> None:
    write_store(tmp_path / "mlruns")
    (outcome, *_) = import_runs(open_source(str(tmp_path / "mlruns")), tmp_path / "journal")
    (path,) = tmp_path.glob(f"mlruns/1/{0:032x}/metrics/loss")
    lines = path.read_text().splitlines(keepends=True)
    lines[5] = "1700000000050 99.0 5\n"
    path.write_text("".join(lines if change == "other" else lines[:-1]))
    before = {file: file.read_bytes() for file in tmp_path.glob("journal/runs/*/*.json*")}
    assert before
    (outcome, *others) = import_runs(open_source(str(tmp_path / "mlruns")), tmp_path / "journal")
    assert outcome.outcome == "failed"
    assert "metric loss changed in the source since the last import" in str(outcome.error)
    assert {other.outcome for other in others} == {"unchanged"}
    assert {file: file.read_bytes() for file in tmp_path.glob("journal/runs/*/*.json*")} == before
