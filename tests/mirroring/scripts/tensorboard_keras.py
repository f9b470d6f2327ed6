"""The Keras callback, which writes a directory for training and one for validation."""

import keras
import numpy as np

keras.utils.set_random_seed(1)
model = keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
x = np.ones((16, 2), dtype="float32")
history = model.fit(
    x, x[:, :1], validation_data=(x, x[:, :1]), epochs=3, batch_size=8, verbose=0,
    callbacks=[keras.callbacks.TensorBoard("logs/fit", update_freq=1, write_graph=False)],
)  # fmt: skip
print(sorted(history.history))
