"""What tests of the tracking store compare: a journal as multitrack's reader has it, and MLflow's client."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient

import multitrack
from multitrack.reading.recorded_run import RecordedRun


def recorded(journal: Path, run_id: str) -> RecordedRun:
    return multitrack.open_journal(journal).run(run_id)


def points(run: RecordedRun, name: str) -> list[tuple[int, int, float]]:
    """Step, time and value of each point on disk."""
    found = run.get_series(name)
    return list(zip(found.steps, found.times, found.values, strict=True))


def history(client: MlflowClient, run_id: str, name: str) -> list[tuple[int, int, float]]:
    """The same points, from MLflow's client."""
    return [(each.step, each.timestamp, each.value) for each in client.get_metric_history(run_id, name)]
