import mlflow

with mlflow.start_run(run_name="search") as parent:
    mlflow.log_param("trials", 3)
    for trial in range(3):
        with mlflow.start_run(run_name=f"trial-{trial}", nested=True) as child:
            mlflow.log_param("lr", 0.1**trial)
            mlflow.log_metric("loss", 1 / (trial + 1), step=trial)
    mlflow.log_metric("best", 1 / 3)
print(len(mlflow.MlflowClient().search_runs([parent.info.experiment_id])))
