"""A recorded comparison as trackers hold it, read by their own readers. The contract has all records in all backends."""

import contextlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import multitrack
from trackers import QUIET, TRACKERS

RECORD = """
import msgspec, sys
from multitrack.drift import Drift, record
print(record(msgspec.json.decode(sys.stdin.read(), type=Drift)).run)
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="needs MLflow, which is not beside Evidently")
def test_figures_and_references_in_trackers(tmp_path: Path) -> None:
    data = tmp_path / "train.csv"
    data.write_text("age\n1\n")
    side = {
        "name": "train.csv",
        "rows": 1,
        "uri": data.as_uri(),
        "digest": "sha256:ab",
        "version": "delta:3",
        "size": 6,
    }
    column = {"kind": "numerical", "method": "K-S p_value", "threshold": 0.05, "score": 0.001, "drifted": True}
    drift = {"reference": side, "current": side, "columns": {"age": column}, "skipped": {}, "limit": 0.5, "html": "<p>"}
    with contextlib.ExitStack() as stack:
        served = {name: stack.enter_context(TRACKERS[name].serve(tmp_path)) for name in ("mlflow", "files")}
        options = {f"MULTITRACK_{name.upper()}_{key.upper()}": value for name, tracker in served.items()
                   for key, value in tracker.options(tmp_path).items()}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", RECORD], input=msgspec.json.encode(drift), capture_output=True, check=False,
            env={**os.environ, **QUIET, **options, "MULTITRACK_BACKENDS": ",".join(served), "HOME": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        run = multitrack.open_journal().run(done.stdout.decode().strip())
        report = (run.directory / "drift.html").as_uri()
        for name, tracker in served.items():
            held = tracker.read(tmp_path, run.id, run.lanes()[name].id or "")
            assert (held.metrics["drift/share"], held.metrics["drift/age"]) == (1, 0.001), name
            assert held.artifacts == {
                "drift/reference": data.as_uri(), "drift/current": data.as_uri(), "drift/report": report,
            }, name  # fmt: skip
            assert held.tags["reference"] == "train.csv", name
