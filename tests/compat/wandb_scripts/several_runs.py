"""Runs one after the other, and two at once."""

import wandb

for lr in (0.1, 0.01):
    run = wandb.init(project="sweep", config={"lr": lr}, id=f"run-{lr}".replace(".", "_"), reinit="finish_previous")
    run.log({"loss": lr})
run.finish()
one = wandb.init(project="sweep", reinit="create_new", tags=["one"])
two = wandb.init(project="sweep", reinit="create_new", tags=["two"])
for step in range(2):
    one.log({"value": step})
    two.log({"value": -step})
one.finish()
two.finish()
assert wandb.run is None
