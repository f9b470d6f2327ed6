"""A grid of nine trainings, compared: learning rate {0.01, 0.001, 0.0001} × batch size {32, 64, 128}.

    python examples/digits_grid.py [--epochs 6] [--out digits-grid]

Each training of a small network on handwritten digits is a run below the grid's own. At the end stands the table, the
best by validation accuracy on top, and ``digits-grid/report.html``. Needs Keras with a backend, scikit-learn and
Plotly (the extra ``report``), but no tracker; takes half a minute.
"""

import argparse
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up messages
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import sklearn.datasets
from sklearn.model_selection import train_test_split

import multitrack
from multitrack.keras import TrackingCallback

LEARNING_RATES = (0.01, 0.001, 0.0001)
BATCH_SIZES = (32, 64, 128)

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--epochs", type=int, default=6)
parser.add_argument("--out", type=Path, default=Path("digits-grid"), help="where everything goes; emptied first")
arguments = parser.parse_args()
shutil.rmtree(arguments.out, ignore_errors=True)
journal = arguments.out / ".multitrack"

images, labels = sklearn.datasets.load_digits(return_X_y=True)
x, x_val, y, y_val = train_test_split(images / 16, labels, test_size=0.25, random_state=0)

config = {"journal": str(journal), "backends": []}
with multitrack.start_run("digits", "grid", params=arguments, config=config) as grid:
    for rate, size in itertools.product(LEARNING_RATES, BATCH_SIZES):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10, "softmax")],
        )
        model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        with multitrack.start_run(name=f"lr {rate}, batch {size}", parent=grid, config=config) as run:
            run.log_params({"learning_rate": rate, "batch_size": size})
            model.fit(x, y, size, arguments.epochs, verbose=0, validation_data=(x_val, y_val),
                      callbacks=[TrackingCallback(run)])  # fmt: skip

command = [sys.executable, "-m", "multitrack"]
subprocess.run(
    [*command, "compare", "--journal", str(journal), "--parent", "grid", "--sort", "-metrics.val_accuracy", "--columns",
     "name,params.learning_rate,params.batch_size,metrics.val_accuracy,metrics.val_loss:min"],
    check=True,
)  # fmt: skip
subprocess.run(
    [*command, "report", "--journal", str(journal), "--output", str(arguments.out / "report.html")], check=True
)
print(f"the best on top: {(arguments.out / 'report.html').absolute().as_uri()}#sort=metrics.val_accuracy&down=1")
