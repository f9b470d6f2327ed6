"""A journal of three runs."""

import argparse
import sys
from pathlib import Path

import pytest

import multitrack
from multitrack.reading.reader import JournalReader
from three_runs import start


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JournalReader:
    """Three runs that ended, and what they have: ``b`` fails, and has no accuracy."""
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", "import train"])  # the tests' own arguments are no params
    (tmp_path / "conf.yaml").write_text("model: {units: 64}\n")
    for i, name in enumerate("abc"):
        tags = {"deployment": "eu" if i else "us", "build": str(i)}
        run = start(name, params={"lr": 0.1 / 10**i, "note": "same"}, tags=tags, group="g" if i else None)
        run.log_params(argparse.Namespace(seed=i))
        run.log_params(tmp_path / "conf.yaml")
        run.log_artifact_ref("data", "s3://b/data", kind="dataset", role="input", digest="sha256:00")
        run.log_artifact_ref("weights", f"s3://b/{i}", kind="model")
        for step in range(5):
            run.log_metric("loss", abs(step - 2.0) + i, step=step)
        run.log_list_metric("latency", [3, 1, 2, 10 + i])
        if i != 1:
            run.log_metric("accuracy", 0.9 + i / 100)
        run.end("failed" if i == 1 else "finished")
    return multitrack.open_journal()
