"""Runs that no ``with`` opens: the client, batches, a deleted tag, and a run that fails."""

import time

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

client = MlflowClient()
experiment = client.create_experiment("client", tags={"kind": "test"})
run = client.create_run(experiment, run_name="batches", tags={"team": "audio"})
now = int(time.time() * 1000)
client.log_batch(
    run.info.run_id,
    metrics=[Metric("loss", 1 / (step + 1), now + step, step) for step in range(20)],
    params=[Param("lr", "0.1"), Param("layers", "[1, 2]")],
    tags=[RunTag("phase", "one")],
)
client.log_metric(run.info.run_id, "best", 0.05)
client.set_tag(run.info.run_id, "passing", "by")
client.delete_tag(run.info.run_id, "passing")
client.set_terminated(run.info.run_id, "FAILED")
print(client.get_run(run.info.run_id).info.status, len(client.get_metric_history(run.info.run_id, "loss")))
