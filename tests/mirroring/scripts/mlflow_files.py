"""Files, texts, tables, figures and a data set."""

from pathlib import Path

import mlflow
import numpy as np

Path("notes.txt").write_text("some notes")
with mlflow.start_run():
    mlflow.log_text("hello", "texts/hello.txt")
    mlflow.log_dict({"a": [1, 2]}, "config.json")
    mlflow.log_table({"guess": [1, 7], "truth": [1, 1]}, artifact_file="table.json")
    mlflow.log_artifact("notes.txt", artifact_path="notes")
    mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "digit.png")
    data = mlflow.data.from_numpy(np.ones((3, 2)), source="https://bucket.example/train.npy", name="train")
    mlflow.log_input(data, context="training")
    mlflow.log_metric("rows", 3)
    print(mlflow.get_artifact_uri().rpartition("/")[2])
