"""A search that dies in the middle of a trial and is started again: one parent run, nothing lost, nothing twice.

    python examples/resumed_search.py [--trials 5] [--out resumed-run]

Starts the search twice. The first process is killed (SIGKILL, as by a cluster that takes a machine back) in the second
epoch of its third trial. The second one runs the same code: KerasTuner goes on where it stood, and so do the runs: the
search's run is the same one, and the interrupted trial has a second attempt, ``trial-2-a2``.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up messages
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import multitrack


def search(out: Path, trials: int, die: bool) -> None:
    """What one would write in any case; only ``Die`` is for show."""
    import keras  # noqa: PLC0415 - not needed by the process that starts the two
    import numpy as np  # noqa: PLC0415

    import multitrack.keras_tuner as kt  # noqa: PLC0415

    class Die(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
            if die and (multitrack.active_run().name, epoch) == ("trial-2", 1):
                os.kill(os.getpid(), signal.SIGKILL)

    def build(hp: Any) -> keras.Model:
        width = hp.Int("width", 4, 32, step=4)
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(width, "relu"), keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")), "mse")
        return model

    random = np.random.default_rng(0)
    x = random.normal(size=(512, 8)).astype("float32")
    y = np.sin(x).sum(axis=1)
    tuner = kt.RandomSearch(
        build,
        objective="val_loss",
        max_trials=trials,
        seed=1,
        overwrite=False,
        directory=out / "tuner",
        project_name="sine",
    )
    tuner.search(x, y, validation_split=0.25, epochs=3, verbose=0, callbacks=[Die()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5, help="how many sets of hyperparameters to try")
    parser.add_argument("--out", type=Path, default=Path("resumed-run"), help="where everything goes; emptied first")
    parser.add_argument("--search", choices=["die", "live"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    out = arguments.out.absolute()
    if arguments.search:
        search(out, arguments.trials, die=arguments.search == "die")
        return

    shutil.rmtree(out, ignore_errors=True)
    environment = {**os.environ, "MULTITRACK_JOURNAL": str(out / ".multitrack")}
    for how in ("die", "live"):
        command = [sys.executable, __file__, "--out", out, "--trials", str(arguments.trials), "--search", how]
        status = subprocess.run(command, env=environment, check=False).returncode
        print("killed, as planned" if status == -signal.SIGKILL else f"the search ended with status {status}")
        print_runs(out / ".multitrack")


def print_runs(journal: Path) -> None:
    """The search, and its trials below it."""
    for run in multitrack.open_journal(journal).runs():
        told = run.summary()
        epochs = told.lengths.get("val_loss", 0)
        name = f"  {run.manifest.name}" if run.manifest.parent else run.manifest.name
        print(f"  {name:14} {run.id}  {told.status:9}" + (f" {epochs} epochs" if run.manifest.parent else ""))


if __name__ == "__main__":
    main()
