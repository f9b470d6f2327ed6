"""The first steps of a user: a config, a loop, an end."""

import wandb

run = wandb.init(
    project="digits", name="first", notes="a note", tags=["a", "b"], group="sweep", job_type="train",
    config={"lr": 0.1, "layers": [64, 32], "model": {"name": "cnn", "dropout": None}},
)  # fmt: skip
for epoch in range(5):
    wandb.log({"loss": 0.9**epoch, "accuracy": 1 - 0.5**epoch, "epoch": epoch})
print("trained")
wandb.finish()
