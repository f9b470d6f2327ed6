"""Batch points stand at the numbers of the batches that were trained, as Keras' own hooks see them."""

from typing import Any

import keras
import pytest

import multitrack
from keras_points import assert_like_history, points
from multitrack.keras import BatchTrackingCallback, TrackingCallback

BACKEND = keras.config.backend()
AT_ONCE = 1 if BACKEND == "torch" else 2  # torch takes one step per execution only


class Seen(keras.callbacks.Callback):
    """What Keras hands to every batch hook, with the optimizer's own count."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[int, dict[str, float]]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches.append((int(self.model.optimizer.iterations), dict(logs)))


def several(*case: Any) -> Any:
    """Several steps per execution, which torch does not take; 5 batches are whole executions of 5 only."""
    cut = [] if case[0] == 5 else [pytest.mark.cut_execution]
    return pytest.param(*case, marks=[pytest.mark.backends("tensorflow", "jax"), *cut])


@pytest.mark.parametrize(
    ("per_execution", "every", "steps"),
    [
        (1, 1, list(range(1, 16))),
        (1, 2, [2, 4, 6, 8, 10, 12, 14]),
        (1, 7, [7, 14]),
        several(2, 3, [4, 7, 9, 12, 15]),  # executions end at 2, 4, 5, 7, 9, 10, 12, 14, 15
        several(3, 5, [5, 10, 15]),
        several(5, 2, [5, 10, 15]),
        several(10, 2, [5, 10, 15]),  # each execution reports past the end of its epoch
        several(10, 4, [5, 10, 15]),
    ],
)
def test_batches_are_counted_as_the_optimizer_counts(data, compiled, recorded, per_execution, every, steps):
    model, seen = compiled(steps_per_execution=per_execution), Seen()
    with multitrack.start_run() as run:
        callback = TrackingCallback(run, log_freq=every)
        assert isinstance(callback, BatchTrackingCallback)
        history = model.fit(*data, epochs=3, batch_size=10, verbose=0, callbacks=[seen, callback])
    held = recorded(run)
    truth = dict(seen.batches)
    assert [step for step, _ in points(held, "batch/loss")] == steps
    assert points(held, "batch/loss") == [(step, truth[step]["loss"]) for step in steps]
    assert points(held, "batch/accuracy") == [(step, truth[step]["accuracy"]) for step in steps]
    assert [step for step, _ in points(held, "batch/learning_rate")] == steps
    assert_like_history(held, history)
    assert held.summary().mistakes == 0


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")  # Keras, of data of unknown length
def test_batch_steps_go_on_over_fits_and_unknown_lengths(data, compiled, recorded, of_unknown_length):
    model, endless = compiled(), of_unknown_length(data)
    with multitrack.start_run() as run:
        history = model.fit(endless, epochs=2, shuffle=False, verbose=0, callbacks=[TrackingCallback(run, 4)])
        # TensorFlow's optimizer counts each end of the data as a batch, which a callback of another fit must know.
        model.fit(*data, epochs=1, batch_size=10, verbose=0, callbacks=[TrackingCallback(run, 4)])
    assert [step for step, _ in points(recorded(run), "batch/loss")] == [4, 8, 12]
    assert points(recorded(run), "loss")[:2] == list(enumerate(history.history["loss"]))


@pytest.mark.cut_execution
@pytest.mark.backends("tensorflow", "jax")  # torch takes one step per execution only
@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_an_unknown_length_with_several_steps_per_execution(data, compiled, recorded, of_unknown_length):
    model, seen = compiled(steps_per_execution=4), Seen()
    with multitrack.start_run() as run:
        callbacks = [seen, TrackingCallback(run, 1)]
        model.fit(of_unknown_length(data), epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
    steps = [step for step, _ in points(recorded(run), "batch/loss")]
    assert steps == [step for step, _ in seen.batches] == [4, 5, 9, 10]


def test_gradient_accumulation_counts_batches(data, compiled, recorded):
    model = compiled(optimizer=keras.optimizers.SGD(0.1, gradient_accumulation_steps=5))
    with multitrack.start_run() as run:
        for _ in range(2):
            model.fit(*data, epochs=1, batch_size=10, verbose=0, callbacks=[TrackingCallback(run, 5)])
    assert [step for step, _ in points(recorded(run), "batch/loss")] == [5, 10]


def test_the_model_is_left_alone_between_points(data, compiled, monkeypatch):
    """On JAX every look at ``callback.model`` costs a synchronisation."""
    callback = TrackingCallback(log_freq=4)
    looks: list[str] = []
    monkeypatch.setattr("multitrack.keras.fit.learning_rates", lambda model: looks.append("rate") or {})
    with multitrack.start_run():
        callback.set_model(compiled())
        callback.set_params({"epochs": 1, "steps": 9})
        callback.on_train_begin()
        callback.on_epoch_begin(0)
        monkeypatch.setattr(TrackingCallback, "model", property(lambda self: looks.append("model")))
        for batch in range(9):
            callback.on_train_batch_end(batch, {"loss": 1.0})
    assert looks == ["model", "rate"] * 2
