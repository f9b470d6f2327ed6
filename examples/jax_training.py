"""Keras on JAX, without TensorFlow: every epoch and every fifth batch into a run.

    pip install jax keras
    python examples/jax_training.py [--epochs 5]

Where it is delivered is the config's business: see ``examples/config``. The same script trains on PyTorch with
``KERAS_BACKEND=torch``, and on TensorFlow with ``KERAS_BACKEND=tensorflow``; what is recorded is the same.
"""

import argparse
import os

os.environ.setdefault("KERAS_BACKEND", "jax")  # before Keras is imported
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Keras looks for TensorFlow, and takes its data where it is there

import keras
import numpy as np

import multitrack
from multitrack.keras import TrackingCallback

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--epochs", type=int, default=5)
arguments = parser.parse_args()

keras.utils.set_random_seed(1)
random = np.random.default_rng(0)
x = random.normal(size=(1024, 16)).astype("float32")
y = (x[:, :8].sum(axis=1) > x[:, 8:].sum(axis=1)).astype("float32")

model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(1, "sigmoid")])
schedule = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=32 * arguments.epochs)
model.compile(keras.optimizers.Adam(schedule), "binary_crossentropy", metrics=["accuracy"])

with multitrack.start_run(project="jax-training", params=arguments) as run:
    model.fit(
        x, y, batch_size=32, epochs=arguments.epochs, validation_split=0.25, verbose=0,
        callbacks=[TrackingCallback(log_freq=5)],
    )  # fmt: skip
    accuracy = model.evaluate(x, y, verbose=0, return_dict=True, callbacks=[TrackingCallback()])["accuracy"]

series = multitrack.open_journal().run(run.id).get_metrics()
print(f"Keras {keras.__version__} on {keras.backend.backend()}: accuracy {accuracy:.3f}")
for name in ("loss", "val_loss", "batch/loss", "batch/learning_rate"):
    first, last = series[name][0], series[name][-1]
    print(
        f"{name:20} {len(series[name]):3} points, {first.value:.4f} to {last.value:.4f}, the last at step {last.step}"
    )
print(f"run {run.id} in {run.directory}")
