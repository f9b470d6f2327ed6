"""Values that are no numbers: images, tables, histograms, HTML."""

import numpy as np
import wandb

with wandb.init(project="digits") as run:
    table = wandb.Table(columns=["guess", "truth"], data=[[1, 1], [7, 1]])
    run.log({"predictions": table, "loss": 0.5})
    run.log({"image": wandb.Image(np.zeros((4, 4, 3), dtype=np.uint8), caption="a digit"), "loss": 0.25})
    run.log({"weights": wandb.Histogram([1, 2, 2, 3]), "note": wandb.Html("<b>fine</b>"), "text": "some text"})
    run.log({"several": [wandb.Image(np.ones((2, 2))) for _ in range(2)], "loss": 0.125})
print("logged")
