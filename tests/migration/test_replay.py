"""Runs of one tracker, imported and sent to others, compared by the trackers' own readers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow_history import held, plain, write_history
from wandb_file import read_wandb
from wandb_history import write_history as write_wandb

import multitrack
from multitrack.migration.replay import add_backend
from multitrack_wandb.names import STEP

pytestmark = pytest.mark.slow


def call(directory: Path, *words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "multitrack", *words]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=240)
    assert done.returncode == status, done.stderr
    return done


def test_from_mlflow_to_wandb_and_to_another_mlflow(tmp_path: Path) -> None:
    first, second = (f"sqlite:///{tmp_path}/{name}.db" for name in ("first", "second"))
    ids = write_history(first, many=500)
    (tmp_path / "multitrack.toml").write_text(
        f'[mlflow]\ntracking_uri = "{second}"\n[wandb]\nmode = "offline"\ndir = "{tmp_path}"\n'
    )
    call(tmp_path, "import", first)
    plan = call(tmp_path, "replay", "--to", "mlflow", "--dry-run")
    assert "3 of 3 runs would be sent to mlflow; nothing was sent (--dry-run)" in plan.stderr
    assert all(ids[name] in plan.stdout for name in ("search", "trial"))
    assert not (tmp_path / "second.db").exists()
    said = call(tmp_path, "replay", "--to", "mlflow").stderr
    assert "3 runs, 0 of them delivered before" in said
    said = call(tmp_path, "replay", "--to", "wandb", "--project", "digits").stdout
    assert "wandb: " in said
    assert "mlflow" not in said
    assert "0 of 2 runs would" in call(tmp_path, "replay", "--to", "wandb", "--project", "digits", "--dry-run").stderr

    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=second)
    experiments = {each.name: each.experiment_id for each in client.search_experiments()}
    runs = {run.info.run_name: run for run in client.search_runs([experiments["digits"]])}
    assert runs.keys() == {"search", "trial"}
    old = {name: MlflowClient(tracking_uri=first).get_run(ids[name]) for name in runs}
    for name, run in runs.items():
        assert held(second, run.info.run_id) == held(first, ids[name])
        assert run.data.params == old[name].data.params
        assert (run.info.status, run.info.start_time, run.info.end_time) == (
            old[name].info.status, old[name].info.start_time, old[name].info.end_time,
        )  # fmt: skip
        assert run.data.tags["multitrack.run_id"] == ids[name]
    assert runs["trial"].data.tags["mlflow.parentRunId"] == runs["search"].info.run_id
    assert runs["search"].data.tags["team"] == "vision"
    assert runs["search"].data.tags["mlflow.user"] == "ada"

    native = read_wandb(tmp_path, ids["search"])
    assert [
        (round(row["_timestamp"] * 1000), row[STEP], plain(float(row["loss"]))) for row in native.rows if "loss" in row
    ] == held(first, ids["search"])["loss"]
    assert (native.config["lr"], native.config["model/units"], native.exit_code) == (0.001, 64, 0)

    assert "3 recorded here" in call(tmp_path, "import", second).stderr
    again = call(tmp_path, "replay", "--to", "mlflow").stderr
    assert "3 runs, 3 of them delivered before" in again
    assert len(client.search_runs([experiments["digits"]])) == 2
    assert "mlflow, run" in call(tmp_path, "show", ids["search"]).stdout


def test_from_wandb_to_mlflow_in_one_command(tmp_path: Path) -> None:
    write_wandb(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    (tmp_path / "multitrack.toml").write_text(f'[mlflow]\ntracking_uri = "{uri}"\n')
    call(tmp_path, "move", "wandb", "--to", "mlflow")
    call(tmp_path, "move", "wandb", "--to", "mlflow")

    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.search_runs([each.experiment_id for each in client.search_experiments()])
    natives = {run.data.tags["multitrack.run_id"]: run for run in found}
    assert (len(found), natives.keys()) == (2, {"search1", "failed1"})
    native = natives["search1"]
    assert held(uri, native.info.run_id)["loss"] == [
        (round(row["_timestamp"] * 1000), row["_step"], plain(float(row["loss"])))
        for row in read_wandb(tmp_path, "search1").rows
        if "loss" in row
    ]
    assert native.data.params["lr"] == "0.001"
    assert native.data.params["layers"] == "[1, 2]"
    assert (native.info.status, natives["failed1"].info.status) == ("FINISHED", "FAILED")


def test_who_goes_first_and_who_cannot_go(tmp_path: Path) -> None:
    config: dict[str, Any] = {"journal": str(tmp_path / "journal"), "delivery": "off"}
    with multitrack.start_run("p", "parent", run_id="z", config=config) as parent:
        multitrack.start_run("p", "child", run_id="a", parent=parent, config=config).end()
    runs = list(multitrack.open_journal(tmp_path / "journal").runs())
    assert len(runs) == 2
    (tmp_path / "multitrack.toml").write_text("")
    assert add_backend(runs, "files") == ("files", ["z", "a"])
    assert [entry.name for entry in multitrack.open_journal(tmp_path / "journal").run("a").manifest.backends] == [
        "files"
    ]

    with multitrack.start_run("p", "open", run_id="open", config=config):
        said = call(tmp_path, "replay", "open", "--to", "files", "--journal", str(tmp_path / "journal"))
        assert "still being written: left out" in said.stderr
    (tmp_path / "multitrack.toml").write_text('[files]\nformat = "csv"\n')
    said = call(tmp_path, "replay", "a", "--to", "files", "--journal", str(tmp_path / "journal"), status=2)
    assert "with other options already: " in said.stderr
    assert json.loads(call(tmp_path, "runs", "--journal", str(tmp_path / "journal"), "--json").stdout)
