"""The first steps of a user: params, a few metrics, a result."""

import neptune

run = neptune.init_run(project="team/digits", api_token=neptune.ANONYMOUS_API_TOKEN, capture_hardware_metrics=False)
run["parameters"] = {"learning_rate": 0.001, "optimizer": "Adam", "layers": {"units": 64, "dropout": True}}
run["seed"] = 7
for epoch in range(5):
    run["train/loss"].append(0.9**epoch)
    run["train/accuracy"].append(1 - 0.5**epoch)
run["f1_score"] = 0.66
print("trained")
run.stop()
