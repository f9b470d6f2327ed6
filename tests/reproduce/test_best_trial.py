"""The best trial of the main job, reproduced by its search in a clone of the example's repository."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import multitrack
from quiet import QUIET
from repositories import repository

pytestmark = pytest.mark.slow
EXAMPLE = Path(__file__).parents[2] / "examples" / "digits_search.py"


def test_the_best_trial_of_the_main_job(tmp_path: Path) -> None:
    example = {"examples/digits_search.py": EXAMPLE.read_bytes(), ".gitignore": "digits-run/\n"}
    repo, again = repository(tmp_path / "repo", example), tmp_path / "again"
    environment = {**os.environ, **QUIET, "HOME": str(tmp_path)}

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=repo, env=environment, capture_output=True, text=True, timeout=280
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("examples/digits_search.py", "--trials", "2", "--epochs", "2", "--backends", "files")
    journal = multitrack.open_journal(repo / "digits-run")
    parent = next(run for run in journal.runs() if run.facts.parent is None)
    best = journal.run(parent.summary().tags["best_run"])
    assert best.facts.name == "trial-1", "not the first one, whose random state would be that of a single training"
    command = ["-m", "multitrack", "reproduce", best.id, "--journal", "digits-run", "--into", str(again), "--run"]
    printed = run(*command)
    (new,) = journal.runs(tags={"reproduces": parent.id})
    assert new.facts.parent == parent.id
    trial = next(run for run in journal.runs(parent=new.id) if run.facts.name == "trial-1")
    assert f"{best.id} was reproduced by {trial.id}" in printed
    assert trial.get_params() == best.get_params()
    for name in ("loss", "val_loss", "val_accuracy"):
        values = [[point.value for point in run.get_metrics(name)[name]] for run in (best, trial)]
        assert len(values[0]) == 2
        assert values[0] == pytest.approx(values[1], rel=1e-6)
    assert (again / "source" / "digits-run" / "tables").is_dir(), "delivered as the config in effect says"
