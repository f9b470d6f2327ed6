"""Values of the summary beside the history."""

import wandb

run = wandb.init(project="digits")
for step in range(3):
    run.log({"accuracy": step / 4})
run.summary["best_accuracy"] = 0.75
wandb.summary["epochs"] = 3
run.summary.update({"test": {"loss": 0.5}, "verdict": "good"})
assert run.summary["accuracy"] == 0.5
assert run.summary.get("absent") is None
run.alert("low", "the accuracy is low", level=wandb.AlertLevel.WARN)
run.finish()
