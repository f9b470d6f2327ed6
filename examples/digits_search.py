"""The main job: a KerasTuner search on real handwritten digits, every trial a run in MLflow, W&B and Neptune at once.

    python examples/digits_search.py [--trials 6] [--epochs 5] [--out digits-run] [--backends A,B]

Needs no account and no server. Takes about 20 seconds on two cores, and writes everything below ``digits-run/``.
Any installed backend can be named.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up messages
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import sklearn.datasets
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import train_test_split

import multitrack
import multitrack.keras_tuner as kt


def build(hp: Any) -> keras.Model:
    """A small CNN for images of 8 × 8 pixels; learning rate, width and dropout are searched."""
    width = hp.Choice("width", [8, 16, 32])
    dropout = hp.Float("dropout", 0.0, 0.5, step=0.1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(width, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    rate = hp.Float("learning_rate", 1e-3, 3e-2, sampling="log")
    model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=6, help="how many sets of hyperparameters to try")
    parser.add_argument("--epochs", type=int, default=5, help="epochs a trial")
    parser.add_argument(
        "--out", type=Path, default=Path("digits-run"), help="where everything goes; an earlier search is deleted"
    )
    parser.add_argument("--backends", default="mlflow,wandb,neptune", metavar="A,B", help="where the runs go")
    arguments = parser.parse_args()
    out, backends = arguments.out.absolute(), arguments.backends.split(",")
    if out.is_dir() and any(out.iterdir()) and not (out / ".multitrack").is_dir():
        parser.error(f"{out} has files, and they are not of an earlier search: choose another --out")
    shutil.rmtree(out, ignore_errors=True)

    keras.utils.set_random_seed(1)
    images, labels = sklearn.datasets.load_digits(return_X_y=True)
    images = (images / 16.0).reshape(-1, 8, 8, 1).astype("float32")
    x, x_val, y, y_val = train_test_split(images, labels, test_size=0.25, random_state=0)

    config = {
        "backends": backends,
        "journal": str(out / ".multitrack"),
        # A table is used if its backend is named above.
        "mlflow": {"tracking_uri": f"sqlite:///{out}/mlflow.db"},
        "wandb": {"mode": "offline", "dir": str(out)},
        "neptune": {"directory": str(out / ".neptune")},
        "files": {"directory": str(out / "tables")},
        "tensorboard": {"directory": str(out / "tensorboard")},
        "trackio": {"directory": str(out / "trackio")},
        "goodseed": {"directory": str(out / "goodseed")},
        "prometheus": {"mode": "textfile", "directory": str(out / "prometheus")},
    }
    with multitrack.start_run("digits", "digits-search", params=arguments, config=config) as search:
        data = Path(sklearn.datasets.__file__).parent / "data" / "digits.csv.gz"
        search.log_artifact_ref("digits", data, kind="dataset", role="input")
        tuner = kt.RandomSearch(
            build,
            objective="val_accuracy",
            max_trials=arguments.trials,
            seed=1,
            directory=out / "tuner",
            project_name="digits",
        )
        tuner.search(x, y, validation_data=(x_val, y_val), epochs=arguments.epochs, batch_size=64, verbose=0)

    print_trials(tuner, backends)
    print_views(search, out, backends)


def print_trials(tuner: Any, trackers: list[str]) -> None:
    """Every trial: hyperparameters, score, status, and its id in each tracker."""
    table = Table(title="trials", title_justify="left", box=None, pad_edge=False)
    for column in ("trial", "learning_rate", "width", "dropout", "score", "status", *trackers):
        table.add_column(column, no_wrap=True, justify="right" if column in {"score", "width"} else "left")
    best = tuner.oracle.get_best_trials(1)[0].trial_id
    for trial_id, run in sorted(tuner.runs.items()):
        trial = tuner.oracle.get_trial(trial_id)
        values = trial.hyperparameters.values
        ids = [run.backend_ids.get(tracker, "-") for tracker in trackers]
        table.add_row(
            trial_id,
            f"{values['learning_rate']:.4f}",
            str(values["width"]),
            f"{values['dropout']:.1f}",
            f"{trial.score:.4f}" + (" *" if trial_id == best else "  "),
            run.status,
            *ids,
            style="bold" if trial_id == best else "",
        )
    console = Console()
    width = 170 + 40 * max(0, len(trackers) - 3)
    console = console if console.width >= width else Console(width=width)  # ids are never cut
    console.print(table)
    console.print("* best", style="dim")


def print_views(search: multitrack.Run, out: Path, backends: list[str]) -> None:
    """How to look at it in each tracker, and without any."""
    shown = os.path.relpath(out)
    views = {
        "mlflow": [f"{command('mlflow')} ui --backend-store-uri sqlite:///{shown}/mlflow.db"],
        "wandb": [
            f"{command('wandb')} beta leet {shown}/wandb",
            f"or send it: {command('wandb')} sync {shown}/wandb/offline-run-*",
        ],
        "neptune": [f"ls {shown}/.neptune/offline        (its offline format; the hosted service is gone)"],
        "files": [f"ls {shown}/tables        (Parquet, for DuckDB, Polars and pandas)"],
        "tensorboard": [f"{command('tensorboard')} --logdir {shown}/tensorboard"],
        "trackio": [f"TRACKIO_DIR={shown}/trackio {command('trackio')} show"],
        "goodseed": [f"GOODSEED_HOME={shown}/goodseed {command('goodseed')} serve"],
        "prometheus": [f"cat {shown}/prometheus/*.prom        (for node_exporter)"],
    }
    journal = f"--journal {shown}/.multitrack"
    views["multitrack"] = [
        f"{command('multitrack')} {arguments} {journal}" for arguments in ("runs", f"show {search.id}")
    ]
    print("\nlook at it:")
    for name in (*backends, "multitrack"):
        for title, line in zip((name, *[""] * 9), views.get(name, ()), strict=False):
            print(f"  {title:<11} {line}")


def command(name: str) -> str:
    """A command as one types it here: by name, or by its path where the environment is not activated."""
    return name if shutil.which(name) else os.path.relpath(Path(sys.executable).parent / name)


if __name__ == "__main__":
    main()
