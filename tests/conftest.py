"""Every test: a directory of its own as the current one, no settings from outside, no run left open."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import multitrack
from multitrack.environment.ranks import LAUNCHERS
from multitrack.reading.reader import JournalReader
from three_runs import start

pytest.register_assert_rewrite("recorded")

ROOT = Path(__file__).parents[1]
#: What says that a process is one of several.
LAUNCHED = {"LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID", "KERASTUNER_TUNER_ID", "TF_CONFIG"}
LAUNCHED.update(name for launcher in LAUNCHERS for name in (launcher.rank, launcher.size, *launcher.needs))


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith("MULTITRACK_") or name in LAUNCHED:
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(ROOT))  # pytest is no program whose source is to be recorded
    monkeypatch.chdir(tmp_path)
    yield
    from multitrack.recording import couriers, lifecycle

    while (run := lifecycle.last_open()) is not None:
        run.end()
    couriers.stop_couriers()


@pytest.fixture
def trusted(isolated: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A config that names the backends of ``recording_backends``, which ``multitrack sync`` then may import."""
    names = ("file", "raising", "closed", "picky", "flaky", "losing", "hung", "waiting", "keyed", "down")
    monkeypatch.setenv("MULTITRACK_BACKENDS", ",".join(f"recording_backends:{name}" for name in names))


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
