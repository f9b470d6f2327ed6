"""What is particular to MLflow."""

import concurrent.futures
import json
import math
import multiprocessing
import re
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.tracking import MlflowClient
from mlflow_reader import read_run

import multitrack
from multitrack.delivery.lane import Lane
from multitrack.errors import RetryableError
from multitrack.migration.verifying import verify_run
from multitrack.recording.run import Run
from multitrack.records import ArtifactRef, Lines
from multitrack_mlflow import sqlite
from multitrack_mlflow.line_files import LineFiles
from multitrack_mlflow.names import native_name
from multitrack_mlflow.progress import Sent
from multitrack_mlflow.run import dataset_digest


def start(tmp_path: Path, options: dict[str, Any] | None = None, **arguments: Any) -> Run:
    table = {"tracking_uri": f"sqlite:///{tmp_path}/mlflow.db", **(options or {})}
    config = {"journal": str(tmp_path / "journal"), "delivery": "off", "mlflow": table}
    return multitrack.start_run("digits", backends=["mlflow"], config=config, **arguments)


def deliver(tmp_path: Path, run: Run) -> MlflowClient:
    run.end()
    multitrack.sync(tmp_path / "journal")
    assert run.flush().complete, run.flush()
    return MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")


def test_the_experiment_is_the_project_and_its_artifacts_lie_beside_the_store(tmp_path: Path) -> None:
    run = start(tmp_path)
    client = deliver(tmp_path, run)
    native = client.get_run(run.backend_ids["mlflow"])
    experiment = client.get_experiment(native.info.experiment_id)
    assert experiment.name == "digits"
    assert experiment.artifact_location == f"file://{tmp_path}/mlruns/digits"


def test_infinity_and_large_integers_have_stand_ins_that_the_report_names(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log_metric("loss", math.inf, step=3)
    run.log_metric("tokens", 2**60 + 1, step=4)
    client = deliver(tmp_path, run)
    native = client.get_run(run.backend_ids["mlflow"])
    assert native.data.metrics["loss"] == 1.7976931348623157e308
    assert "±inf" in native.data.tags["multitrack.infinity"]
    exact = [json.loads(value) for key, value in native.data.tags.items() if key.startswith("multitrack.exact.")]
    (point,) = client.get_metric_history(run.backend_ids["mlflow"], "tokens")
    assert exact == [{"metric": "tokens", "step": 4, "value": str(2**60 + 1), "time": point.timestamp}]
    stand_ins = " ".join(run.flush()["mlflow"].stand_ins)
    assert "metric loss" in stand_ins
    assert "metric tokens" in stand_ins


def test_a_long_param_is_an_artifact_that_the_report_names(tmp_path: Path) -> None:
    run = start(tmp_path, params={"prompt": "x" * 9000})
    client = deliver(tmp_path, run)
    shown = client.get_run(run.backend_ids["mlflow"]).data.params["prompt"]
    assert shown.endswith("artifact params/prompt.txt")
    assert run.flush()["mlflow"].stand_ins == ["param prompt: 9000 characters, kept as artifact params/prompt.txt"]


def test_inputs_are_datasets(tmp_path: Path) -> None:
    data = tmp_path / "train.csv"
    data.write_text("a,b\n1,2\n")
    run = start(tmp_path)
    run.log_artifact_ref("train", data, kind="training", role="input")
    run.log_artifact_ref("weights", "s3://bucket/w", kind="model")
    client = deliver(tmp_path, run)
    native = client.get_run(run.backend_ids["mlflow"])
    (found,) = native.inputs.dataset_inputs
    assert (found.dataset.name, json.loads(found.dataset.source)) == ("train", {"uri": data.as_uri()})
    assert [(tag.key, tag.value) for tag in found.tags] == [("mlflow.data.context", "training")]
    told = json.loads(native.data.tags["multitrack.artifact.train"])
    assert told["digest"].startswith("sha256:")
    assert told["size"] == 8
    assert client.list_artifacts(run.backend_ids["mlflow"]) == []


@pytest.mark.parametrize(
    ("version", "other", "begins"),
    [
        ("delta:3", "delta:4", "delta:3"),
        ("lakefs:branch:main", "lakefs:branch:next", "lakefs:branch:main"),
        (f"dvc:md5:{'0af1' * 8}.dir", f"dvc:md5:{'0af2' * 8}.dir", f"{'0af1' * 8}.dir"),
        (f"dvc:md5:{'0af1' * 8}.dir:a", f"dvc:md5:{'0af1' * 8}.dir:b", f"{'0af1' * 5}0af-"),
        (f"lfs:sha256:{'0af1' * 16}", f"lfs:sha256:{'0af2' * 16}", "0af1" * 9),
        (f"git:{'0af1' * 10}:data/a", f"git:{'0af1' * 10}:data/b", f"{'0af1' * 5}0af-"),
        (
            "hf:train=0123456789abcdef,test=0123456789abcdef",
            "hf:train=0123456789abcdef,test=1",
            "train=0123456789abcdef,-",
        ),
    ],
)
def test_the_digest_of_a_dataset_tells_versions_apart(version: str, other: str, begins: str) -> None:
    """In at most 36 characters, MLflow's limit; a text that is cut where it may differ ends in a hash."""

    def digest(version: str) -> str:
        return dataset_digest(ArtifactRef(time=0, name="train", uri="s3://b/x", digest="sha256:00", version=version))

    found = digest(version)
    assert found.startswith(begins)
    assert len(found) == (36 if begins.endswith("-") else len(begins))
    assert found != digest(other)


def test_an_input_with_a_version_is_a_dataset_of_that_digest(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log_artifact_ref("train", "lakefs://repo/main/train", kind="dataset", role="input")
    (found,) = deliver(tmp_path, run).get_run(run.backend_ids["mlflow"]).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest) == ("train", "lakefs:branch:main")
    assert json.loads(found.dataset.source) == {"uri": "lakefs://repo/main/train", "version": "lakefs:branch:main"}


def test_upload_copies_the_kinds_that_the_config_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTITRACK_MLFLOW_UPLOAD", "figure")  # for sync, which does not take a journal's word for it
    figure = tmp_path / "roc.svg"
    figure.write_text("<svg/>")
    run = start(tmp_path, {"upload": ["figure"], "upload_limit": 100})
    run.log_artifact_ref("roc", figure, kind="figure")
    large = tmp_path / "large.svg"
    large.write_text(" " * 101)
    run.log_artifact_ref("large", large, kind="figure")
    (tmp_path / "other.svg").write_text("<svg/>")
    run.log_artifact_ref("other", tmp_path / "other.svg", kind="text")
    client = deliver(tmp_path, run)
    assert [found.path for found in client.list_artifacts(run.backend_ids["mlflow"], "figure")] == ["figure/roc.svg"]
    assert [found.path for found in client.list_artifacts(run.backend_ids["mlflow"])] == ["figure"]
    sentence = "figure large: above upload_limit, 100 bytes, kept as a reference only"
    assert run.flush()["mlflow"].stand_ins == [sentence]


def test_the_identity_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("init --quiet", "-c user.name=x -c user.email=x commit --quiet --allow-empty --message x"):
        subprocess.run(["git", *command.split()], check=True)
    run = start(tmp_path, notes="a *note*", group="study")
    tags = deliver(tmp_path, run).get_run(run.backend_ids["mlflow"]).data.tags
    context = multitrack.open_journal(tmp_path / "journal").run(run.id).context
    assert context is not None
    assert tags["mlflow.user"] == context.user
    assert tags["mlflow.source.name"] == (context.program or context.executable)
    assert tags["multitrack.run_id"] == run.id
    assert tags["mlflow.note.content"] == "a *note*"
    assert tags["multitrack.group"] == "study"
    assert context.git is not None
    assert tags["mlflow.source.git.commit"] == context.git.commit


def test_the_lines_carry_time_and_stream(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log_lines("hello", stream="stdout")
    for i in range(1500):
        run.log_lines(f"line {i}")
    client = deliver(tmp_path, run)
    paths = [found.path for found in client.list_artifacts(run.backend_ids["mlflow"], "logs")]
    assert paths == ["logs/lines-00000000.txt", "logs/lines-00001000.txt"]
    first = Path(client.download_artifacts(run.backend_ids["mlflow"], paths[0])).read_text().splitlines()
    assert len(first) == 1000
    assert first[0].split(" ", 1)[1] == "stdout hello"
    assert first[0].startswith(time.strftime("%Y-", time.gmtime()))
    assert read_run(f"sqlite:///{tmp_path}/mlflow.db", run.backend_ids["mlflow"]).lines[-1] == "line 1499"


def test_beside_autologging_nothing_collides(tmp_path: Path) -> None:
    """A native MLflow run is open under our id: its points, params and end leave ours as they are, and ours its."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    sqlite.prepare(tmp_path / "mlflow.db", mlflow.__version__)
    run = start(tmp_path, params={"lr": 0.1})
    run.log_metric("loss", 0.5, step=0)
    multitrack.sync(tmp_path / "journal")
    mlflow.set_tracking_uri(uri)
    try:
        with mlflow.start_run(run_id=run.backend_ids["mlflow"]):
            mlflow.log_metric("native", 1.0, step=0)
            mlflow.log_params({"batch_size": "32", "shared": "theirs"})
        run.log_params({"fit/batch_size": 32, "shared": "ours"})
        run.log_metric("loss", 0.25, step=1)
        run.log_lines("still here")
        client = deliver(tmp_path, run)
    finally:
        mlflow.set_tracking_uri(None)
    native = client.get_run(run.backend_ids["mlflow"])
    assert native.info.status == "FINISHED"
    assert [(p.step, p.value) for p in client.get_metric_history(native.info.run_id, "loss")] == [
        (0, 0.5),
        (1, 0.25),
    ]
    assert native.data.metrics["native"] == 1.0
    params = native.data.params
    assert (params["lr"], params["batch_size"], params["fit/batch_size"], params["shared"]) == (
        "0.1",
        "32",
        "32",
        "theirs",
    )
    assert native.data.tags["multitrack.param.shared"] == "ours"
    assert any("param shared" in text for text in run.flush()["mlflow"].stand_ins)


def test_names_are_what_mlflow_accepts(tmp_path: Path) -> None:
    for name in ("loss", "val/loss", "läss 1", "a.b-c:d_e", "pos_x", "pos_x/2"):
        assert native_name(name) == name
    odd = [
        "a@b",
        "a[b]",
        "/lead",
        "a//b",
        "../up",
        ".",
        "trail/",
        "🚀",
        "x" * 251,
        "y" * 2000,
        "a\nb",
        "é" * 249 + "@",
        "x" * 220 + "@1",
        "x" * 220 + "@2",
        *("@", "_x40_", "_x40@", "@x40_", "_x5f_x40_", "a/_x_/b", "_x2e__x2e_/up"),
    ]
    natives = [native_name(name) for name in odd]
    assert len(set(natives)) == len(odd)
    run = start(tmp_path)
    client = deliver(tmp_path, run)
    for native in natives:
        client.log_metric(run.backend_ids["mlflow"], native, 1.0)
    assert client.get_run(run.backend_ids["mlflow"]).data.metrics.keys() == set(natives)


def _open_fresh(path: str) -> int:
    sqlite.prepare(Path(path), mlflow.__version__)
    return len(MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments())


@pytest.mark.slow
def test_several_processes_may_open_a_fresh_store_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "fresh" / "mlflow.db")
    with concurrent.futures.ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(_open_fresh, [path] * 3))
    assert all(count >= 1 for count in found)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_a_prepared_store_is_like_one_that_mlflow_made(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    sqlite.prepare(ours, mlflow.__version__)
    MlflowClient(tracking_uri=f"sqlite:///{theirs}").search_experiments()
    MlflowClient(tracking_uri=f"sqlite:///{ours}").search_experiments()

    def schema(path: Path) -> list[object]:
        with sqlite3.connect(path) as connection:
            rows = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
            version = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        # the migrations write a table's constraints in no fixed order
        return [*((kind, name, sorted(re.findall(r"\w+", sql or ""))) for kind, name, sql in rows), version]

    assert schema(ours) == schema(theirs)


@pytest.mark.parametrize("uri", ["file:///data/x", "/data/mlruns"])
def test_a_file_store_is_refused_at_start(tmp_path: Path, uri: str) -> None:
    with pytest.raises(multitrack.ConfigError, match="file store"):
        start(tmp_path, {"tracking_uri": uri})


def test_a_mistyped_scheme_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(multitrack.ConfigError, match="'sqlit'; did you mean 'sqlite'"):
        start(tmp_path, {"tracking_uri": "sqlit:///x.db"})
    assert not (tmp_path / "journal").exists()


def test_a_deleted_experiment_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    run = start(tmp_path)
    client = deliver(tmp_path, run)
    client.delete_experiment(client.get_experiment_by_name("digits").experiment_id)
    other = start(tmp_path)
    other.log_metric("x", 1.0, step=0)
    other.end()
    report = multitrack.sync(tmp_path / "journal")[other.id]["mlflow"]
    assert (report.pending, report.delivered) == (1, 0)
    assert "deleted" in str(report.problem)
    client.restore_experiment(client.get_experiment_by_name("digits").experiment_id)
    assert multitrack.sync(tmp_path / "journal")[other.id].complete


def test_integers_that_no_double_holds_are_told_exactly(tmp_path: Path) -> None:
    """Several of one record, and one beyond every double."""
    run = start(tmp_path)
    run.log_metrics({"a": 2**60 + 1, "b": 2**61 + 1, "c": 10**400}, step=0)
    run.end()
    native = deliver(tmp_path, run).get_run(run.backend_ids["mlflow"])
    notes = [json.loads(value) for key, value in native.data.tags.items() if key.startswith("multitrack.exact.")]
    assert {(note["metric"], note["value"]) for note in notes} == {
        ("a", str(2**60 + 1)), ("b", str(2**61 + 1)), ("c", str(10**400)),
    }  # fmt: skip


@pytest.mark.parametrize("given", ["<html>\n<body>Please sign in</body>\n</html>\n" * 9, ""])
def test_a_line_file_that_is_not_given_back_is_not_written_over(tmp_path: Path, given: str) -> None:
    class Client:
        def download_artifacts(self, run_id: str, path: str, directory: str) -> str:
            place = Path(directory) / "lines.txt"
            place.write_text(given)
            return str(place)

        def log_text(self, run_id: str, text: str, path: str) -> None:
            raise AssertionError("written")

    with pytest.raises(RetryableError, match="unexpected content"):
        LineFiles(Client(), "run").write([Lines(ordinal=0, time=0, index=5, lines=["text"])])


def test_what_mlflow_has_of_an_unsaved_stretch_is_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow takes twenty times as long for a point that it has; a long list would never be through."""
    real, sent = MlflowClient.log_batch, []

    def dying(self: MlflowClient, *given: Any, **batch: Any) -> None:
        real(self, *given, **batch)
        sent.extend((point.key, point.step) for point in batch.get("metrics", ()))
        if len(sent) == 7000:  # the fourth batch of the list
            raise SystemExit  # the process dies after the store's commit: nothing of the lane's is saved

    monkeypatch.setattr(MlflowClient, "log_batch", dying)
    run = start(tmp_path)
    for step in range(1500):
        run.log_metrics({"loss": 0.5, "acc": float(step)}, step=step)
    run.log_list_metric("signal", [float(i) for i in range(4500)])
    run.end()
    assert run.directory is not None
    (entry,) = run.manifest.backends
    first = Lane(run.directory, entry, notice=print)
    while first.step():
        pass
    assert "SystemExit" in str(first.state.problem)
    first.release()
    deliver(tmp_path, run)
    assert len(sent) == 7500 + 1000  # the batch that was not noted any more
    held = read_run(f"sqlite:///{tmp_path}/mlflow.db", run.backend_ids["mlflow"])
    assert [point.step for point in held.series["signal"]] == list(range(4500))
    assert [(point.step, point.value) for point in held.series["acc"]] == [(i, float(i)) for i in range(1500)]


def test_what_was_sent_is_noted_in_order_and_of_these_records_only(tmp_path: Path) -> None:
    sent = Sent(tmp_path, "one", 1)
    sent.note("lists", (4, 999))
    sent.stop()  # record 5 was refused, so that 6 came before it
    sent.note("lists", (6, 10))
    again = Sent(tmp_path, "one", 1)
    assert again.holds("lists", (4, 999))
    assert not again.holds("lists", (5, 0))
    assert not again.holds("metrics", (4, 0))
    assert not Sent(tmp_path, "another", 1).holds("lists", (4, 0))
    assert not Sent(tmp_path, "one", 2).holds("lists", (4, 0))  # resumed, maybe after a power cut
    (tmp_path / "sent.json").write_bytes(b"{")
    assert not Sent(tmp_path, "one", 1).holds("lists", (4, 0))


def test_a_config_that_was_mended_since_is_told_how_to_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sync` goes by what the run was started with."""
    run = start(tmp_path, {"tracking_uri": "http://127.0.0.1:9"})
    run.end()
    (tmp_path / "multitrack.toml").write_text('mlflow.tracking_uri = "sqlite:///mlflow.db"')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("multitrack.delivery.waiting.STALL", 1.0)
    said: list[str] = []
    assert not multitrack.sync(tmp_path / "journal", notice=said.append)[run.id].complete
    assert said[-1] == (
        f"mlflow: run {run.id} uses the tracking_uri that it was started with, 'http://127.0.0.1:9'; the config here has "
        f"'sqlite:///{tmp_path}/mlflow.db'; to use that, call multitrack.start_run(run_id='{run.id}').end()"
    )
    config = {
        "journal": str(tmp_path / "journal"),
        "delivery": "off",
        "mlflow": {"tracking_uri": "sqlite:///mlflow.db"},
    }
    multitrack.start_run(run_id=run.id, backends=["mlflow"], config=config).end()
    assert multitrack.sync(tmp_path / "journal", notice=said.append)[run.id].complete


def test_a_line_file_that_is_not_returned_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's client hides why a download failed, such as a login page instead of the file."""
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    run_id = client.create_run(client.create_experiment("lines", str(tmp_path / "artifacts"))).info.run_id
    LineFiles(client, run_id).write([Lines(time=0, lines=["a"], index=0)])
    second = [Lines(time=0, lines=["b"], index=1)]

    def fail(*arguments: object) -> None:
        raise MlflowException("Failed to download artifacts", RESOURCE_DOES_NOT_EXIST)

    with monkeypatch.context() as patched:
        patched.setattr(client, "download_artifacts", fail)
        with pytest.raises(RetryableError, match=r"lists artifact logs/lines-00000000\.txt"):
            LineFiles(client, run_id).write(second)
        shutil.rmtree(tmp_path / "artifacts" / run_id)
        with pytest.raises(MlflowException):
            LineFiles(client, run_id).write(second)


def test_a_description_that_is_set_as_a_tag_is_read_back(tmp_path: Path) -> None:
    run = start(tmp_path, notes="of the run", tags={"mlflow.note.content": "of the tag", "mlflow.user": "somebody"})
    run.end()
    deliver(tmp_path, run)
    (recorded,) = multitrack.open_journal(tmp_path / "journal").runs()
    found = verify_run(recorded, "mlflow")
    assert (found.error, found.findings, found.extra) == (None, [], 0)
