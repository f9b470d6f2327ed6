"""A journal that somebody else sent."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.delivery.lane_state import lane_file
from multitrack.delivery.trust import Trust
from multitrack.recording.run import Run
from recording_backends import delivered

TRACKERS = ["mlflow", "wandb", "neptune"]


@pytest.fixture(autouse=True)
def nobodys_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp().parent / "mlflow-cache"))
    for name in ("MLFLOW_TRACKING_URI", "WANDB_DIR", "WANDB_API_KEY", "NEPTUNE_DATA_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


def start(**arguments: Any) -> Run:
    return multitrack.start_run(config={"delivery": "off"} | arguments.pop("config", {}), **arguments)


def rewrite(run: Run, **changes: Any) -> None:
    """Alter a run's manifest, as whoever sends a journal may."""
    assert run.directory is not None
    path = run.directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module that says when it is imported, and the import path of a backend in it."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "evil.py").write_text(
        "from pathlib import Path\nPath('imported').touch()\nfrom recording_backends import file as backend\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield "evil:backend"
    sys.modules.pop("evil", None)


def test_a_journal_alone_has_nothing_imported(tmp_path: Path, evil: str) -> None:
    run = start(backends=["recording_backends:file"])
    run.log_metric("x", 1.0)
    run.end()
    rewrite(run, backends=[{"name": "file", "load": evil}])
    report = multitrack.sync()[run.id]["file"]
    assert (report.pending, report.delivered) == (1, 0)
    assert report.problem is not None
    assert f"multitrack sync --trust {evil}" in report.problem
    assert not (tmp_path / "imported").exists()
    next(iter(multitrack.open_journal().runs())).summary()
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize("who", ["argument", "command", "config"])
def test_an_import_path_that_is_vouched_for_is_loaded(tmp_path: Path, evil: str, who: str) -> None:
    from click.testing import CliRunner

    from multitrack.cli import main

    run = start(backends=["recording_backends:file"])
    run.log_metric("x", 1.0)
    run.end()
    rewrite(run, backends=[{"name": "file", "load": evil}])
    if who == "config":
        (tmp_path / "multitrack.toml").write_text(f'backends = ["{evil}"]\n')
    if who == "command":
        assert CliRunner().invoke(main, ["sync", "--trust", evil]).exit_code == 0
    else:
        multitrack.sync(trust=[evil] if who == "argument" else [])
    assert len(delivered(tmp_path / "delivered.jsonl", "metric")) == 1


def test_a_resumed_runs_earlier_backend_is_not_imported_by_its_courier(tmp_path: Path, evil: str) -> None:
    run = start(backends=["recording_backends:file"])
    run.end()
    rewrite(run, backends=[{"name": "other", "load": evil}])
    again = multitrack.start_run(run_id=run.id, backends=["recording_backends:file"])
    report = again.end()
    assert report["file"].complete
    assert "only the journal names" in str(report["other"].problem)
    assert not (tmp_path / "imported").exists()


def test_installed_names_need_no_trust() -> None:
    Trust().check("mlflow")
    with pytest.raises(multitrack.PluginError):
        Trust().check("os:system")


def test_a_journal_alone_has_no_file_sent(tmp_path: Path) -> None:
    """Else whoever sends a journal could have any file of ours sent to a server of theirs."""
    from mlflow.tracking import MlflowClient

    secret = tmp_path / "id_rsa"
    secret.write_text("private")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    runs = []
    for here in (False, True):
        run = start(backends=["mlflow"], config={"mlflow": {"tracking_uri": uri, "upload": ["figure", "key"]}})
        run.log_artifact_ref("a", secret, kind="key")
        run.end()
        if here:
            (tmp_path / "multitrack.toml").write_text('mlflow.upload = ["key"]\n')
        runs.append(run)
        report = multitrack.sync()[run.id]["mlflow"]
        assert report.complete, report
        assert any("the journal asks for it" in text for text in report.stand_ins), report.stand_ins
    client = MlflowClient(tracking_uri=uri)
    sent = [[found.path for found in client.list_artifacts(run.backend_ids["mlflow"])] for run in runs]
    assert sent == [[], ["key"]]


@pytest.mark.parametrize("backend", ["wandb", "neptune"])
def test_a_journal_has_nothing_deleted_that_is_not_the_runs(tmp_path: Path, backend: str) -> None:
    mine = tmp_path / "thesis"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years")
    run = start(backends=[backend], config={"wandb": {"mode": "offline"}} if backend == "wandb" else {})
    run.end()
    assert run.directory is not None
    notes = lane_file(run.directory, backend, "")
    notes.mkdir()
    if backend == "wandb":
        sessions = {"sessions": [{"directory": str(mine), "mode": "offline", "pid": 1 << 22}]}
        (notes / "sessions.json").write_text(json.dumps(sessions))
    else:
        (notes / "published.json").write_text(json.dumps({"directories": [str(mine)]}))
    report = multitrack.sync()[run.id][backend]
    if backend == "wandb":
        assert "sessions.json is damaged" in str(report.problem)
    else:
        assert report.complete
    assert (mine / "thesis.tex").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["../../x", "/etc/x", "file:///x", "..", "' OR 1=1 --", "a`b\"c'\\", "%2e%2e/%2e%2e/x", "~/x", "$HOME", "a\nb\x1b[2J",
     "<script>alert(1)</script>"],
)  # fmt: skip
def test_hostile_names_write_nothing_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    work = tmp_path / "a" / "b" / "c"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    (work / "f.txt").write_text("x")
    config = {"delivery": "off", "wandb": {"mode": "offline"}, "mlflow": {"upload": [name]}}
    (work / "multitrack.toml").write_text(f"mlflow.upload = [{json.dumps(name)}]\n")
    other = multitrack.start_run("other", name, backends=TRACKERS, config=config)
    run = multitrack.start_run(name, name, backends=TRACKERS, config=config, group=name, notes=name, tags={name: name},
                               params={name: name * 900, "short": name})  # fmt: skip
    run.log_metric(name, 1.0, step=0)
    run.log_metric(name + "s", 1.0)
    run.log_lines(name)
    run.log_artifact_ref(name, work / "f.txt", kind=name)
    run.end()
    other.end()
    reports = multitrack.sync()
    assert reports[run.id].complete, reports[run.id]
    assert {path.name for path in tmp_path.rglob("*") if work not in (path, *path.parents)} == {"a", "b"}
    assert {path.name for path in work.iterdir()} == {
        "f.txt", "multitrack.toml", "mlflow.db", "mlruns", "wandb", ".neptune", ".multitrack",
    }  # fmt: skip
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{work}/mlflow.db")
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.data.tags["multitrack.run_id"] == run.id
    assert found.info.run_name == name
