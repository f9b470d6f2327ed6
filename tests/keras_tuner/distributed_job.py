"""One process of a distributed search, chief or worker by KerasTuner's own variables: ``distributed_job.py [overwrite]``."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import keras_tuner

import multitrack
from multitrack import keras_tuner as tuners


class Slow(keras_tuner.RandomSearch):
    """No model; one of its trials fails."""

    def run_trial(self, trial: Any) -> float:
        x = trial.hyperparameters.Float("x", -1, 1)
        run = multitrack.active_run()
        for epoch in range(3):
            run.log_metric("loss", x * x + epoch, step=epoch)
            time.sleep(0.2)
        if (
            trial.trial_id == "0" and "ALONE" not in os.environ
        ):  # until the other worker has begun with a trial, so that both have some
            while not Path("tuning/shared/multitrack-two.json").exists():
                time.sleep(0.1)
        if os.environ.get("DIES_IN") == trial.trial_id:
            os.kill(os.getpid(), signal.SIGKILL)
        if "LASTS" in os.environ:  # until the chief has given the other worker up, which had trial 0
            while '"INVALID"' not in Path("tuning/shared/trial_0/trial.json").read_text() and trial.trial_id != "0":
                time.sleep(0.1)
            del os.environ["LASTS"]
        if trial.trial_id == "1" or "ALL_FAIL" in os.environ:
            raise ZeroDivisionError("no such trial")
        return x * x


if __name__ == "__main__":
    space = keras_tuner.HyperParameters()  # known before the first trial: a second worker would be told to stop
    space.Float("x", -1, 1)
    tuner = tuners.tracked(Slow)(
        objective=keras_tuner.Objective("default_objective", "min"), max_trials=5, seed=1, hyperparameters=space, max_retries_per_trial=1,
        directory="tuning", project_name="shared", overwrite="overwrite" in sys.argv,
    )  # fmt: skip
    tuner.oracle.verbose = 0
    tuner.search()
    print("runs", *(run.id for run in tuner.runs.values()), flush=True)
