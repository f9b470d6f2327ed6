"""A store that the code names, relative to its own directory, and one after it."""

import os
from pathlib import Path

import mlflow

Path("inner").mkdir()
os.chdir("inner")
mlflow.set_tracking_uri("sqlite:///own.db")
with mlflow.start_run(run_name="here"):
    mlflow.log_metric("loss", 0.5)
os.chdir("..")
with mlflow.start_run(run_name="there"):
    mlflow.log_metric("loss", 0.25)
print(sorted(path.name for path in Path().iterdir()))
