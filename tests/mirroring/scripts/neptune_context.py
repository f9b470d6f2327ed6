"""Runs in turn, each in a ``with``."""

import neptune

for lr in (0.1, 0.01):
    with neptune.init_run(project="team/digits", name=f"lr-{lr}") as run:
        run["lr"] = lr
        for step in range(3):
            run["loss"].append(lr / (step + 1), step=step)
    print(lr)
