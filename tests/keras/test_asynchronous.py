"""Batch hooks on Keras' threads, on JAX and torch: the points of a synchronous run, in their order, all of them."""

import random
import threading
from collections.abc import Iterator
from typing import Any

import keras
import pytest

import multitrack
from multitrack.keras import TrackingCallback
from multitrack.keras.batches import InOrder

BACKEND = keras.config.backend()
#: TensorFlow, and Keras before 3.6, always call the hooks on the training thread.
ASYNCHRONOUS = [pytest.mark.backends("jax", "torch"), pytest.mark.keras_from(3, 6)]


def asynchronous(test: Any) -> Any:
    for mark in ASYNCHRONOUS:
        test = mark(test)
    return test


class Beside(keras.callbacks.Callback):
    """A batch hook of its own, for which Keras gives up asynchronous dispatch."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass


class SetsRates(keras.callbacks.Callback):
    """Called at once even where batches are dispatched asynchronously."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = 0.5 / (batch + 1)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each call of the batch hook, whether it came on another thread than the test's."""
    found: list[bool] = []
    hook, here = TrackingCallback.on_train_batch_end, threading.get_ident()

    def noted(self: Any, batch: int, logs: Any = None) -> None:
        found.append(threading.get_ident() != here)
        hook(self, batch, logs)

    monkeypatch.setattr(TrackingCallback, "on_train_batch_end", noted)
    return found


def trained(
    model: Any, data: Any, *others: Any, every: int = 1, async_batches: bool = True, **how: Any
) -> list[tuple[int, dict[str, float]]]:
    """The batch points, in the order in which they stand in the journal."""
    with multitrack.start_run() as run:
        callbacks = [TrackingCallback(run, every, async_batches=async_batches), *others]
        model.fit(*data, **{"batch_size": 10, "epochs": 3, "verbose": 0, **how}, callbacks=callbacks)
        model.evaluate(*data, verbose=0, callbacks=callbacks)
    held = multitrack.open_journal(".multitrack").run(run.id)
    assert held.summary().mistakes == 0
    records = (
        record for record in held.records() if any(name.startswith("batch/") for name in getattr(record, "values", ()))
    )
    return [(record.step, record.numbers) for record in records]


def optimizer(name: str) -> Any:
    schedule = keras.optimizers.schedules.InverseTimeDecay(0.5, 1, 1)
    return {
        "constant": lambda: keras.optimizers.SGD(0.5),
        "schedule": lambda: keras.optimizers.SGD(schedule),
        "accumulated": lambda: keras.optimizers.SGD(schedule, gradient_accumulation_steps=2),
        "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5)),
    }[name]()


@asynchronous
@pytest.mark.parametrize("rate", ["constant", "schedule", "accumulated", "scaled"])
def test_points_from_other_threads_are_those_of_a_synchronous_run(compiled, data, threads, rate):
    def epochs(epoch: int, rate: float) -> float:
        return rate * (0.5 if epoch == 2 else 1)

    found = []
    for others in ((), (Beside(),)):
        keras.utils.set_random_seed(3)
        # After ours in the list, as the epoch begins.
        changed = [keras.callbacks.LearningRateScheduler(epochs)] if rate in ("constant", "scaled") else []
        model = compiled(optimizer=optimizer(rate))
        found.append(trained(model, data, *changed, *others, every=2, validation_data=data))
    assert threads == [True] * 15 + [False] * 15
    assert found[0] == found[1]
    assert [step for step, _ in found[0]] == [2, 4, 6, 8, 10, 12, 14]
    assert len({numbers["batch/learning_rate"] for _, numbers in found[0]}) > 1
    with multitrack.start_run() as run:  # and the count goes on
        model.fit(*data, batch_size=10, verbose=0, callbacks=[TrackingCallback(run, 20)])
    assert [point.step for point in multitrack.open_journal(".multitrack").run(run.id).get_metrics()["batch/loss"]] == [
        20
    ]


class Own(keras.Sequential):
    """Nobody knows what its ``train_step`` does with the optimizer."""

    def train_step(self, *args: Any) -> Any:
        return super().train_step(*args)


def own_model() -> Any:
    model = Own([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def scaled_schedule() -> Any:
    """A batch that overflows does not move the schedule on."""
    return keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(keras.optimizers.schedules.InverseTimeDecay(0.5, 1, 1))
    )


@asynchronous
def test_batches_are_recorded_on_the_training_thread_unless_it_is_asked_for(compiled, data, threads):
    def points(model: Any, *others: Any) -> list[dict[str, float]]:
        return [numbers for _, numbers in trained(model, data, *others, epochs=1, async_batches=False)]

    rates = [numbers["batch/learning_rate"] for numbers in points(compiled(), SetsRates())]
    assert rates == [pytest.approx(0.5 / n) for n in (1, 2, 3, 4, 5)]
    assert ["batch/learning_rate" in numbers for numbers in points(own_model())] == [True] * 5
    assert ["batch/learning_rate" in numbers for numbers in points(compiled(optimizer=scaled_schedule()))] == [True] * 5
    if BACKEND == "jax":
        assert len(points(compiled(steps_per_execution=2))) == 3
    assert set(threads) == {False}


@asynchronous
def test_without_batch_points_keras_goes_on_dispatching_asynchronously(compiled, data, threads):
    with multitrack.start_run() as run:
        compiled().fit(*data, batch_size=10, verbose=0, callbacks=[TrackingCallback(run)])
    assert threads == [True] * 5


@asynchronous
def test_a_rate_that_cannot_be_foreseen_is_left_out_on_other_threads(compiled, data, threads):
    for model in (own_model(), compiled(optimizer=scaled_schedule())):
        found = trained(model, data, epochs=1)
        assert sorted(step for step, _ in found) == [1, 2, 3, 4, 5]
        assert {name for _, numbers in found for name in numbers} >= {"batch/loss"}
        assert not any("batch/learning_rate" in numbers for _, numbers in found)
    assert set(threads) == {True}


def test_batch_hooks_of_a_subclass_are_safe_only_if_it_says_so() -> None:
    class Mine(TrackingCallback):
        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            pass

    assert TrackingCallback().async_safe
    assert not TrackingCallback(log_freq=1).async_safe
    assert TrackingCallback(log_freq=1, async_batches=True).async_safe
    assert not Mine().async_safe
    assert Mine(async_batches=True).async_safe


def test_batch_hooks_of_a_subclass_are_called(compiled, data):
    seen: list[tuple[str, int]] = []

    class Mine(TrackingCallback):
        def on_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append(("begin", batch))

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(("end", batch))

    with multitrack.start_run() as run:
        for log_freq in ("epoch", 1):
            compiled().fit(*data, batch_size=25, verbose=0, callbacks=[Mine(run, log_freq)])
    assert seen == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1)] * 2


@asynchronous
def test_a_callback_without_a_list_records_what_it_can_tell(compiled, data, threads, recorded):
    """Keras takes it for asynchronous without asking."""
    with multitrack.start_run() as run:
        compiled().fit(*data, batch_size=10, verbose=0, callbacks=TrackingCallback(run, 1))
    assert len(recorded(run).get_metrics()["batch/loss"]) == 5
    if BACKEND == "jax":
        with multitrack.start_run() as run:
            history = compiled(steps_per_execution=2).fit(
                *data, batch_size=10, verbose=0, callbacks=TrackingCallback(run, 1)
            )
        assert "batch/loss" not in recorded(run).get_metrics()
        assert recorded(run).get_metrics()["loss"][0].value == history.history["loss"][0]
        assert recorded(run).summary().mistakes > 0
    assert set(threads) == {True}


@asynchronous
@pytest.mark.parametrize(("error", "status"), [(ZeroDivisionError, "failed"), (KeyboardInterrupt, "killed")])
def test_the_end_of_a_run_waits_for_points_on_their_way(compiled, data, recorded, monkeypatch, error, status):
    gate, hook = threading.Event(), TrackingCallback.on_train_batch_end

    def held_up(self: Any, batch: int, logs: Any = None) -> None:
        if batch == 0:
            assert gate.wait(30)
        hook(self, batch, logs)

    def batches() -> Iterator[Any]:
        for i in range(0, 40, 10):
            yield data[0][i : i + 10], data[1][i : i + 10]
        threading.Timer(0.2, gate.set).start()  # by then the run is about to end
        raise error

    monkeypatch.setattr(TrackingCallback, "on_train_batch_end", held_up)
    with pytest.raises(error), multitrack.start_run() as run:
        callback = TrackingCallback(run, 1, async_batches=True)
        compiled().fit(batches(), steps_per_epoch=5, shuffle=False, verbose=0, callbacks=[callback])
    held = recorded(run)
    steps = [point.step for point in held.get_metrics()["batch/loss"]]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= 3  # the fourth may be in the air as the error comes
    assert held.summary().status == status


@asynchronous
def test_a_point_that_fails_costs_no_other(compiled, data, recorded, threads, monkeypatch):
    def foreseen(model: Any) -> Any:
        def rates(batches: int) -> dict[str, float]:
            if batches == 2:
                raise ArithmeticError("of a schedule of the user's own")
            return {"learning_rate": 0.1}

        return rates

    monkeypatch.setattr("multitrack.keras.batches.foreseen", foreseen)
    with multitrack.start_run() as run:
        compiled().fit(
            *data, batch_size=10, epochs=2, verbose=0, callbacks=[TrackingCallback(run, 1, async_batches=True)]
        )
    held = recorded(run)
    assert threads == [True] * 10
    assert [point.step for point in held.get_metrics()["batch/loss"]] == [1, 3, 4, 5, 6, 8, 9, 10]
    assert held.summary().mistakes == 2


def test_points_are_handed_on_in_their_order_from_any_threads() -> None:
    found: list[tuple[int, Any]] = []
    order = InOrder(lambda step, point: found.append((step, point)), 7, 5)
    numbers = list(range(8, 101))
    random.Random(4).shuffle(numbers)
    parts = [numbers[i::8] for i in range(8)]

    def put(part: list[int]) -> None:
        for number in part:
            order.put(number, str(number) if number % 5 == 0 else None)

    threads = [threading.Thread(target=put, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    order.wait(100)
    assert found == [(n, str(n)) for n in range(10, 101, 5)]
    for thread in threads:
        thread.join()
    assert order.last == 100
