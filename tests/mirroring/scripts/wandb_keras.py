"""The callbacks that W&B has for Keras."""

import keras
import numpy as np
import wandb
from wandb.integration.keras import WandbMetricsLogger, WandbModelCheckpoint

wandb.init(project="digits", config={"units": 4})
keras.utils.set_random_seed(1)
model = keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
x = np.ones((16, 2), dtype="float32")
history = model.fit(
    x, x[:, :1], validation_data=(x, x[:, :1]), epochs=2, batch_size=8, verbose=0,
    callbacks=[WandbMetricsLogger(log_freq=1), WandbModelCheckpoint("best.keras", save_best_only=True)],
)  # fmt: skip
print(sorted(history.history))
wandb.finish()
