"""A store as users of MLflow have one, written by MLflow's own client: nested, failed, deleted and open runs."""

from __future__ import annotations

import json
import math
import os
from typing import Any
from unittest import mock

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.tracking import MlflowClient

START = 1_700_000_000_000
#: Points of the longest series.
MANY = 2500


def write_history(uri: str, *, many: int = MANY) -> dict[str, str]:
    """Write the store; gives MLflow's ids of the runs by name."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    digits, texts = client.create_experiment("digits"), client.create_experiment("Texte: ä/ö")
    ids = {}

    def run(name: str, experiment: str, started: int, **tags: str) -> str:
        created = client.create_run(experiment, start_time=started, run_name=name, tags=tags)
        ids[name] = created.info.run_id
        return str(created.info.run_id)

    search = run("search", digits, START, **{"mlflow.user": "ada", "mlflow.note.content": "of units\nand rates"})
    client.log_batch(search, params=[Param("model/units", "64"), Param("lr", "0.001"), Param("lr text", "1e-3"),
                                     Param("shuffle", "True"), Param("seed", "None"), Param("note", " ä\n "),
                                     Param("big", str(2**60)), Param("nan", "nan"),
                                     Param("layers", "[64, \"x\"]"), Param("odd", "[1,2")])  # fmt: skip
    points = [Metric("loss", 1 / (i + 1), START + 10 * i, i) for i in range(many)]
    for begin in range(0, many, 1000):
        client.log_batch(search, metrics=points[begin : begin + 1000])
    client.log_batch(search, metrics=[
        Metric("odd", math.nan, START + 1, 0), Metric("odd", math.inf, START + 2, 1), Metric("odd", 2.0, START + 2, 1),
        Metric("odd", -3.0, START + 3, -5), Metric("val/loss", 0.5, START + 5, 10),
    ])  # fmt: skip
    client.log_inputs(search, [DatasetInput(Dataset("train", "abc123", "s3", '{"uri": "s3://bucket/train"}'),
                                            [InputTag("mlflow.data.context", "training")])])  # fmt: skip
    # As MLflow 2 logs a model, and as MLflow 3 does. 2.20 sends artifacts to the URI of the process.
    with mock.patch.dict(os.environ, {"MLFLOW_TRACKING_URI": uri}):
        for path, text in (("notes/a.txt", "hey"), ("config.json", "{}"), ("old model/MLmodel", "flavors: {}")):
            client.log_text(search, text, path)
    history = [{"run_id": search, "artifact_path": "old model", "model_uuid": "1234", "flavors": {}}]
    client.set_tag(search, "mlflow.log-model.history", json.dumps(history))
    if hasattr(client, "create_logged_model"):
        from mlflow.entities import LoggedModelOutput

        model = client.create_logged_model(digits, name="classifier", source_run_id=search)
        client.log_outputs(search, [LoggedModelOutput(model.model_id, 0)])
    client.log_batch(search, tags=[RunTag("team", "vision"), RunTag("mlflow.source.git.commit", "f" * 40)])
    client.set_terminated(search, "FINISHED", end_time=START + 300_000)

    trial = run("trial", digits, START + 1000, **{"mlflow.parentRunId": search})
    client.log_batch(trial, metrics=[Metric("loss", 0.25, START + 2000, 3)])
    client.set_terminated(trial, "FAILED", end_time=START + 4000)

    run("open", texts, START + 5000)
    gone = run("gone", texts, START + 6000)
    client.set_terminated(gone, "KILLED", end_time=START + 7000)
    client.delete_run(gone)
    return ids


def more(uri: str, run_id: str) -> None:
    """Go on with the run that is open, and end it."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.log_batch(run_id, metrics=[Metric("loss", 0.5, START + 5500, 1), Metric("loss", 0.4, START + 5600, 2)],
                     params=[Param("late", "1")], tags=[RunTag("stage", "done")])  # fmt: skip
    client.set_terminated(run_id, "FINISHED", end_time=START + 6000)


def held(uri: str, run_id: str) -> dict[str, list[tuple[int, int, float]]]:
    """Time, step and value of each point, by MLflow's own client; NaN as text."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    found: dict[str, list[tuple[int, int, Any]]] = {}
    for key in client.get_run(run_id).data.metrics:
        points = [(point.timestamp, point.step, point.value) for point in client.get_metric_history(run_id, key)]
        found[key] = sorted((time, step, plain(value)) for time, step, value in points)
    return found


def plain(value: float) -> Any:
    return f"{value:.17g}" if isinstance(value, float) else str(value)
