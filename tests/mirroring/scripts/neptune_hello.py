import neptune

run = neptune.init_run(project="team/digits", name="first", tags=["one", "two"], description="by hand")
run["parameters"] = {"lr": 0.1, "optimizer": "adam", "units": 64}
for epoch in range(5):
    run["train/loss"].append(1 / (epoch + 1))
    run["train/accuracy"].append(epoch / 5, step=10 * epoch)
run["f1"] = 0.66
print(run["f1"].__class__.__name__)
run.stop()
