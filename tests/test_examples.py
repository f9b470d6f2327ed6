"""The examples beside the main job, run as their first lines say; what they recorded is what they say of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import multitrack
from multitrack.reader import RecordedRun
from quiet import QUIET

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parent.parent / "examples"


def example(name: str, *arguments: str, where: Path, **environment: str) -> str:
    """Run one, in an empty directory of its own, and give back what it printed."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments], cwd=where, capture_output=True, text=True,
        env={**os.environ, **QUIET, "HOME": str(where), **environment}, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def runs_in(journal: Path) -> dict[str, RecordedRun]:
    return {run.manifest.name: run for run in multitrack.open_journal(journal).runs()}


def test_tabular_data_with_a_conditional_space(tmp_path: Path) -> None:
    printed = example("tabular_search", "--trials", "4", where=tmp_path)
    runs = runs_in(tmp_path / "tabular-run" / ".multitrack")
    parent = runs.pop("tabular-search")
    assert set(runs) == {f"trial-{number}" for number in range(4)}
    scores = {}
    for number, run in enumerate(runs.values()):
        trial = json.loads((tmp_path / f"tabular-run/tuner/breast-cancer/trial_{number}/trial.json").read_text())
        told = run.summary()
        assert told.params == trial["hyperparameters"]["values"]
        assert ("C" in told.params) == (told.params["model"] == "svm") != ("trees" in told.params)
        assert told.metrics == {"score": trial["score"]}
        assert run.manifest.parent == parent.id
        scores[str(number)] = trial["score"]
    told = parent.summary()
    assert told.metrics == {"best_score": max(scores.values())}
    assert scores[told.tags["best_trial"]] == max(scores.values())
    assert f"best: trial {told.tags['best_trial']} with" in printed


def test_a_search_that_dies_and_goes_on(tmp_path: Path) -> None:
    printed = example("resumed_search", "--trials", "4", where=tmp_path)
    runs = runs_in(tmp_path / "resumed-run" / ".multitrack")
    assert set(runs) == {"sine", "trial-0", "trial-1", "trial-2", "trial-2-a2", "trial-3"}
    statuses = {name: run.summary().status for name, run in runs.items()}
    assert statuses == {**dict.fromkeys(runs, "finished"), "trial-2": "killed"}
    steps = {
        name: [point.step for point in run.get_metrics("val_loss").get("val_loss", [])] for name, run in runs.items()
    }
    assert steps.pop("sine") == []
    assert steps.pop("trial-2") in ([0], [0, 1])  # it died where the second epoch's hooks are called
    assert set(map(tuple, steps.values())) == {(0, 1, 2)}
    before, after = re.findall(r"^  sine +(\S+)  (\w+)", printed, re.MULTILINE)
    assert (before, after) == ((runs["sine"].id, "killed"), (runs["sine"].id, "finished"))


def test_keras_on_jax(tmp_path: Path) -> None:
    (tmp_path / "multitrack.toml").write_text('delivery = "off"\n')
    printed = example("jax_training", "--epochs", "2", where=tmp_path, KERAS_BACKEND="jax")
    assert " on jax: accuracy" in printed
    (run,) = runs_in(tmp_path / ".multitrack").values()
    steps = {name: [point.step for point in points] for name, points in run.get_metrics().items()}
    assert steps["loss"] == steps["val_loss"] == steps["learning_rate"] == [0, 1]
    assert steps["batch/loss"] == steps["batch/learning_rate"] == list(range(5, 49, 5))
    assert 0.5 < run.summary().metrics["test_accuracy"] <= 1
