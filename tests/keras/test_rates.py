"""The learning rate after each batch, read without the model: as right as the model's own."""

from typing import Any

import keras
import numpy as np
import pytest

import multitrack
from multitrack.keras import TrackingCallback
from multitrack.keras.learning_rate import Rates, learning_rates
from multitrack.records import Metric

SGD = keras.optimizers.SGD


class Sets(keras.callbacks.Callback):
    """Its batch hook makes Keras call all of them at once."""

    def __init__(self, rates: dict[int, float]) -> None:
        super().__init__()
        self.rates = rates

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch in self.rates:
            self.model.optimizer.learning_rate = self.rates[batch]


def trained(optimizer: Any, *, before: Any = (), after: Any = ()) -> tuple[list[float], int]:
    """The rates that were recorded, and how many times JAX had to bring back the state."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    worked = []
    if hasattr(model, "jax_state_sync"):
        synchronise = model.jax_state_sync

        def counted() -> None:
            worked.append(not model._jax_state_synced)
            synchronise()

        model.jax_state_sync = counted
    with multitrack.start_run() as run:
        callbacks = [Sets(dict(before)), TrackingCallback(run, 1), Sets(dict(after))]
        model.fit(np.zeros((80, 4)), np.zeros((80, 1)), batch_size=10, epochs=2, verbose=0, callbacks=callbacks)
    held = multitrack.open_journal(".multitrack").run(run.id)
    assert held.summary().mistakes == 0
    points = [record.numbers for record in held.records() if isinstance(record, Metric)]
    rates = [
        {name: value for name, value in point.items() if "rate" in name} for point in points if "batch/loss" in point
    ]
    assert all(set(one) == {"batch/learning_rate"} for one in rates)
    return [round(one["batch/learning_rate"], 6) for one in rates], sum(worked)


def test_rates_after_each_batch_are_those_of_the_optimizer() -> None:
    rates, synchronised = trained(SGD(0.5))
    assert rates == [0.5] * 16
    # By Keras itself at the end of each epoch, by us at each epoch's first batch.
    assert synchronised == (4 if keras.config.backend() == "jax" else 0)
    # Epochs of 8 batches. What is set before our hook shows at once, what is set after it at the next batch.
    then = [0.25, 0.375, 0.375, 0.125, 0.125, 0.75]
    rates, _ = trained(SGD(0.5), before={2: 0.25, 5: 0.125}, after={2: 0.375, 6: 0.75})
    assert rates == [0.5, 0.5, *then, 0.75, 0.75, *then]
    rates, _ = trained(keras.optimizers.LossScaleOptimizer(SGD(0.5)), after={2: 0.375})
    assert rates == [0.5] * 3 + [0.375] * 13
    rates, _ = trained(SGD(keras.optimizers.schedules.InverseTimeDecay(0.5, 1, 1)))
    assert rates == [round(0.5 / (1 + n), 6) for n in range(1, 17)]


def test_a_schedule_put_in_a_variables_place_is_asked_for(compiled: Any) -> None:
    model, rates = compiled(), Rates()
    assert rates.read(model) is None
    rates.remember(model, learning_rates(model))
    assert rates.read(model) == pytest.approx({"learning_rate": 0.1})
    model.optimizer.learning_rate = 0.2
    assert rates.read(model) == pytest.approx({"learning_rate": 0.2})
    model.optimizer.learning_rate = keras.optimizers.schedules.InverseTimeDecay(0.5, 1, 1)
    assert rates.read(model) is None
    rates.remember(model, learning_rates(model))
    assert rates.read(model) is None
    model.compile("sgd", "mse")
    rates.remember(model, {"learning_rate": 0.01})
    before = model.optimizer
    model.compile("sgd", "mse")
    assert model.optimizer is not before
    assert rates.read(model) is None
