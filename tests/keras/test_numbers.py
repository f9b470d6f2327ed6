"""Every point is the one that Keras gave, whatever a training is made of: the table in docs/keras.md.

Epochs are compared with ``History``, batches with a callback that writes down what Keras hands to each hook.
"""

import math
from typing import Any

import keras
import numpy as np
import pytest

import multitrack
from multitrack.keras import BatchTrackingCallback, TrackingCallback

BACKEND = keras.config.backend()


class Seen(keras.callbacks.Callback):
    """What Keras hands to each hook, and the learning rate that the optimizer has then.

    It has a batch hook, so Keras calls all hooks of its fit on the training thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[dict[str, float]] = []
        self.rates: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches.append(dict(logs))
        self.rates.append(float(self.model.optimizer.learning_rate))


def points(held: Any, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in held.get_metrics(name).get(name, [])]


def equal(found: list[tuple[int, float]], expected: list[tuple[int, float]]) -> bool:
    return [(step, repr(value)) for step, value in found] == [(step, repr(float(value))) for step, value in expected]


def assert_as_keras_has_it(held: Any, history: Any, seen: Seen | None = None, *, before: int = 0) -> None:
    """Epochs as in ``History``, batches one by one from ``before`` on, and nothing beside them."""
    names = set(history.history) | {"learning_rate", "epoch_seconds", "steps_per_second"}
    for name, series in history.history.items():
        # A series has a value for each epoch, but those of validation_freq.
        epochs = history.epoch if len(series) == len(history.epoch) else history.epoch[len(history.epoch) % 2 + 1 :: 2]
        assert equal(points(held, name), list(zip(epochs, series, strict=True))), name
    if seen is not None:
        for name in seen.batches[0]:
            expected = [(before + i, logs[name]) for i, logs in enumerate(seen.batches, 1)]
            assert equal(points(held, f"batch/{name}"), expected), name
        expected = [(before + i, rate) for i, rate in enumerate(seen.rates, 1)]
        assert equal(points(held, "batch/learning_rate"), expected)
        names |= {f"batch/{name}" for name in seen.batches[0]} | {"batch/learning_rate"}
    assert set(held.get_metrics()) == names
    assert held.summary().mistakes == 0


def fitted(model: Any, *data: Any, before: int = 0, others: Any = (), **how: Any) -> tuple[Any, Any, Seen]:
    """Train with both callbacks, and compare all."""
    seen = Seen()
    with multitrack.start_run() as run:
        callbacks = [seen, TrackingCallback(run, 1), *others]
        history = model.fit(*data, **{"epochs": 3, "batch_size": 10, "verbose": 0, **how}, callbacks=callbacks)
    held = multitrack.open_journal(".multitrack").run(run.id)
    assert_as_keras_has_it(held, history, seen, before=before)
    return held, history, seen


# -- data ---------------------------------------------------------------------------------------------------------


def test_a_partial_last_batch(model, data):
    _, history, seen = fitted(model, *data, batch_size=16, epochs=2)
    assert len(seen.batches) == 8
    assert history.epoch == [0, 1]


def test_validation_freq_and_split(model, data):
    held, history, _ = fitted(model, *data, epochs=4, validation_split=0.2, validation_freq=2)
    assert [step for step, _ in points(held, "val_loss")] == [1, 3]
    assert len(history.history["val_loss"]) == 2


def test_initial_epoch(model, data):
    held, _, _ = fitted(model, *data, epochs=5, initial_epoch=3)
    assert [step for step, _ in points(held, "loss")] == [3, 4]


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_data_of_unknown_length(model, data, of_unknown_length):
    _, _, seen = fitted(model, of_unknown_length(data), batch_size=None, shuffle=False)
    assert len(seen.batches) == 15


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_a_generator_that_ends_early(model, data):
    def batches() -> Any:
        for i in range(0, 50, 10):
            yield data[0][i : i + 10], data[1][i : i + 10]

    _, _, seen = fitted(model, batches(), batch_size=None, epochs=1, steps_per_epoch=8, shuffle=False)
    assert len(seen.batches) == 5


@pytest.mark.backends("tensorflow", "jax")  # torch takes one step per execution only
@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
@pytest.mark.cut_execution
def test_a_generator_that_ends_within_an_execution(compiled, data, recorded):
    def batches() -> Any:
        for i in range(0, 50, 10):
            yield data[0][i : i + 10], data[1][i : i + 10]

    model = compiled(steps_per_execution=4)
    with multitrack.start_run() as run:
        model.fit(batches(), steps_per_epoch=8, shuffle=False, verbose=0, callbacks=[TrackingCallback(run, 1)])
        model.fit(*data, batch_size=10, verbose=0, callbacks=[TrackingCallback(run, 1)])
    assert [step for step, _ in points(recorded(run), "batch/loss")] == [4, 5, 9, 10]


def test_sample_weights(model, data):
    fitted(model, *data, sample_weight=np.linspace(0, 1, 50))


def test_class_weights(model, data):
    fitted(model, *data, class_weight={0: 0.25, 1: 4.0})


# -- models -------------------------------------------------------------------------------------------------------


def test_several_outputs(data):
    inputs = keras.Input((4,))
    outputs = {"a": keras.layers.Dense(1, name="a")(inputs), "b": keras.layers.Dense(1, name="b")(inputs)}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", {"a": "mse", "b": "mae"}, metrics={"a": ["mae"], "b": ["mse"]})
    _, history, _ = fitted(model, data[0], {"a": data[1], "b": data[1]}, epochs=2)
    assert {"loss", "a_loss", "b_loss", "a_mae", "b_mse"} == set(history.history)


class Nested(keras.Model):
    """A ``train_step`` of its own, on any backend, with logs within logs, that trains each batch twice."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)

    def train_step(self, *args: Any) -> Any:
        if BACKEND == "jax":
            _, state = super().train_step(*args)
            logs, state = super().train_step(state, *args[1:])
            return {"loss": logs["loss"], "more": {"twice": logs["loss"] * 2}}, state
        super().train_step(*args)
        logs = super().train_step(*args)
        return {"loss": logs["loss"], "more": {"twice": logs["loss"] * 2}}


def test_a_train_step_with_nested_logs(data, recorded):
    model = Nested()
    model.compile("sgd", "mse")
    seen = Seen()
    with multitrack.start_run() as run:
        for _ in range(2):
            model.fit(*data, epochs=1, batch_size=10, verbose=0, callbacks=[seen, TrackingCallback(run, 1)])
    assert int(model.optimizer.iterations) == 20  # each batch twice, which is no second batch
    held = recorded(run)
    for name in ("loss", "twice"):
        expected = [(i, logs[name]) for i, logs in enumerate(seen.batches, 1)]
        assert equal(points(held, f"batch/{name}"), expected)
        assert [step for step, _ in points(held, name)] == [0, 1]
    assert held.summary().mistakes == 0


@pytest.mark.keras_from(3, 15)
def test_several_optimizers(compiled, data, recorded):
    chosen = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.5), {"bias": keras.optimizers.SGD(0.25)})
    with multitrack.start_run() as run:
        model = compiled(optimizer=keras.optimizers.MultiOptimizer(chosen))
        history = model.fit(*data, epochs=2, batch_size=10, verbose=0, callbacks=[TrackingCallback(run, 1)])
    held = recorded(run)
    assert equal(points(held, "loss"), list(enumerate(history.history["loss"])))
    rates = {tuple(value for _, value in points(held, f"batch/learning_rate/{i}")) for i in (0, 1)}
    assert rates == {(0.5,) * 10, (0.25,) * 10}
    assert held.summary().mistakes == 0


def test_mixed_precision_with_batches_that_overflow(data, recorded):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    finally:
        keras.config.set_dtype_policy("float32")
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5), initial_scale=2.0**20)
    model.compile(scaled, "mse")
    seen = Seen()
    with multitrack.start_run() as run:
        for _ in range(2):
            model.fit(*data, epochs=1, batch_size=10, verbose=0, callbacks=[seen, TrackingCallback(run, 1)])
    assert int(scaled.iterations) < 10  # some overflowed, and the optimizer does not count them
    held = recorded(run)
    assert equal(points(held, "batch/loss"), [(i, logs["loss"]) for i, logs in enumerate(seen.batches, 1)])
    assert points(held, "batch/learning_rate") == [(i, 0.5) for i in range(1, 11)]
    assert held.summary().mistakes == 0


# -- learning rates and ends --------------------------------------------------------------------------------------


def test_a_learning_rate_schedule(compiled, data):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=5, decay_rate=0.5)
    _, _, seen = fitted(compiled(optimizer=keras.optimizers.SGD(schedule)), *data)
    assert len(set(seen.rates)) == 15


def test_reduce_lr_on_plateau(model, data):
    plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=10, factor=0.5)
    _, history, seen = fitted(model, *data, others=[plateau])
    assert len(set(history.history["learning_rate"])) == 2
    assert seen.rates[0] != seen.rates[-1]


def test_early_stopping(model, data):
    stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=10)
    _, history, seen = fitted(model, *data, epochs=9, others=[stop])
    assert history.epoch == [0, 1]
    assert len(seen.batches) == 10


def test_terminate_on_nan_keeps_the_nan(model, data):
    broken = np.array(data[0])
    broken[20:30] = np.nan
    held, _, seen = fitted(model, broken, data[1], shuffle=False, others=[keras.callbacks.TerminateOnNaN()])
    assert len(seen.batches) == 3
    assert [math.isnan(value) for _, value in points(held, "batch/loss")] == [False, False, True]
    assert math.isnan(points(held, "loss")[0][1])


class Interrupts(keras.callbacks.Callback):
    def __init__(self, error: type[BaseException], epoch: int, batch: int) -> None:
        super().__init__()
        self.error, self.at, self.epoch = error, (epoch, batch), 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == self.at:
            raise self.error


@pytest.mark.parametrize(("error", "status"), [(ZeroDivisionError, "failed"), (KeyboardInterrupt, "killed")])
def test_what_was_trained_before_an_interruption_is_there(model, data, recorded, error, status):
    seen = Seen()
    with pytest.raises(error), multitrack.start_run() as run:
        callbacks = [seen, TrackingCallback(run, 1), Interrupts(error, 1, 2)]
        model.fit(*data, epochs=3, batch_size=10, verbose=0, callbacks=callbacks)
    held = recorded(run)
    assert len(seen.batches) == 8
    assert equal(points(held, "batch/loss"), [(i, logs["loss"]) for i, logs in enumerate(seen.batches, 1)])
    assert [step for step, _ in points(held, "loss")] == [0]
    assert held.summary().status == status
    assert held.summary().mistakes == 0


# -- trained again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", ["epoch", 2])
@pytest.mark.parametrize("again", ["in this process", "in another"])
def test_what_backup_and_restore_trains_again_is_there_once(compiled, data, recorded, project, save, again):
    def fit(run: Any, *others: Any) -> Any:
        backup = keras.callbacks.BackupAndRestore(str(project / "backup"), save_freq=save)
        callbacks = [TrackingCallback(run, 1), backup, *others]
        return compiled().fit(*data, epochs=4, batch_size=10, verbose=0, callbacks=callbacks)

    run = multitrack.start_run()
    with pytest.raises(ZeroDivisionError):
        fit(run, Interrupts(ZeroDivisionError, 2, 2))
    before = recorded(run).get_metrics("batch/loss")["batch/loss"]
    assert [point.step for point in before] == list(range(1, 14))
    if again == "in another":
        run.end("killed")
        run = multitrack.start_run(run_id=run.id)
    history = fit(run)
    assert history.epoch == [2, 3]
    # From where the backup is: the end of the second epoch, or the twelfth batch, and then epochs 2 and 3 from their first batch.
    last = 20 if save == "epoch" else 22
    assert [step for step, _ in points(recorded(run), "batch/loss")] == list(range(1, last + 1))
    assert [step for step, _ in points(recorded(run), "loss")] == [0, 1, 2, 3]
    run.end()
    assert recorded(run).get_metrics("batch/loss")["batch/loss"][:13] == before
    assert recorded(run).summary().mistakes == 0


def test_epochs_trained_again_from_an_older_backup_are_there_once(model, compiled, data, recorded):
    with multitrack.start_run() as run:
        model.fit(*data, epochs=2, batch_size=10, verbose=0, callbacks=[TrackingCallback(run)])
        model.save("older.keras")
        first = model.fit(*data, epochs=4, initial_epoch=2, batch_size=10, verbose=0, callbacks=[TrackingCallback(run)])
    with multitrack.start_run(run_id=run.id) as run:
        older = keras.models.load_model("older.keras")
        history = older.fit(
            *data, epochs=6, initial_epoch=2, batch_size=10, verbose=0, callbacks=[TrackingCallback(run)]
        )
        held = recorded(run)
        assert [step for step, _ in points(held, "loss")] == [0, 1, 2, 3, 4, 5]
        assert points(held, "loss")[2:4] == list(zip([2, 3], first.history["loss"], strict=True))
        assert points(held, "loss")[4:] == list(zip([4, 5], history.history["loss"][2:], strict=True))
        # Once more on purpose, and another model: all of it is kept.
        older.fit(*data, epochs=6, initial_epoch=5, batch_size=10, verbose=0, callbacks=[TrackingCallback(run)])
        compiled().fit(*data, epochs=2, batch_size=10, verbose=0, callbacks=[TrackingCallback(run)])
        compiled().fit(*data, epochs=3, initial_epoch=2, batch_size=10, verbose=0, callbacks=[TrackingCallback(run)])
    assert [step for step, _ in points(recorded(run), "loss")][6:] == [5, 0, 1, 2]


def test_another_model_in_a_resumed_run_keeps_its_points(compiled, data, recorded):
    run = multitrack.start_run()
    for _ in range(2):
        compiled().fit(*data, batch_size=10, verbose=0, callbacks=[BatchTrackingCallback(run)])
        run.end()
        run = multitrack.start_run(run_id=run.id)
    assert [step for step, _ in points(recorded(run), "batch/loss")] == [1, 2, 3, 4, 5] * 2
