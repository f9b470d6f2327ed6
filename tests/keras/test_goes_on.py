"""Several fits into one run: which step an epoch and a batch has, also in a run that is continued."""

import gc
import weakref
from typing import Any

import keras
import pytest

import multitrack
import multitrack.keras_tuner
from multitrack.keras import TrackingCallback
from searches import WARNINGS

pytestmark = [pytest.mark.case(25), pytest.mark.usefixtures("eagerly"), *WARNINGS]


def steps(held: Any, name: str = "loss") -> list[int]:
    return [point.step for point in held.get_metrics(name).get(name, [])]


def fit(model: Any, data: Any, epochs: int = 1, *others: Any, **how: Any) -> Any:
    """Epochs of 5 batches."""
    how = {"batch_size": 10, "verbose": 0, **how}
    return model.fit(*data, epochs=epochs, callbacks=[TrackingCallback(log_freq=1), *others], **how)


# -- one model ----------------------------------------------------------------------------------------------------


@pytest.mark.long("one")
@pytest.mark.parametrize("callbacks", ["one", "one each"])
def test_forty_fits_of_one_epoch_are_one_curve(model, data, recorded, callbacks):
    one = TrackingCallback(log_freq=1)
    losses = []
    with multitrack.start_run() as run:
        for _ in range(40):
            callback = one if callbacks == "one" else TrackingCallback(log_freq=1)
            history = model.fit(*data, epochs=1, batch_size=10, verbose=0, callbacks=[callback])
            losses += history.history["loss"]
        assert run.mistakes == 0
    held = recorded(run)
    assert [(point.step, point.value) for point in held.get_metrics("loss")["loss"]] == list(enumerate(losses))
    assert steps(held, "batch/loss") == list(range(1, 201))
    assert steps(held, "epoch_seconds") == list(range(40))
    assert held.summary().params["fit/initial_epoch"] == 0
    assert "fit/2/initial_epoch" not in held.summary().params  # they are all alike
    assert run.flush().skipped == 0


@pytest.mark.long("fits0-expected0", "fits3-expected3", "fits5-expected5", "fits9-expected9")
@pytest.mark.parametrize(
    ("fits", "expected"),
    [  # of (initial_epoch, epochs): the table in docs/keras.md
        ([(0, 3)], [0, 1, 2]),
        ([(4, 6)], [4, 5]),
        ([(0, 2), (0, 2)], [0, 1, 2, 3]),
        ([(0, 3), (3, 5)], [0, 1, 2, 3, 4]),
        ([(0, 3), (7, 9)], [0, 1, 2, 7, 8]),
        ([(0, 3), (0, 1), (1, 2), (2, 4), (4, 5)], [0, 1, 2, 3, 4, 5, 6, 7]),
        ([(0, 1), (1, 2), (0, 1), (1, 2), (7, 8), (8, 9)], [0, 1, 2, 3, 7, 8]),
        ([(0, 3), (1, 2)], [0, 1, 2, 1]),
        ([(0, 3), (1, 2), (0, 1)], [0, 1, 2, 1, 2]),
        ([(5, 6), (0, 2)], [5, 6, 7]),
        ([(0, 1), (0, 3), (4, 5)], [0, 1, 2, 3, 4]),
    ],
)
def test_the_steps_of_epochs_over_several_fits(model, data, recorded, fits, expected):
    with multitrack.start_run() as run:
        for first, last in fits:
            fit(model, data, last, initial_epoch=first)
        assert run.mistakes == 0
    assert steps(recorded(run)) == expected
    assert steps(recorded(run), "batch/loss") == list(range(1, 5 * len(expected) + 1))


def test_a_fit_after_one_that_raised_begins_with_the_epoch_that_was_cut_short(model, data, recorded):
    class Raises(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise ZeroDivisionError

    with multitrack.start_run() as run:
        with pytest.raises(ZeroDivisionError):
            fit(model, data, 4, Raises())
        fit(model, data, 2)
    assert steps(recorded(run)) == [0, 1, 2, 3]


def test_a_model_compiled_anew_goes_on(model, data, recorded):
    """As for fine-tuning, with another rate; its new optimizer counts from 0."""
    with multitrack.start_run() as run:
        fit(model, data, 2)
        for first in (0, 3):
            model.compile(keras.optimizers.SGD(0.01), "mse")
            fit(model, data, first + 1, initial_epoch=first)
        fit(model, data, 1)
    assert steps(recorded(run)) == [0, 1, 2, 3, 4]
    assert steps(recorded(run), "batch/loss") == list(range(1, 26))


@pytest.mark.backends("tensorflow", "torch")  # Keras on JAX trains no model without one
def test_a_model_without_an_optimizer_of_its_own_goes_on(data, recorded):
    class Own(keras.Model):
        """As a GAN has it."""

        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def train_step(self, *args: Any) -> Any:
            return {"loss": 1.0}

    model = Own()
    model.compile(optimizer=None, loss="mse", run_eagerly=True)
    with multitrack.start_run() as run:
        for _ in range(3):
            fit(model, data)
    assert steps(recorded(run)) == [0, 1, 2]
    assert steps(recorded(run), "batch/loss") == list(range(1, 16))
    assert recorded(run).summary().mistakes == 0


# -- several models, several runs ---------------------------------------------------------------------------------


def test_each_model_counts_for_itself(compiled, data, recorded):
    """Their points stand under the same names, at the same steps."""
    generator, critic = compiled(), compiled()
    with multitrack.start_run() as run:
        for _ in range(3):
            fit(critic, data)
            fit(critic, data)
            fit(generator, data)
    assert steps(recorded(run)) == [0, 1, 0, 2, 3, 1, 4, 5, 2]
    assert run.flush().skipped == 0


def test_each_run_counts_for_itself(model, data, recorded):
    runs = []
    for _ in range(2):
        with multitrack.start_run() as run:
            fit(model, data, 2)
            fit(model, data, 1)
        runs.append(run)
    assert [steps(recorded(run)) for run in runs] == [[0, 1, 2]] * 2
    assert [steps(recorded(run), "batch/loss") for run in runs] == [list(range(1, 16)), list(range(16, 31))]


def test_two_models_of_one_run_after_the_other(compiled, data, recorded):
    with multitrack.start_run() as run:
        for _ in range(3):
            fit(compiled(), data, 2)  # a model of a fold
    assert steps(recorded(run)) == [0, 1] * 3
    assert steps(recorded(run), "batch/loss") == list(range(1, 11)) * 3


# -- continued runs -----------------------------------------------------------------------------------------------


def test_a_loop_of_one_epoch_fits_goes_on_in_a_continued_run(model, data, recorded, caplog):
    """From a checkpoint that is two fits old: these two are repeated, and the curve goes on."""
    with multitrack.start_run() as run:
        for number in range(10):
            if number == 8:
                model.save("model.keras")
            fit(model, data)
    before = recorded(run).get_metrics("loss")["loss"]
    model = keras.models.load_model("model.keras")
    with multitrack.start_run(run_id=run.id) as run:
        for _ in range(8, 14):
            fit(model, data)
    held = recorded(run)
    assert steps(held) == list(range(14))
    assert held.get_metrics("loss")["loss"][:10] == before
    assert steps(held, "batch/loss") == list(range(1, 71))
    assert (run.flush().skipped_epochs, run.flush().skipped_batches) == (2, 10)
    assert "2 epochs and 10 batches, which it holds already," in caplog.text


@pytest.mark.parametrize("from_a_file", [True, False])
def test_a_later_fit_goes_on_in_a_continued_run(model, data, recorded, caplog, from_a_file):
    """Without ``initial_epoch``, whether it is the same object or the model loaded again."""
    with multitrack.start_run() as run:
        fit(model, data, 3)
    if from_a_file:
        model.save("model.keras")
        model = keras.models.load_model("model.keras")
    with multitrack.start_run(run_id=run.id) as run:
        fit(model, data, 2)
        fit(model, data, 1)
    assert steps(recorded(run)) == [0, 1, 2, 3, 4, 5]
    assert steps(recorded(run), "batch/loss") == list(range(1, 31))
    assert run.flush().skipped == 0
    assert caplog.records == []


def test_a_backup_of_one_of_many_fits(compiled, data, recorded):
    """``BackupAndRestore`` names an epoch of that fit, which is not the run's."""

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 3:
                raise KeyboardInterrupt

    backup = keras.callbacks.BackupAndRestore("backup", save_freq=3)
    model = compiled()
    with multitrack.start_run() as run:
        for _ in range(3):
            fit(model, data)
        with pytest.raises(KeyboardInterrupt):
            fit(model, data, 1, backup, Stop())
        model = compiled()
        fit(model, data, 1, backup)
        fit(model, data)
    assert steps(recorded(run)) == [0, 1, 2, 3, 4]
    batches = steps(recorded(run), "batch/loss")
    assert batches == list(range(1, len(batches) + 1))
    assert run.flush().skipped_batches == 1  # the nineteenth, of a backup at the eighteenth
    assert run.flush().skipped_epochs == 0


def test_a_loop_of_ones_own_keeps_its_numbers(model, data, recorded):
    """It calls the hooks of epochs, and begins no ``fit``."""
    callback = TrackingCallback()
    with multitrack.start_run() as run:
        fit(model, data, 2)
        callback.set_model(model)
        for _ in range(2):
            for epoch in range(2):
                callback.on_epoch_begin(epoch)
                callback.on_epoch_end(epoch, {"loss": 1.0})
        fit(model, data, 1)
    assert steps(recorded(run)) == [0, 1, 0, 1, 0, 1, 2]
    with multitrack.start_run(run_id=run.id) as run:
        callback.on_epoch_begin(1)
        callback.on_epoch_end(1, {"loss": 1.0})
    assert steps(recorded(run))[7:] == [1]


def test_runs_and_models_are_let_go(compiled, data):
    """A search has thousands of them."""
    with multitrack.start_run() as run:
        model = compiled()
        for _ in range(2):
            fit(model, data)
        gone = [weakref.ref(model), weakref.ref(run)]
        del model
    multitrack.start_run().end()  # the process remembers the last one
    del run
    keras.backend.clear_session()
    gc.collect()
    assert [each() for each in gone] == [None, None]
