"""What MLflow holds of a run, by MLflow's own client."""

import json
import tempfile
from pathlib import Path

import mlflow
from mlflow.tracking import MlflowClient

from multitrack.testing import NativePoint, NativeReference, NativeRun

_STATUS = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed", "RUNNING": "running"}


def read_run(uri: str, native_id: str) -> NativeRun:
    mlflow.set_tracking_uri(uri)  # by which MLflow 2.20 finds a server's artifacts
    try:
        return _read_run(uri, native_id)
    finally:
        mlflow.set_tracking_uri(None)


def _read_run(uri: str, native_id: str) -> NativeRun:
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    run = client.get_run(native_id)
    tags = run.data.tags
    names = {
        key.removeprefix("multitrack.name."): value for key, value in tags.items() if key.startswith("multitrack.name.")
    }
    native = NativeRun(
        name=run.info.run_name,
        status=_STATUS[run.info.status],
        tags={names.get(key, key): _whole(client, native_id, value) for key, value in tags.items()},
        parent=tags.get("mlflow.parentRunId"),
        started=run.info.start_time,
        ended=run.info.end_time,
        identity={
            "user": tags.get("mlflow.user"),
            "host": tags.get("multitrack.host"),
            "program": tags.get("mlflow.source.name"),
        },
    )
    for key, value in run.data.params.items():
        native.params[names.get(key, key)] = _whole(client, native_id, value)
    for key, value in run.data.metrics.items():
        native.metrics[names.get(key, key)] = value
        points = [NativePoint(p.step, p.value, p.timestamp) for p in client.get_metric_history(native_id, key)]
        native.series[names.get(key, key)] = sorted(points, key=lambda point: (point.time, point.step))
    native.references = {}
    for key, value in tags.items():
        if key.startswith("multitrack.artifact."):
            name, ref = key.removeprefix("multitrack.artifact."), json.loads(value)
            native.artifacts[names.get(name, name)] = ref["uri"]
            native.references[names.get(name, name)] = NativeReference(
                ref["kind"], ref["role"], ref.get("digest"), ref.get("size"), ref.get("version")
            )
    for artifact in sorted(client.list_artifacts(native_id, "logs"), key=lambda found: found.path):
        lines = _text(client, native_id, artifact.path).removesuffix("\n").split("\n")
        native.lines += [line.split(" ", 2)[2] for line in lines]
    return native


def _whole(client: MlflowClient, native_id: str, value: str) -> str:
    """A param's or tag's text, from the artifact that holds it where it is too long."""
    path = value.partition(": artifact ")[2]
    return _text(client, native_id, path) if path else value


def _text(client: MlflowClient, native_id: str, path: str) -> str:
    with (
        tempfile.TemporaryDirectory() as scratch,
        Path(client.download_artifacts(native_id, path, scratch)).open(encoding="utf-8", newline="") as file,
    ):
        return file.read()
