"""The whole story of provenance, from an empty directory: data in DVC, models, their data's hash, a run made again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from mlflow_reader import read_run
from wandb_file import read_wandb

import multitrack
from data_tools import ENVIRONMENT, dvc, git, repository
from multitrack import RecordedRun
from quiet import environment

pytestmark = pytest.mark.slow

CONFIG = """\
backends = ["mlflow", "wandb"]

[mlflow]
tracking_uri = "sqlite:///mlflow.db"
register_models = true

[wandb]
mode = "offline"
"""

TRAIN = """\
import csv, json, sys
from pathlib import Path

import multitrack

threshold = float(sys.argv[1])
with open("data/train.csv") as file:
    rows = list(csv.DictReader(file))
with multitrack.start_run("shop", f"threshold {threshold}", params={"threshold": threshold}) as run:
    columns = dict.fromkeys(rows[0], "float")
    run.log_artifact_ref("train", "data/train.csv", "dataset", "input", schema=columns, target="buys")
    right = [(float(row["spent"]) > threshold) == (row["buys"] == "1") for row in rows]
    for step in range(1, len(right) + 1):
        run.log_metric("accuracy", sum(right[:step]) / step, step=step)
    model = Path("models", f"{threshold} on {len(columns)} columns.json")
    model.parent.mkdir(exist_ok=True)
    model.write_text(json.dumps({"threshold": threshold, "columns": list(columns)}))
    run.log_artifact_ref("classifier", model, "model", objective="accuracy")
"""

SERVE = """\
import multitrack

model = multitrack.open_models().get("classifier@prod")
with multitrack.start_run("shop", "serve") as run:
    run.log_artifact_ref("classifier", model.path, "model", "input")
"""


class Project:
    """A repository with data in DVC; everything runs in processes of its own."""

    def __init__(self, root: Path) -> None:
        self.root = repository(root / "project")
        self._environment = environment(root) | ENVIRONMENT
        ignored = "models/\n.multitrack/\nmlflow.db\nmlruns/\nwandb/\n.home/\n"
        for name, text in {".gitignore": ignored, "multitrack.toml": CONFIG, "train.py": TRAIN}.items():
            (self.root / name).write_text(text)
        dvc(self.root, "init", "-q")
        self.commit("Begin")

    def commit(self, message: str) -> None:
        git(self.root, "add", "-A")
        git(self.root, "commit", "-qm", message)

    def write_data(self, header: str, rows: list[str]) -> str:
        """Put a version of the data into DVC; its md5, as DVC wrote it."""
        (self.root / "data").mkdir(exist_ok=True)
        (self.root / "data" / "train.csv").write_text("\n".join([header, *rows]) + "\n")
        dvc(self.root, "add", "-q", "data/train.csv")
        self.commit("Change the data")
        (line,) = [line for line in (self.root / "data" / "train.csv.dvc").read_text().splitlines() if "md5:" in line]
        return line.split()[-1]

    def python(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=cwd or self.root, env=self._environment, capture_output=True, text=True,
            timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def multitrack(self, *arguments: str, cwd: Path | None = None) -> str:
        return self.python("-m", "multitrack", *arguments, cwd=cwd)

    def train(self, threshold: float) -> RecordedRun:
        self.python("train.py", str(threshold))
        return list(multitrack.open_journal(self.root).runs())[-1]


def version(run: RecordedRun) -> str:
    return run.summary().models["classifier"].version


@pytest.mark.timeout(900)  # its commands train several times
def test_from_an_empty_directory_to_the_data_of_the_model_in_production(tmp_path: Path) -> None:
    project = Project(tmp_path)
    first_md5 = project.write_data("spent,buys", ["1,0", "2,0", "3,1", "4,1", "5,1", "6,0"])
    first, second, third = (project.train(threshold) for threshold in (0.5, 2.5, 4.5))
    assert [version(run) for run in (first, second, third)] == ["1.0.0", "1.1.0", "1.1.1"]
    assert second.summary().models["classifier"].reasons == [
        "accuracy improved from 0.5 (1.0.0) to 0.833333 on the same data"
    ]
    project.multitrack("models", "alias", "classifier@1.1.0", "prod")

    second_md5 = project.write_data("spent,visits,buys", ["1,9,0", "2,9,0", "3,9,1", "4,9,1", "5,9,1"])
    assert second_md5 != first_md5
    fourth, fifth = project.train(4.5), project.train(2.5)
    assert [version(run) for run in (fourth, fifth)] == ["2.0.0", "2.1.0"]
    assert fourth.summary().models["classifier"].reasons == ["train gained visits, compared with 1.1.1"]
    best = json.loads(project.multitrack("models", "get", "classifier", "--best", "accuracy", "--verify", "--json"))
    assert (best["version"], best["run"], best["verified"]) == ("2.1.0", fifth.id, True)

    differing = project.multitrack("compare", "--diff", "--json", second.id, fifth.id)
    assert first_md5 in differing
    assert second_md5 in differing

    (project.root / "serve.py").write_text(SERVE)
    project.python("serve.py")
    serving = list(multitrack.open_journal(project.root).runs())[-1]
    tree = project.multitrack("lineage", serving.id, "--up")
    for shown in (f"dvc:md5:{first_md5[:12]}", "classifier 1.1.0", second.id):
        assert shown in tree
    assert second_md5[:12] not in tree

    check_trackers(project, {first.id: first_md5, second.id: first_md5, third.id: first_md5,
                             fourth.id: second_md5, fifth.id: second_md5})  # fmt: skip
    check_reproduction(project, fifth, tmp_path)


def check_trackers(project: Project, runs: dict[str, str]) -> None:
    """MLflow's and W&B's own readers have the data's hash and the model's version of each run."""
    uri = f"sqlite:///{project.root}/mlflow.db"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    registered = {one.tags["multitrack.run_id"]: one for one in client.search_model_versions("name = 'classifier'")}
    assert set(registered) == set(runs)
    prod: Any = client.get_model_version_by_alias("classifier", "prod")
    assert prod.tags["multitrack.version"] == "1.1.0"
    for run_id, md5 in runs.items():
        run = multitrack.open_journal(project.root).run(run_id)
        made = run.summary().models["classifier"]
        native_id = run.lanes()["mlflow"].id
        assert native_id is not None
        assert (registered[run_id].run_id, registered[run_id].source) == (native_id, made.uri)
        assert registered[run_id].tags["multitrack.version"] == made.version
        native = read_run(uri, native_id)
        assert native.references is not None
        assert native.references["train"].version == f"dvc:md5:{md5}"
        assert json.loads(native.tags["multitrack.model.classifier"])["version"] == made.version
        (dataset,) = client.get_run(native_id).inputs.dataset_inputs
        assert (dataset.dataset.name, dataset.dataset.digest) == ("train", md5)
        held = read_wandb(project.root, run_id).config
        assert held["multitrack/artifacts/train"]["version"] == f"dvc:md5:{md5}"
        assert held["multitrack/models/classifier"]["version"] == made.version
        assert held["multitrack/models/classifier"]["digest"] == made.digest


def check_reproduction(project: Project, run: RecordedRun, tmp_path: Path) -> None:
    """The run in a clean clone without data, restored from DVC's cache: equal metrics, and the same model."""
    again = tmp_path / "again"
    prepared = project.multitrack("reproduce", run.id, "--into", str(again))
    assert "data" in prepared
    (again / "source" / "data").mkdir(exist_ok=True)
    assert not (again / "source" / "data" / "train.csv").exists()
    done = subprocess.run(
        ["bash", str(again / "data.sh")], cwd=again, capture_output=True, text=True,
        env=project._environment | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (again / "source" / "data" / "train.csv").read_bytes() == (project.root / "data" / "train.csv").read_bytes()
    report = json.loads(
        project.multitrack("reproduce", run.id, "--into", str(again), "--run", "--tolerance", "0", "--json")
    )
    assert report["outcome"]["reproduced"] is True
    (new,) = multitrack.open_journal(project.root).runs(tags={"reproduces": run.id})
    assert new.get_metrics("accuracy")["accuracy"][-1].value == run.get_metrics("accuracy")["accuracy"][-1].value == 1.0
    assert new.summary().models == {}, "a copy is no version"
