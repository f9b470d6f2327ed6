"""Hooks of one callback from several threads, and beside a fit that goes its usual way: right, or left out."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import pytest

import multitrack
from keras_points import series, uncompiled
from multitrack.keras import TrackingCallback
from multitrack.records import Metric
from searches import WARNINGS

pytestmark = [pytest.mark.case(7), pytest.mark.usefixtures("clock"), *WARNINGS]


# -- threads ------------------------------------------------------------------------------------------------------


def in_threads(count: int, work: Any) -> None:
    barrier = threading.Barrier(count)

    def meet(number: int) -> None:
        barrier.wait(30)
        work(number)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(meet, range(count)))


def test_epochs_from_several_threads(project, recorded):
    callback = TrackingCallback()

    def work(number: int) -> None:
        for epoch in range(number, 80, 8):
            callback.on_epoch_end(epoch, {"loss": float(epoch)})

    with multitrack.start_run() as run:
        in_threads(8, work)
        assert run.mistakes == 0
    assert sorted(series(recorded(run))["loss"]) == [(epoch, float(epoch)) for epoch in range(80)]
    assert set(series(recorded(run))) == {"loss"}


def test_one_callback_in_loops_of_several_threads(project, recorded, clock):
    """The same epochs at the same time, of models of their own: each has its own seconds and rate."""
    callback = TrackingCallback(log_freq=1)

    def work(number: int) -> None:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.1 * (number + 1)), "mse")
        callback.set_model(model)
        for epoch in range(3):
            callback.on_epoch_begin(epoch)
            clock.go_on(number + 1)
            for batch in range(2):
                callback.on_train_batch_end(batch, {"thread": number})
            callback.on_epoch_end(epoch, {"thread": number})

    with multitrack.start_run() as run:
        in_threads(3, work)
        assert run.mistakes == 0
    points = [record for record in recorded(run).records() if isinstance(record, Metric)]
    epochs = [record.numbers for record in points if "thread" in record.values]
    assert len(epochs) == 9
    for numbers in epochs:
        assert numbers["epoch_seconds"] == numbers["thread"] + 1
        # Only of the model that was set last is it sure whose rate that is.
        assert numbers.get("learning_rate") in (None, pytest.approx(0.1 * (numbers["thread"] + 1)))
    for number in range(3):
        mine = [record.step for record in points if record.numbers.get("batch/thread") == number]
        assert mine == [1, 2, 3, 4, 5, 6]


def test_two_fits_at_once_into_one_run(data, compiled, recorded):
    """Each with a callback of its own, as in a pool of threads."""
    models = [compiled(), compiled()]
    histories: dict[int, Any] = {}
    with multitrack.start_run() as run:

        def work(number: int) -> None:
            callbacks = [TrackingCallback(run, 1)]
            histories[number] = models[number].fit(
                *data, epochs=3 + number, batch_size=10, verbose=0, callbacks=callbacks
            )

        for number in range(2):  # Keras compiles one after the other
            models[number].fit(*data, epochs=1, batch_size=10, verbose=0)
        in_threads(2, work)
        assert run.mistakes == 0
    held = recorded(run)
    assert sorted(series(held)["loss"]) == sorted(
        point for history in histories.values() for point in enumerate(history.history["loss"])
    )
    assert sorted(step for step, _ in series(held)["batch/loss"]) == sorted([*range(6, 21), *range(6, 26)])
    assert held.summary().params["fit/epochs"] in (3, 4)


def test_a_hook_on_a_thread_of_no_fit_says_when_it_cannot_tell(project, recorded):
    callback = TrackingCallback(log_freq=1)
    with multitrack.start_run() as run:
        begun = threading.Barrier(3)

        def work(number: int) -> None:
            callback.set_model(uncompiled())
            callback.on_train_begin()
            callback.on_epoch_begin(0)
            begun.wait(30)

        with ThreadPoolExecutor(2) as pool:
            done = [pool.submit(work, number) for number in range(2)]
            begun.wait(30)
            [one.result() for one in done]
            callback.on_train_batch_end(0, {"loss": 1.0})
    assert "batch/loss" not in series(recorded(run))
    assert run.mistakes == 1


# -- a fit that goes its usual way beside all this ----------------------------------------------------------------


def test_a_fit_after_a_loop_of_ones_own(data, compiled, recorded):
    callback, model = TrackingCallback(log_freq=1), compiled()
    with multitrack.start_run() as run:
        callback.set_model(model)
        callback.on_epoch_end(0, {"loss": 9.0})
        history = model.fit(*data, epochs=2, batch_size=10, verbose=0, callbacks=[callback])
        callback.on_epoch_end(7, {"loss": 8.0})
        callback.on_train_end()
        model.evaluate(*data, verbose=0, callbacks=[callback])
    held = recorded(run)
    assert series(held)["loss"] == [(0, 9.0), *enumerate(history.history["loss"]), (7, 8.0)]
    assert [step for step, _ in series(held)["epoch_seconds"]] == [0, 1]
    assert [step for step, _ in series(held)["batch/loss"]] == list(range(1, 11))
    assert "test_loss" in held.summary().simple
    assert held.summary().mistakes == 0


def test_a_model_evaluated_inside_the_fit_of_another(data, compiled, recorded):
    """With the same callback: the rates go on being those of the model that is trained."""
    callback, other = TrackingCallback(), compiled(optimizer=keras.optimizers.SGD(0.7))

    class Evaluates(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            other.evaluate(*data, verbose=0, callbacks=[callback])
            other.predict(data[0], verbose=0, callbacks=[callback])

    with multitrack.start_run() as run:
        compiled().fit(*data, epochs=2, verbose=0, callbacks=[Evaluates(), callback, Evaluates()])
    assert series(recorded(run))["learning_rate"] == [(0, pytest.approx(0.1)), (1, pytest.approx(0.1))]
    assert recorded(run).summary().mistakes == 0


def test_loops_into_one_run_after_another(project, recorded):
    callback = TrackingCallback()
    runs = []
    for number in range(2):
        with multitrack.start_run() as run:
            callback.on_epoch_end(0, {"loss": float(number)})
        runs.append(run)
    assert [series(recorded(run))["loss"] for run in runs] == [[(0, 0.0)], [(0, 1.0)]]


def test_without_a_run_it_is_said_once(project, caplog):
    callback = TrackingCallback(log_freq=1)
    for epoch in range(3):
        callback.on_epoch_begin(epoch)
        callback.on_train_batch_end(0, {"loss": 1.0})
        callback.on_epoch_end(epoch, {"loss": 1.0})
    assert [record.getMessage() for record in caplog.records].count(
        "multitrack: TrackingCallback: no run is open, nothing is recorded; "
        "call multitrack.start_run() before, or pass run="
    ) == 1
