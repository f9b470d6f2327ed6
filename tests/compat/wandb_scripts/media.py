"""Images, a table, a histogram and a page among the values."""

import numpy as np
import wandb

run = wandb.init(project="digits")
table = wandb.Table(columns=["id", "score"])
table.add_data(1, 0.5)
table.add_data(2, 0.25)
run.log({"loss": 0.5, "image": wandb.Image(np.zeros((4, 4, 3), dtype=np.uint8), caption="black")})
run.log({"loss": 0.25, "table": table})
run.log({"images": [wandb.Image(np.ones((2, 2), dtype=np.uint8)) for _ in range(2)]})
run.log({"weights": wandb.Histogram(np.arange(10)), "page": wandb.Html("<p>page</p>")})
run.finish()
