"""Code of users of the modules for other trackers' calls, as the type checkers see it."""

from typing import assert_type

import multitrack.compat.neptune as neptune
import multitrack.compat.wandb as wandb
from multitrack.compat.neptune.types import File

run = neptune.init_run(project="team/digits", tags=["a"], capture_stdout=False)
assert_type(run, neptune.Run)
run["parameters"] = {"lr": 0.1}
run["train/loss"].append(0.5, step=1)
run["train"]["image"].upload(File.as_image([[0.0]]))
run.stop()

with wandb.init(project="digits", config={"lr": 0.1}) as open_run:
    assert_type(open_run, wandb.Run)
    open_run.log({"loss": 0.5})
    wandb.log({"loss": 0.5})
    open_run.config.lr = 0.2
    open_run.summary["best"] = 0.5
    open_run.log_artifact(wandb.Artifact("data", type="dataset"))
