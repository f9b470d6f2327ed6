"""Metrics with a step of their own, and figures in the summary."""

import wandb

run = wandb.init(project="digits")
run.define_metric("epoch")
run.define_metric("val/*", step_metric="epoch")
run.define_metric("acc", summary="max")
run.define_metric("loss", summary="min,mean")
for epoch in range(3):
    run.log({"loss": 3.0 - epoch, "acc": epoch / 4, "epoch": epoch})
    run.log({"val/loss": 4.0 - epoch})
run.finish()
