"""A run that a second process continues by its id."""

import sys
from pathlib import Path

import wandb

is_first = not Path("began").exists()
Path("began").touch()
run = wandb.init(
    project="digits", id="own", resume="allow", config={"lr": 0.1, "model": {"units": 64}} if is_first else None
)
assert run.resumed is not is_first
if is_first:
    run.log({"loss": 3.0})
    run.log({"loss": 2.0})
    run.summary["best"] = 2.0
    sys.exit()
assert run.step == 2
assert run.config.lr == 0.1
assert run.config["model"]["units"] == 64
assert run.summary["best"] == 2.0
run.log({"loss": 1.0})
run.finish()
