"""Rows that are completed by several calls, steps of the program's own, and one that goes back."""

import wandb

wandb.init(project="digits", settings=wandb.Settings(console="off"))
wandb.log({"a": 1}, commit=False)
wandb.log({"b": 2, "nested": {"x": 3, "deep": {"y": 4.5}}})
assert wandb.run.step == 1
wandb.log({"a": 5}, step=10)
wandb.log({"b": 6}, step=10)
wandb.log({"a": 7}, step=4)
wandb.log({"c": True}, step=12, commit=True)
wandb.log({"a": float("nan")})
assert wandb.run.step == 14
wandb.finish()
