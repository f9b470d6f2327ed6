"""``docs/migrate.md``, as somebody follows it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow_history import write_history
from neptune_history import write_history as write_neptune
from wandb_history import write_history as write_wandb

import multitrack
from multitrack.cli import main

PAGE = Path(__file__).parent.parent.parent / "docs" / "migrate.md"
pytestmark = pytest.mark.slow


@pytest.mark.long("MLflow", "W&B")
@pytest.mark.parametrize("tracker", ["MLflow", "W&B", "Neptune", "TensorBoard"])
def test_three_commands(tmp_path: Path, tracker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    part = PAGE.read_text().split(f"## From {tracker}\n")[1]
    match = re.search(r"```sh\n(.*?)```", part, re.DOTALL)
    assert match is not None
    commands = match[1].splitlines()
    assert len(commands) == 3
    if tracker == "MLflow":
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # to write one
        write_history((tmp_path / "mlruns").as_uri(), many=50)
        monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
        (tmp_path / "multitrack.toml").write_text('[wandb]\nmode = "offline"\n')
    elif tracker == "TensorBoard":
        import tensorflow as tf

        with tf.summary.create_file_writer(str(tmp_path / "logs" / "one")).as_default():
            tf.summary.scalar("loss", 0.5, step=0)
    elif tracker == "Neptune":
        write_neptune(tmp_path, many=50)
    else:
        write_wandb(tmp_path)
    backend = commands[-1].split()[-1]
    verify = re.search(r"```sh\n(multitrack verify.*?)\n```", PAGE.read_text())
    assert verify is not None
    commands.append(verify[1].replace("mlflow", backend))
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    for command in commands:
        done = subprocess.run(command, cwd=tmp_path, shell=True, env={**os.environ, "PATH": path},
                              capture_output=True, text=True, timeout=240)  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    runs = list(multitrack.open_journal(tmp_path / ".multitrack").runs())
    assert len(runs) == {"MLflow": 3, "W&B": 2, "Neptune": 2, "TensorBoard": 1}[tracker]
    assert all(lane.settled for run in runs for lane in run.lanes().values())
    assert {name for run in runs for name in run.lanes()} == {backend}
    assert f"{len(runs)} of {len(runs)} runs are complete in {backend}" in done.stderr


def test_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = PAGE.read_text().split("## From CSV and Parquet\n")[1]
    match = re.search(r"```sh\n(.*?)```", part, re.DOTALL)
    assert match is not None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    for name in ("training.csv", "results/one.csv"):
        (tmp_path / name).write_text("epoch,loss\n0,0.5\n1,0.25\n")
    (tmp_path / "runs.csv").write_text("ID,Name,State,Sweep,lr,val_loss\na,first,finished,s1,0.1,0.5\n")
    for command in match[1].splitlines():
        done = CliRunner().invoke(main, shlex.split(command)[1:])
        assert done.exit_code == 0, f"{command}: {done.output}"
    runs = {run.id: run.summary() for run in multitrack.open_journal(tmp_path / ".multitrack").runs()}
    assert {name: (run.params, run.tags, run.simple) for name, run in runs.items()} == {
        "one": ({}, {}, {}),
        "a": ({"lr": 0.1}, {"Sweep": "s1"}, {"val_loss": 0.5}),
    }
