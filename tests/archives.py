"""Runs for archives, and what a copy of one has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import multitrack
from multitrack.archive.manifest import digest_of, files_of


def record(journal: Path, run_id: str, points: int = 3) -> Path:
    config = {"journal": str(journal), "delivery": "off"}
    with multitrack.start_run("p", run_id=run_id, config=config, backends=[]) as run:
        run.log_params({"lr": 0.1, "ü/ä": "日本"})
        for step in range(points):
            run.log_metric("loss", 1 / (step + 1), step=step)
    assert run.directory is not None
    return run.directory


def contents(directory: Path) -> dict[str, str]:
    return {name: digest_of(directory / name) for name, _ in files_of(directory)}


def outcomes(found: Any) -> dict[str, str]:
    return {one.id: one.outcome for one in found}
