"""MLflow's own autologging beside multitrack, in one and the same MLflow run.

    python examples/mlflow_autolog.py

``run.backend_ids["mlflow"]`` names the native run. What multitrack records of Keras stands under ``fit/``,
``optimizer/`` and ``model/`` and under Keras's own metric names, so it does not collide with autologging's params.
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up messages
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import mlflow
import numpy as np

import multitrack
from multitrack.keras import TrackingCallback

uri = f"sqlite:///{Path.cwd()}/mlflow.db"
config = {"backends": ["mlflow"], "mlflow": {"tracking_uri": uri}}

x = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
y = (x.sum(axis=1) > 0).astype("float32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])

with multitrack.start_run("autolog", config=config) as run:
    native_id = run.wait_open()["mlflow"]
    mlflow.set_tracking_uri(uri)
    mlflow.tensorflow.autolog(log_models=False, log_datasets=False)
    with mlflow.start_run(run_id=native_id):
        model.fit(x, y, epochs=3, verbose=0, callbacks=[TrackingCallback(run)])

native = mlflow.get_run(native_id)
print(f"MLflow run {native_id}: {native.info.status}")
print("params of autologging:", *sorted(key for key in native.data.params if "/" not in key))
print("params of multitrack: ", *sorted(key for key in native.data.params if "/" in key))
