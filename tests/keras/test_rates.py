"""The learning rate after each batch, read without the model: as right as the model's own, on TensorFlow and JAX."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import pytest

from multitrack import _model
from multitrack._rates import Rates

TRAINING = """
import json
import keras, numpy as np, multitrack
from multitrack.keras import TrackingCallback
from multitrack.records import Metric

class Sets(keras.callbacks.Callback):
    def __init__(self, rates):
        super().__init__()
        self.rates = rates
    def on_train_batch_end(self, batch, logs=None):
        if batch in self.rates:
            self.model.optimizer.learning_rate = self.rates[batch]

def trained(optimizer, *, before=(), after=()):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    worked = []
    if hasattr(model, "jax_state_sync"):
        synchronise = model.jax_state_sync
        def counted():
            worked.append(not model._jax_state_synced)
            synchronise()
        model.jax_state_sync = counted
    with multitrack.start_run() as run:
        callbacks = [Sets(dict(before)), TrackingCallback(run, 1), Sets(dict(after))]
        model.fit(np.zeros((80, 4)), np.zeros((80, 1)), batch_size=10, epochs=2, verbose=0, callbacks=callbacks)
    recorded = multitrack.open_journal(".multitrack").run(run.id)
    points = [record.numbers for record in recorded.records() if isinstance(record, Metric)]
    return {
        "rates": [
            {name: round(value, 6) for name, value in point.items() if "rate" in name}
            for point in points if "batch/loss" in point
        ],
        "mistakes": recorded.summary().mistakes, "synchronised": sum(worked),
    }

SGD = keras.optimizers.SGD
decay = keras.optimizers.schedules.InverseTimeDecay(0.5, 1, 1)
print(json.dumps({
    "backend": keras.config.backend(),
    "constant": trained(SGD(0.5)),
    "set": trained(SGD(0.5), before={2: 0.25, 5: 0.125}, after={2: 0.375, 6: 0.75}),
    "scaled": trained(keras.optimizers.LossScaleOptimizer(SGD(0.5)), after={2: 0.375}),
    "schedule": trained(SGD(decay)),
}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_rates_after_each_batch_are_those_of_the_optimizer(backend: str, project: Path) -> None:
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run([sys.executable, "-c", TRAINING], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["backend"] == backend

    def rates(name: str) -> list[float]:
        assert found[name]["mistakes"] == 0
        assert all(set(one) == {"batch/learning_rate"} for one in found[name]["rates"])
        return [one["batch/learning_rate"] for one in found[name]["rates"]]

    assert rates("constant") == [0.5] * 16
    # Epochs of 8 batches. What is set before our hook shows at once, what is set after it at the next batch.
    then = [0.25, 0.375, 0.375, 0.125, 0.125, 0.75]
    assert rates("set") == [0.5, 0.5, *then, 0.75, 0.75, *then]
    assert rates("scaled") == [0.5] * 3 + [0.375] * 13
    assert rates("schedule") == [round(0.5 / (1 + n), 6) for n in range(1, 17)]
    # By Keras itself at the end of each epoch, by us at each epoch's first batch.
    assert found["constant"]["synchronised"] == (4 if backend == "jax" else 0)


def test_a_schedule_put_in_a_variables_place_is_asked_for(compiled: Any) -> None:
    model, rates = compiled(), Rates()
    assert rates.read(model) is None
    rates.remember(model, _model.learning_rates(model))
    assert rates.read(model) == pytest.approx({"learning_rate": 0.1})
    model.optimizer.learning_rate = 0.2
    assert rates.read(model) == pytest.approx({"learning_rate": 0.2})
    model.optimizer.learning_rate = keras.optimizers.schedules.InverseTimeDecay(0.5, 1, 1)
    assert rates.read(model) is None
    rates.remember(model, _model.learning_rates(model))
    assert rates.read(model) is None
    model.compile("sgd", "mse")
    rates.remember(model, {"learning_rate": 0.01})
    before = model.optimizer
    model.compile("sgd", "mse")
    assert model.optimizer is not before
    assert rates.read(model) is None
