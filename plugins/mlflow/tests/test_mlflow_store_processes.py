"""MLflow's tracking store over a journal in several processes: kills, restarts, autologging, and MLflow's own page."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow_server import mlflow_server
from mlflow_store import history, points, recorded

from browser import chromium
from multitrack.records import End

LOGS = """
    import mlflow
    mlflow.set_experiment("killed")
    with mlflow.start_run() as run:
        mlflow.log_param("lr", 0.1)
        with mlflow.start_run(nested=True) as child:
            for step in range(300):
                mlflow.log_metric("loss", step / 7, step=step)
        mlflow.log_metric("last", 1.0)
        print(run.info.run_id, child.info.run_id, flush=True)
        input()
"""


@contextlib.contextmanager
def script(code: str, journal: Path) -> Iterator[subprocess.Popen[str]]:
    """A script that knows the store by the variable alone."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "MLFLOW_TRACKING_URI": f"multitrack://{journal}"}, cwd=journal.parent,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_what_was_logged_survives_kill_9_and_a_live_run_has_one_writer(journal: Path, client: MlflowClient) -> None:
    with script(LOGS, journal) as process:
        assert process.stdout is not None
        run_id, child_id = process.stdout.readline().split()
        live = client.get_run(run_id)
        assert (live.info.status, live.data.metrics) == ("RUNNING", {"last": 1.0})
        assert client.get_run(child_id).info.status == "FINISHED"
        with pytest.raises(MlflowException, match=f"being written by process {process.pid}"):
            client.set_tag(run_id, "reviewed", "yes")
        client.set_tag(child_id, "reviewed", "yes")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert client.get_run(run_id).info.status == "KILLED"
    assert client.get_run(run_id).data.params == recorded(journal, run_id).get_params() == {"lr": "0.1"}
    expected = [(step, step / 7) for step in range(300)]
    assert [(step, value) for step, _, value in points(recorded(journal, child_id), "loss")] == expected
    assert [(each.step, each.value) for each in client.get_metric_history(child_id, "loss")] == expected
    client.set_tag(run_id, "reviewed", "yes")
    with mlflow.start_run(run_id=run_id):  # goes on in this process
        mlflow.log_metric("last", 2.0, step=1)
    run = client.get_run(run_id)
    assert (run.info.status, run.data.metrics, run.data.tags["reviewed"]) == ("FINISHED", {"last": 2.0}, "yes")
    assert client.get_experiment(run.info.experiment_id).name == "killed"


def test_runs_left_open_end_with_their_process(journal: Path, client: MlflowClient) -> None:
    code = """
        import mlflow
        run = mlflow.MlflowClient().create_run("0")
        mlflow.MlflowClient().log_metric(run.info.run_id, "loss", 1.0)
        print(run.info.run_id, mlflow.start_run().info.run_id)
        raise SystemExit(3)
    """
    with script(code, journal) as process:
        found = process.communicate()[0].split()
        assert process.returncode == 3
    for run_id in found:
        assert client.get_run(run_id).info.status == "FINISHED"
        assert client.get_run(run_id).info.end_time is not None
        run = recorded(journal, run_id)
        assert run.summary().status == "finished"
        assert len([record for record in run.records() if isinstance(record, End)]) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_autologging_of_scikit_learn(journal: Path, client: MlflowClient) -> None:
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_models=False, silent=True)
    try:
        with mlflow.start_run() as active:
            LogisticRegression(max_iter=150).fit(*load_iris(return_X_y=True))
    finally:
        mlflow.sklearn.autolog(disable=True)
    run = client.get_run(active.info.run_id)
    summary = recorded(journal, active.info.run_id).summary()
    assert run.data.params["max_iter"] == summary.params["max_iter"] == "150"
    assert run.data.metrics["training_accuracy_score"] == summary.metrics["training_accuracy_score"] > 0.9
    assert [each.kind for each in summary.artifacts] == ["dataset"] * len(run.inputs.dataset_inputs)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_autologging_of_keras(journal: Path, client: MlflowClient) -> None:
    import keras
    import numpy as np

    mlflow.tensorflow.autolog(log_models=False, silent=True)
    try:
        model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        with mlflow.start_run() as active:
            trained = model.fit(np.ones((8, 2)), np.ones((8, 1)), epochs=3, verbose=0)
        mlflow.flush_async_logging()
    finally:
        mlflow.tensorflow.autolog(disable=True)
    found = points(recorded(journal, active.info.run_id), "loss")
    assert [value for _, _, value in found] == pytest.approx(trained.history["loss"])
    assert history(client, active.info.run_id, "loss") == found
    assert client.get_run(active.info.run_id).data.params["epochs"] == "3"


@pytest.mark.slow
def test_mlflows_page_shows_a_journal_in_chromium(journal: Path, tmp_path: Path) -> None:
    experiment = mlflow.create_experiment("digits")
    with mlflow.start_run(experiment_id=experiment, run_name="baseline") as active:
        mlflow.log_param("units", 64)
        for step in range(20):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
    run_id = active.info.run_id
    with mlflow_server(tmp_path, store=f"multitrack://{journal}") as address, chromium(tmp_path / "chromium") as page:
        page.open(f"{address}/#/experiments/{experiment}/runs")
        page.wait("document.body.innerText.includes('baseline')")
        page.open(f"{address}/#/experiments/{experiment}/runs/{run_id}")
        page.wait("document.body.innerText.includes('units') && document.body.innerText.includes('64')")
        page.open(f"{address}/#/experiments/{experiment}/runs/{run_id}/model-metrics")
        page.wait("document.querySelector('.js-plotly-plot .scatterlayer .lines path') !== null")
        page.open(f"{address}/#/experiments" if mlflow.__version__ >= "3" else address)  # where the list is
        page.wait("document.body.innerText.includes('digits')")
        remote = MlflowClient(address)  # what the server is told is in the journal as well
        told = remote.create_run(experiment, run_name="remote").info.run_id
        remote.log_metric(told, "loss", 0.5, timestamp=77, step=3)
        remote.set_terminated(told)
        assert points(recorded(journal, told), "loss") == history(remote, told, "loss") == [(3, 77, 0.5)]
        remote.set_tag(run_id, "reviewed", "yes")
        assert remote.get_run(run_id).data.tags["reviewed"] == "yes"
