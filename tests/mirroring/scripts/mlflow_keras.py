"""Autologging of Keras."""

import keras
import mlflow
import numpy as np

mlflow.tensorflow.autolog(log_models=False)
keras.utils.set_random_seed(1)
model = keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
x = np.ones((16, 2), dtype="float32")
with mlflow.start_run(run_name="keras"):
    history = model.fit(x, x[:, :1], validation_data=(x, x[:, :1]), epochs=3, batch_size=8, verbose=0)
print(sorted(history.history))
