import sys

import wandb

run = wandb.init(project="digits")
run.log({"loss": 1.0})
print("giving up")
sys.exit(3)
