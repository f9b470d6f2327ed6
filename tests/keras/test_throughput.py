"""Speeds are those of the batches that were trained, in the time they took, on every backend."""

import time
from typing import Any

import keras
import numpy as np
import pytest

import multitrack
from multitrack.keras import TrackingCallback, fit
from multitrack.keras import model as models
from multitrack.keras.fit import Throughput

pytestmark = [
    pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning"),  # as it is meant to
    # Keras' own, of an optimizer's config.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]


class Clock:
    """Time that passes where a test says so: a second in each batch, ten in each validation."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(fit.time, "perf_counter", lambda: self.now)


class Passes(keras.callbacks.Callback):
    def __init__(self, clock: Clock, stop_after: int | None = None) -> None:
        super().__init__()
        self.clock, self.stop_after, self.last = clock, stop_after, -1

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.last = -1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.clock.now += 1
        if self.stop_after == batch + 1:
            self.model.stop_training = True

    def on_test_end(self, logs: Any = None) -> None:
        self.clock.now += 10


def batches(data: Any) -> Any:
    """A length that Keras does not know: 5 batches."""
    for i in range(0, 50, 10):
        yield data[0][i : i + 10], data[1][i : i + 10]


def speeds(recorded_run: Any, name: str = "steps_per_second") -> list[float]:
    return [point.value for point in recorded_run.get_metrics(name).get(name, [])]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_validation_is_no_training(model, data, clock, recorded):
    with multitrack.start_run() as run:
        model.fit(*data, validation_data=data, batch_size=10, epochs=2, verbose=0,
                  callbacks=[Passes(clock), TrackingCallback(samples=50)])  # fmt: skip
    assert speeds(recorded(run)) == [1, 1]
    assert speeds(recorded(run), "samples_per_second") == [10, 10]
    assert speeds(recorded(run), "epoch_seconds") == [15, 15]
    assert recorded(run).get_params()["fit/samples"] == 50


def test_an_evaluate_of_the_users_own_ends_no_training(model, data, clock, recorded):
    """In the middle of an epoch, with the same callback."""
    tracking = TrackingCallback(samples=50)

    class Evaluates(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 2:
                self.model.evaluate(*data, verbose=0, callbacks=[tracking])

    with multitrack.start_run() as run:
        model.fit(*data, batch_size=10, epochs=1, verbose=0, callbacks=[Passes(clock), tracking, Evaluates()])
    assert speeds(recorded(run), "samples_per_second") == [10], "it was taken for the whole epoch"


def test_an_unknown_length_is_counted_by_the_optimizer(data, compiled, clock, recorded):
    with multitrack.start_run() as run:
        compiled().fit(
            batches(data), epochs=1, verbose=0, shuffle=False, callbacks=[Passes(clock), TrackingCallback(run)]
        )
    assert speeds(recorded(run)) == [1]
    assert "fit/steps" not in recorded(run).get_params()


#: Keras 3.5 on JAX trains one batch of such data.
UNKNOWN = pytest.param(False, marks=pytest.mark.keras_from(3, 11))


@pytest.mark.parametrize("known", [True, UNKNOWN])
def test_several_steps_per_execution(data, compiled, clock, recorded, known):
    per_execution = 1 if keras.backend.backend() == "torch" else 3  # which torch does not have
    with multitrack.start_run() as run:
        model = compiled(steps_per_execution=per_execution)
        callbacks = [Passes(clock), TrackingCallback(run)]
        if known:
            model.fit(*data, batch_size=10, epochs=1, verbose=0, callbacks=callbacks)
        else:
            model.fit(batches(data), epochs=1, verbose=0, shuffle=False, callbacks=callbacks)
    assert speeds(recorded(run)) == [1 if per_execution == 1 else 2.5], "5 batches in 5 calls, or in 2"


def test_accumulated_gradients_are_batches_too(data, compiled, clock, recorded):
    """The optimizer's own count moves by 4 and 6 batches where 5 were trained."""
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    with multitrack.start_run() as run:
        compiled(optimizer=optimizer).fit(*data, batch_size=10, epochs=2, verbose=0,
                                          callbacks=[Passes(clock), TrackingCallback(run)])  # fmt: skip
    assert speeds(recorded(run)) == [1, 1]


def test_an_epoch_that_is_cut_short_counts_what_it_had(model, data, clock, recorded):
    with multitrack.start_run() as run:
        model.fit(*data, batch_size=10, epochs=1, verbose=0,
                  callbacks=[Passes(clock, stop_after=2), TrackingCallback(run, samples=50)])  # fmt: skip
    assert speeds(recorded(run)) == [1]
    assert speeds(recorded(run), "samples_per_second") == [], "not all samples were trained on"


@pytest.mark.parametrize(("every", "mistakes"), [("epoch", 3), (1, 4)])
def test_a_model_whose_optimizer_does_not_count(data, compiled, recorded, monkeypatch, every, mistakes):
    """Speeds are left out where nobody counts, and all else is there."""

    def broken(model: Any) -> int:
        raise AttributeError("iterations")

    monkeypatch.setattr(models, "batches_trained", broken)
    with multitrack.start_run() as run:
        compiled().fit(*data, epochs=1, verbose=0, callbacks=[TrackingCallback(run, every)])
    assert speeds(recorded(run)) == []
    assert len(speeds(recorded(run), "loss")) == 1
    assert len(speeds(recorded(run), "batch/loss")) == (0 if every == "epoch" else 2)
    assert recorded(run).get_params()["fit/epochs"] == 1
    assert recorded(run).summary().mistakes == mistakes, "each that asked: speed, batches, and twice what goes on"


def test_without_an_optimizer_only_a_known_length_gives_a_speed():
    for steps, expected in ((5, {"steps_per_second"}), (None, set())):
        measured = Throughput(object(), steps, None)
        measured.begin_epoch()
        time.sleep(0.001)
        assert set(measured.training_ended(object())) == expected


@pytest.mark.parametrize("samples", [0, -1, 2.5, True, "many"])
def test_wrong_samples_are_said(samples):
    with pytest.raises(ValueError, match="samples must be a positive number"):
        TrackingCallback(samples=samples)


def test_shapes_and_sizes_of_a_model(data, recorded):
    a, b = keras.Input((4,), name="a"), keras.Input((2, 3), name="b")
    several = keras.Model([a, b], {"out": keras.layers.Dense(2, dtype="float16")(a)})
    one = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1), keras.layers.BatchNormalization()])
    described = models.model_params(several)
    assert (described["input_shape"], described["output_shape"]) == ("[(None, 4), (None, 2, 3)]", "(None, 2)")
    assert (described["params"], described["params_bytes"]) == (10, 20)
    one.compile("sgd", "mse")
    with multitrack.start_run() as run:
        one.fit(np.zeros((4, 4)), np.zeros((4, 1)), verbose=0, callbacks=[TrackingCallback(run)])
    params = recorded(run).get_params()
    assert (params["model/input_shape"], params["model/output_shape"]) == ("(None, 4)", "(None, 1)")
    assert params["model/params_bytes"] == 9 * 4
