"""Several curves in one chart, hyperparameters, and the default directory, with the writer of PyTorch."""

from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

with SummaryWriter("runs/parts") as writer:
    writer.add_text("about", "two waves")
    for step in range(4):
        angle = torch.tensor(step / 10)
        writer.add_scalar("angle", angle, step)
        writer.add_scalars("wave", {"sin": torch.sin(angle), "cos": torch.cos(angle)}, step)
for lr in (0.1, 0.01):
    with SummaryWriter(f"runs/search/{lr}") as writer:
        writer.add_hparams({"lr": lr, "optimizer": "sgd", "nesterov": True}, {"accuracy": 0.9 - lr}, run_name="trial")
with SummaryWriter(comment="-default") as writer:
    writer.add_scalar("loss", 0.5, 0)
print(sorted(path.name for path in Path("runs").iterdir() if not path.name.endswith("-default")))
