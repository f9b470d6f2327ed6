import mlflow

mlflow.set_experiment("digits")
with mlflow.start_run(run_name="first", description="a run by hand", tags={"team": "vision"}) as run:
    mlflow.log_param("lr", 0.1)
    mlflow.log_params({"units": 64, "optimizer": "adam"})
    for step in range(5):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"accuracy": step / 5, "f1": step / 10}, step=step)
    mlflow.set_tag("stage", "test")
    mlflow.set_tags({"a": 1, "b": "two"})
print(run.info.status, mlflow.active_run())
