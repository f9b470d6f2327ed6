"""A run that another session continues."""

import time

import wandb

for session in range(2):
    run = wandb.init(project="digits", id="continued", resume="allow", config={"lr": 0.1})
    for step in range(3):
        run.log({"loss": 1 / (3 * session + step + 1)}, step=3 * session + step)
    print(session, run.id, run.resumed)
    run.finish()
    time.sleep(1.1)  # the names of sessions have their second
