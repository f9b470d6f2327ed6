import mlflow

with mlflow.start_run():
    mlflow.log_metric("loss", 1.0)
    mlflow.log_param("lr", 0.1)
    raise RuntimeError("out of data")
