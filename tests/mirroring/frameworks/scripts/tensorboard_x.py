"""The writer of tensorboardX."""

import numpy as np
from tensorboardX import SummaryWriter

writer = SummaryWriter("runs/exp-1")
for step in range(5):
    writer.add_scalar("data/loss", 1 / (step + 1), step)
    writer.add_scalars("data/waves", {"sin": np.sin(step), "tan": np.tan(step)}, step)
    writer.add_histogram("weights", np.arange(10) * step, step)
writer.add_text("note", "written by tensorboardX", 0)
writer.add_hparams({"lr": 0.1, "layers": 2}, {"accuracy": 0.9}, name="best")
writer.export_scalars_to_json("scalars.json")
writer.close()
with SummaryWriter(logdir="runs/exp-2", filename_suffix=".eval") as second:
    second.add_scalar("accuracy", 0.75, 10)
print(writer.logdir, second.logdir)
