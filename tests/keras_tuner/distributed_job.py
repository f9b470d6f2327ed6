"""One process of a distributed search, chief or worker by KerasTuner's own variables: ``distributed_job.py [overwrite]``."""

import os
import signal
import sys
import time
import types
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
        if os.environ.get("DIES_IN") == trial.trial_id:
            os.kill(os.getpid(), signal.SIGKILL)
        if (
            trial.trial_id == "0" and "ALONE" not in os.environ
        ):  # until the other worker has begun with a trial, so that both have some
            while not Path("tuning/shared/multitrack-two.json").exists():
                time.sleep(0.1)
        if trial.trial_id == "1":
            raise ZeroDivisionError("no such trial")
        return x * x


if __name__ == "__main__":
    if os.environ["KERASTUNER_TUNER_ID"] == "chief":
        from keras_tuner.src.distribute import oracle_chief

        # Its last pause is of 20 seconds.
        oracle_chief.time = types.SimpleNamespace(sleep=lambda seconds: time.sleep(min(seconds, 0.5)))
    space = keras_tuner.HyperParameters()  # known before the first trial: a second worker would be told to stop
    space.Float("x", -1, 1)
    tuner = tuners.tracked(Slow)(
        objective=keras_tuner.Objective("default_objective", "min"), max_trials=5, seed=1, hyperparameters=space, max_retries_per_trial=1,
        directory="tuning", project_name="shared", overwrite="overwrite" in sys.argv,
    )  # fmt: skip
    tuner.oracle.verbose = 0
    tuner.search()
    print("runs", *(run.id for run in tuner.runs.values()), flush=True)
