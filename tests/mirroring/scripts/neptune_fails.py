import neptune

with neptune.init_run(project="team/digits") as run:
    run["lr"] = 10.0
    run["loss"].append(1.0)
    raise ValueError("the loss is not a number")
