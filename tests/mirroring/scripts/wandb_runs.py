"""Several runs in turn, in one process."""

import wandb

for lr in (0.1, 0.01, 0.001):
    with wandb.init(project="digits", group="rates", config={"lr": lr}, reinit=True) as run:
        for step in range(3):
            run.log({"loss": lr / (step + 1)})
    print(lr, wandb.run)
