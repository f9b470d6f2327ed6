"""MLflow's tracking store over a journal: what its clients write and read, compared with the journal on disk."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow_store import history, points, recorded

import multitrack
from multitrack.cli import main as cli
from multitrack.errors import ConfigError
from multitrack.journal import segment_file
from multitrack_mlflow.store.files import journal_of


def test_a_script_of_the_fluent_api_writes_the_journal(journal: Path, client: MlflowClient) -> None:
    experiment = mlflow.create_experiment("digits", tags={"team": "vision"})
    with mlflow.start_run(experiment_id=experiment, run_name="baseline", tags={"stage": "dev"}) as active:
        mlflow.log_params({"lr": 0.1, "model": "mlp"})
        for step in range(5):
            mlflow.log_metrics({"loss": 1 / (step + 1), "acc": step / 10}, step=step)
        mlflow.log_metric("final", 0.5)
        mlflow.set_tag("note", "ü\nsecond line")
        mlflow.log_text("hello", "notes/a.txt")
    run_id = active.info.run_id

    run = recorded(journal, run_id)
    summary = run.summary()
    assert (run.facts.project, run.facts.name, summary.status) == ("digits", "baseline", "finished")
    assert summary.params == {"lr": "0.1", "model": "mlp"}
    assert (summary.tags["stage"], summary.tags["note"]) == ("dev", "ü\nsecond line")
    shown = client.get_run(run_id)
    assert shown.data.params == summary.params
    assert shown.data.tags == summary.tags
    assert shown.data.metrics == {"loss": 0.2, "acc": 0.4, "final": 0.5}
    assert (shown.info.status, shown.info.run_name, shown.info.experiment_id) == ("FINISHED", "baseline", experiment)
    for name in ("loss", "acc", "final"):
        assert points(run, name) == history(client, run_id, name)
    assert (journal / "artifacts" / experiment / run_id / "artifacts" / "notes" / "a.txt").read_text() == "hello"
    assert client.get_experiment(experiment).tags == {"team": "vision"}


def test_nested_runs_are_children(journal: Path, client: MlflowClient) -> None:
    with mlflow.start_run() as parent, mlflow.start_run(nested=True, run_name="one") as child:
        mlflow.log_metric("loss", 1.0)
    assert recorded(journal, child.info.run_id).facts.parent == parent.info.run_id
    found = client.search_runs(["0"], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert [run.info.run_name for run in found] == ["one"]


def test_points_keep_the_times_of_the_client(journal: Path, client: MlflowClient) -> None:
    run_id = client.create_run("0", start_time=1000).info.run_id
    logged = [(3, 40, 10.0), (3, 51, 20.0), (3, 51, 30.0), (4, 7, 1.0), (4, 7, 1.0), (0, 9, 5.0)]
    for step, timestamp, value in logged:
        client.log_metric(run_id, "loss", value, timestamp=timestamp, step=step)
    special = [Metric("odd", value, 5, i) for i, value in enumerate([math.nan, math.inf, -math.inf, 1e308])]
    client.log_batch(run_id, special)
    client.set_terminated(run_id, end_time=2000)
    run = recorded(journal, run_id)
    assert points(run, "loss") == logged == history(client, run_id, "loss")
    assert [value for _, _, value in points(run, "odd")] == [
        pytest.approx(math.nan, nan_ok=True),
        math.inf,
        -math.inf,
        1e308,
    ]
    shown = client.get_run(run_id)
    assert shown.data.metrics["loss"] == 1.0  # of the highest step
    assert (shown.info.start_time, shown.info.end_time) == (1000, 2000)


def test_the_latest_value_is_that_of_the_highest_step_then_time_then_value(client: MlflowClient) -> None:
    run_id = client.create_run("0").info.run_id
    for step, timestamp, value in [(2, 50, 20.0), (2, 50, 10.0), (2, 40, 99.0), (1, 60, 98.0)]:
        client.log_metric(run_id, "loss", value, timestamp=timestamp, step=step)
    assert client.get_run(run_id).data.metrics == {"loss": 20.0}


def test_histories_are_read_by_the_page(client: MlflowClient) -> None:
    run_id = client.create_run("0").info.run_id
    client.log_batch(run_id, [Metric("loss", float(i), 100 + i, i) for i in range(25)])
    store = client._tracking_client.store
    seen, token = [], None
    while True:
        page = store.get_metric_history(run_id, "loss", max_results=10, page_token=token)
        seen += [metric.step for metric in page]
        token = page.token
        if not token:
            break
    assert seen == list(range(25))
    assert client.get_metric_history(run_id, "other") == []


def test_params_do_not_change(journal: Path, client: MlflowClient) -> None:
    run_id = client.create_run("0").info.run_id
    client.log_batch(run_id, params=[Param("lr", "0.1"), Param("deep/er", "x")])
    client.log_param(run_id, "lr", 0.1)
    with pytest.raises(MlflowException, match=r"Changing param values is not allowed.*'lr'"):
        client.log_param(run_id, "lr", 0.2)
    assert recorded(journal, run_id).get_params() == {"lr": "0.1", "deep/er": "x"} == client.get_run(run_id).data.params


def test_tags_change_and_go(client: MlflowClient) -> None:
    run_id = client.create_run("0", run_name="first").info.run_id
    client.set_tag(run_id, "a", "1")
    client.set_tag(run_id, "a", 2)
    client.set_tag(run_id, "b", "")
    assert {key: client.get_run(run_id).data.tags[key] for key in "ab"} == {"a": "2", "b": ""}
    client.delete_tag(run_id, "a")
    assert "a" not in client.get_run(run_id).data.tags
    with pytest.raises(MlflowException, match="No tag with name: a"):
        client.delete_tag(run_id, "a")
    client.set_tag(run_id, "a", "3")
    client.update_run(run_id, name="second")
    shown = client.get_run(run_id)
    assert (shown.data.tags["a"], shown.info.run_name) == ("3", "second")
    assert shown.data.tags["mlflow.runName"] == "second"


def test_searches_are_mlflows_own(client: MlflowClient) -> None:
    for i in range(6):
        run_id = client.create_run("0", run_name=f"r{i}", tags={"odd": str(i % 2)}, start_time=100 + i).info.run_id
        client.log_batch(run_id, [Metric("acc", i / 10, 1, 0)], [Param("units", str(i))])
        client.set_terminated(run_id, "FAILED" if i == 5 else "FINISHED")

    def names(filter_string: str = "", **how: object) -> list[str]:
        return [run.info.run_name for run in client.search_runs(["0"], filter_string, **how)]

    assert names("metrics.acc > 0.25 and tags.odd = '1'") == ["r5", "r3"]
    assert names("params.units = '4' and attributes.status = 'FINISHED'") == ["r4"]
    assert names("attributes.run_name LIKE 'r%'", order_by=["metrics.acc ASC"], max_results=2) == ["r0", "r1"]
    page = client.search_runs(["0"], order_by=["attributes.start_time ASC"], max_results=4)
    rest = client.search_runs(["0"], order_by=["attributes.start_time ASC"], max_results=4, page_token=page.token)
    assert [run.info.run_name for run in [*page, *rest]] == [f"r{i}" for i in range(6)]
    with pytest.raises(MlflowException, match="Invalid"):
        names("metrics.acc >>> 2")


def listed(journal: Path, *options: str) -> dict[str, tuple[str, bool]]:
    """Status of each run that ``multitrack runs`` lists, and whether it is deleted."""
    done = CliRunner().invoke(cli, ["runs", "--journal", str(journal), "--json", *options])
    assert done.exit_code == 0, done.output
    return {each["id"]: (each["status"], each["deleted"]) for each in json.loads(done.stdout)}


def test_runs_are_deleted_and_restored(journal: Path, client: MlflowClient) -> None:
    run_id = client.create_run("0").info.run_id
    other = client.create_run("0").info.run_id
    client.set_terminated(other)
    client.delete_run(run_id)
    assert listed(journal) == {other: ("finished", False)}
    assert listed(journal, "--deleted") == {run_id: ("running", True), other: ("finished", False)}
    assert listed(journal, run_id) == {run_id: ("running", True)}, "a run that is named is shown"
    assert "running, deleted" in CliRunner().invoke(cli, ["runs", "--journal", str(journal), "--deleted"]).output
    reader = multitrack.open_journal(journal)
    assert ([run.id for run in reader.runs()], reader.count(), reader.run(run_id).id) == ([other], 1, run_id)
    assert {run.id for run in reader.runs(where="status = 'running'", deleted=True)} == {run_id}
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    assert [run.info.run_id for run in client.search_runs(["0"])] == [other]
    assert [run.info.run_id for run in client.search_runs(["0"], run_view_type=ViewType.DELETED_ONLY)] == [run_id]
    with pytest.raises(MlflowException, match="active"):
        client.log_metric(run_id, "loss", 1.0)
    client.restore_run(run_id)
    client.log_metric(run_id, "loss", 1.0)
    assert listed(journal) == {run_id: ("running", False), other: ("finished", False)}
    with pytest.raises(MlflowException, match="not found"):
        client.get_run("0" * 32)


def test_experiments_are_renamed_deleted_and_restored(journal: Path, client: MlflowClient) -> None:
    one = client.create_experiment("one")
    run_id = client.create_run(one).info.run_id
    with pytest.raises(MlflowException, match="already exists"):
        client.create_experiment("one")
    client.rename_experiment(one, "uno")
    again = client.create_experiment("one")
    assert (client.get_experiment_by_name("uno").experiment_id, client.get_experiment(again).name) == (one, "one")
    assert [run.info.run_id for run in client.search_runs([one])] == [run_id]
    assert client.search_runs([again]) == []
    client.delete_run(client.create_run(one).info.run_id)
    client.delete_experiment(one)
    assert {each.name for each in client.search_experiments()} == {"Default", "one"}
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    assert listed(journal) == {}
    client.restore_experiment(one)
    assert client.get_run(run_id).info.lifecycle_stage == "active"
    assert set(listed(journal)) == {run_id}, "what was deleted before the experiment stays deleted"
    client.set_experiment_tag(one, "k", "v")
    assert MlflowClient(f"multitrack://{journal}/").get_experiment(one).tags == {"k": "v"}
    with pytest.raises(MlflowException, match="default experiment"):
        client.delete_experiment("0")


def test_runs_that_multitrack_recorded_are_read(journal: Path, client: MlflowClient) -> None:
    with multitrack.start_run(
        "mine", "native", config={"journal": str(journal)}, params={"lr": 0.5, "opt": {"name": "sgd"}}
    ) as run:
        run.log_metrics({"loss": 0.5}, step=3)
        run.log_metric("score", 2)
        run.log_list_metric("grads", [1, 2.5])
        run.log_list_metric("grads", [4])
    (experiment,) = [each for each in client.search_experiments() if each.name == "mine"]
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.run_id, found.info.run_name, found.info.status) == (run.id, "native", "FINISHED")
    assert found.data.params == {"lr": "0.5", "opt/name": "sgd"}
    assert found.data.metrics == {"loss": 0.5, "score": 2.0, "grads": 4.0}
    assert [(step, value) for step, _, value in history(client, run.id, "grads")] == [(0, 1.0), (1, 2.5), (2, 4.0)]
    client.log_param(run.id, "lr", 0.5)  # its text is the same
    client.set_tag(run.id, "reviewed", "yes")
    again = recorded(journal, run.id).summary()
    assert (again.tags["reviewed"], again.status) == ("yes", "finished")
    client.rename_experiment(experiment.experiment_id, "yours")
    assert client.get_run(run.id).info.experiment_id == experiment.experiment_id


def test_a_finished_run_is_written_and_resumed(journal: Path, client: MlflowClient) -> None:
    with mlflow.start_run() as active:
        mlflow.log_metric("loss", 1.0, step=0)
    run_id = active.info.run_id
    client.log_metric(run_id, "loss", 2.0, step=1)
    assert client.get_run(run_id).info.status == "FINISHED"
    with mlflow.start_run(run_id=run_id):
        assert client.get_run(run_id).info.status == "RUNNING"
        mlflow.log_metric("loss", 3.0, step=2)
    client.set_terminated(run_id, "FAILED")
    run = recorded(journal, run_id)
    assert [value for _, _, value in points(run, "loss")] == [1.0, 2.0, 3.0]
    assert run.summary().status == "failed"


@pytest.mark.filterwarnings("ignore:Failed to determine whether UCVolumeDatasetSource")  # MLflow 2's own
def test_datasets_are_references(journal: Path, client: MlflowClient) -> None:
    data = mlflow.data.from_numpy(np.zeros((4, 2)), source="s3://bucket/data.npy", name="digits")
    with mlflow.start_run() as active:
        mlflow.log_input(data, context="training")
        mlflow.log_input(data, context="training")
    run_id = active.info.run_id
    (given,) = client.get_run(run_id).inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest, given.tags[0].value) == ("digits", data.digest, "training")
    (reference,) = recorded(journal, run_id).summary().artifacts
    assert (reference.name, reference.uri, reference.kind, reference.role, reference.digest) == (
        "digits", "s3://bucket/data.npy", "dataset", "input", f"mlflow:{data.digest}",
    )  # fmt: skip
    (listed,) = client._tracking_client.store._search_datasets(["0"])
    assert (listed.name, listed.context) == ("digits", "training")


@pytest.mark.skipif(mlflow.__version__ < "3", reason="MLflow 2 has no logged models")
def test_logged_models_are_kept(client: MlflowClient) -> None:
    with mlflow.start_run() as active:
        model = mlflow.initialize_logged_model("net", tags={"a": "1"}, params={"units": "3"})
        mlflow.log_metric("acc", 0.5, model_id=model.model_id)
        mlflow.finalize_logged_model(model.model_id, "READY")
    found = client.get_logged_model(model.model_id)
    assert (found.name, found.source_run_id, str(found.status)) == ("net", active.info.run_id, "READY")
    assert (found.tags["a"], found.params, found.metrics[0].value) == ("1", {"units": "3"}, 0.5)
    assert [each.model_id for each in client.search_logged_models(["0"], "metrics.acc > 0.4")] == [model.model_id]
    client.delete_logged_model(model.model_id)
    assert client.search_logged_models(["0"]) == []


def test_traces_are_refused_with_a_message(client: MlflowClient) -> None:
    with pytest.raises(MlflowException, match="does not keep traces; give MLflow a store of its own"):
        client._tracking_client.store.get_trace_info("tr-1")
    assert client._tracking_client.store.search_traces(["0"]) == ([], None)


def test_runs_are_delivered_to_the_backends_but_mlflow(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("multitrack_files")
    monkeypatch.setenv("MULTITRACK_DELIVERY", "thread")
    monkeypatch.setenv("MULTITRACK_BACKENDS", "files,mlflow")
    monkeypatch.setenv("MULTITRACK_FILES_FORMAT", "csv")
    with mlflow.start_run() as active:
        mlflow.log_metric("loss", 0.25, step=4)
    run = recorded(journal, active.info.run_id)
    assert list(run.lanes()) == ["files"]
    assert any("0.25" in path.read_text() for path in Path("multitrack-files").rglob("*.csv"))


def test_the_backend_refuses_a_journal_as_its_store(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"multitrack://{journal}")
    with pytest.raises(ConfigError, match="would get its own runs back"):
        multitrack.start_run("p", backends=["mlflow"])


def test_threads_write_to_a_finished_run(journal: Path, client: MlflowClient) -> None:
    run_id = client.create_run("0").info.run_id
    client.set_terminated(run_id)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: client.log_metric(run_id, "loss", float(i), step=i), range(12)))
    assert sorted(step for step, _, _ in points(recorded(journal, run_id), "loss")) == list(range(12))
    assert client.get_run(run_id).info.status == "FINISHED"


def test_secrets_are_redacted(journal: Path, client: MlflowClient) -> None:
    run_id = client.create_run("0").info.run_id
    client.log_param(run_id, "api_key", "sk-12345678901234567890")
    client.log_param(run_id, "api_key", "sk-12345678901234567890")
    assert "sk-1234567890" not in "".join(path.read_text() for path in (journal / "runs" / run_id).glob("*.jsonl"))


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_what_is_written_after_the_end_does_not_move_it(journal: Path, client: MlflowClient, status: str) -> None:
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "loss", 1.0, step=0)
    client.set_terminated(run_id, status)
    before = recorded(journal, run_id).summary()
    while int(time.time() * 1000) <= before.ended + 5:
        pass
    client.set_tag(run_id, "reviewed", "yes")
    client.log_metric(run_id, "late", 2.0, step=0)
    found = recorded(journal, run_id)
    after = found.summary()
    assert (after.tags["reviewed"], after.simple | after.metrics) == ("yes", {"loss": 1.0, "late": 2.0})
    assert (after.status, after.ended) == (before.status, before.ended) == (status.lower(), before.ended)
    assert found.took() == before.ended - found.facts.created
    assert client.get_run(run_id).info.status == status
    assert [type(record).__name__ for record in found.records()].count("End") == 3


def test_an_earlier_time_looks_for_no_segments(
    journal: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each earlier time begins a segment; to look for the newest one would take longer with each."""
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "loss", 0.0, timestamp=2_000_000_000_000, step=0)
    monkeypatch.setattr(segment_file, "last_segment", None)
    for step in range(1, 20):
        client.log_metric(run_id, "loss", float(step), timestamp=2_000_000_000_000 - step, step=step)
    monkeypatch.undo()
    assert len(list((journal / "runs" / run_id).glob("0*.jsonl"))) == 20
    assert points(recorded(journal, run_id), "loss") == [
        (step, 2_000_000_000_000 - step, float(step)) for step in range(20)
    ]
    client.set_terminated(run_id)


def test_logging_asynchronously_keeps_the_times(journal: Path, client: MlflowClient) -> None:
    run_id = client.create_run("0").info.run_id
    before = time.time() * 1000
    for step in range(20):
        client.log_metric(run_id, "loss", float(step), step=step, synchronous=False)
    client.set_tag(run_id, "later", "1")
    mlflow.flush_async_logging()
    client.set_terminated(run_id)
    found = points(recorded(journal, run_id), "loss")
    assert sorted(step for step, _, _ in found) == list(range(20))
    assert sorted(found) == sorted(history(client, run_id, "loss"))
    assert all(before - 1 <= time_ <= time.time() * 1000 for _, time_, _ in found)


@pytest.mark.parametrize(
    ("uri", "path"),
    [("multitrack:///a/b%20c", "/a/b c"), ("multitrack:here", "here"), ("multitrack://here/there", "here/there")],
)
def test_uris_name_a_journal(uri: str, path: str) -> None:
    assert journal_of(uri) == Path(path).absolute()


def test_a_uri_without_a_journal_is_refused() -> None:
    with pytest.raises(MlflowException, match="multitrack:///path/to"):
        MlflowClient("multitrack://").search_experiments()


def test_the_entry_point_imports_nothing_of_mlflow() -> None:
    code = "import sys, multitrack_mlflow.store.entry; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_both_tags_and_params_of_one_batch_are_there(client: MlflowClient) -> None:
    run_id = client.create_run("0").info.run_id
    client.log_batch(run_id, [Metric("m", 1.0, 1, 1)], [Param("p", "1")], [RunTag("t", "1")])
    data = client.get_run(run_id).data
    assert (data.metrics, data.params, data.tags["t"]) == ({"m": 1.0}, {"p": "1"}, "1")
