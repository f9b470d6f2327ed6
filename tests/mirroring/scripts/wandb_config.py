"""Config that changes, axes and summaries of metrics, nested values, steps, commit and an alert."""

import argparse

import wandb

wandb.init(
    project="digits", name="baseline", group="sweep", job_type="train", tags=["one", "two"], notes="first try",
    config={"model": {"units": 64, "layers": [1, 2]}, "lr": 0.1},
)  # fmt: skip
wandb.config.update({"batch_size": 32, "optimizer": {"name": "adam"}})
wandb.config.update({"lr": 0.01}, allow_val_change=True)
wandb.config.update(argparse.Namespace(seed=7, debug=False))
wandb.config.dropout = 0.5
wandb.define_metric("epoch")
wandb.define_metric("val/*", step_metric="epoch")
wandb.define_metric("loss", summary="min")
for epoch in range(4):
    wandb.log({"epoch": epoch, "loss": 1 / (epoch + 1)}, commit=False)
    wandb.log({"val": {"loss": 2 / (epoch + 1), "deep": {"acc": epoch / 4}}})
wandb.log({"late": 1.5}, step=20)
wandb.summary["best"] = 0.25
wandb.run.summary.update({"verdict": "good", "nested": {"f1": 0.5}})
wandb.run.alert("slow", "no progress\nfor an hour", level=wandb.AlertLevel.WARN)
print(wandb.config["lr"], wandb.run.step, wandb.run.summary["best"])
wandb.finish()
