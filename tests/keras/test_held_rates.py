"""A batch's point is the same whether the learning rate is read for it, or is known not to have changed."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import multitrack
from multitrack.keras import TrackingCallback, batches, internals, learning_rate
from multitrack.keras.batches import Batches
from multitrack.records import Metric

BACKEND = keras.config.backend()
SGD = keras.optimizers.SGD
LambdaCallback = keras.callbacks.LambdaCallback
#: Epochs of a training, and points of an epoch with ``log_freq=1``.
EPOCHS, BATCHES = 3, 8


class Halves(keras.callbacks.Callback):
    """Halves the learning rate at some batches of each epoch."""

    def __init__(self, *at: int) -> None:
        super().__init__()
        self.at = at

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch in self.at:
            self.model.optimizer.learning_rate = float(self.model.optimizer.learning_rate) / 2


class HalvesFirst(Halves):
    """The same as the batch begins."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        Halves.on_train_batch_end(self, batch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass


class HalvesByTheOtherName(keras.callbacks.Callback):
    """The same in Keras' older hook."""

    on_batch_end = Halves.on_train_batch_end
    at = (1, 4)


class Contains(keras.callbacks.Callback):
    """Calls another callback, and changes the learning rate after it, in the hooks of its own."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        for name in dir(keras.callbacks.Callback):
            if name.startswith(("on_", "set_")):
                setattr(self, name, getattr(inner, name))
        self.on_train_batch_begin = self.begin

    def begin(self, batch: int, logs: Any = None) -> None:
        self.on_train_batch_end.__self__.model.optimizer.learning_rate = 0.5 / (batch + 1)


class InStep(keras.Model):  # type: ignore[misc]
    """Its train_step changes the learning rate. On JAX it cannot change more than the variables that it returns."""

    def train_step(self, *args: Any, **kwargs: Any) -> Any:
        if BACKEND != "jax":
            self.optimizer.learning_rate.assign(self.optimizer.learning_rate * 0.9)
        return super().train_step(*args, **kwargs)


class InUpdate(SGD):  # type: ignore[misc]
    """An optimizer that changes its learning rate."""

    def apply(self, *args: Any, **kwargs: Any) -> Any:
        self._learning_rate.assign(self._learning_rate * 0.9)
        return super().apply(*args, **kwargs)


def decaying() -> Any:
    return SGD(keras.optimizers.schedules.ExponentialDecay(0.5, 3, 0.9))


def halved(epoch: int, rate: float) -> float:
    return rate / 2


def one_by_keras_of_each_kind() -> list[Any]:
    own = keras.callbacks
    return [
        own.TerminateOnNaN(), own.ModelCheckpoint("every.keras", save_freq=3), own.LearningRateScheduler(halved),
        own.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=0, min_delta=10.0),
        LambdaCallback(on_epoch_end=lambda epoch, logs: None), own.EarlyStopping(monitor="loss", patience=9),
    ]  # fmt: skip


class Gives(keras.callbacks.Callback):
    """Gives the model to a callback that is not in the list."""

    def __init__(self, other: Any) -> None:
        super().__init__()
        self.other = other

    def set_model(self, model: Any) -> None:
        self.other.set_model(model)


def by_a_function() -> list[Any]:
    halves = Halves(4)
    return [Gives(halves), LambdaCallback(on_train_batch_end=halves.on_train_batch_end)]


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[Any], int]]:
    """Trains twice: with every rate read, and as it is done otherwise."""

    def train(
        make: Callable[[], list[Any]] = list, *, optimizer: Callable[[], Any] = lambda: SGD(0.5), kind: Any = keras.Model,
        every: int = 1, scale: float = 1.0, fit: Any = None, wrap: Any = lambda callback: callback, **compiled: Any,
    ) -> tuple[list[Any], int]:  # fmt: skip
        """Return the points, which must be the same, and how many times the rates were read the second time."""
        found, reads, read = [], [0], Batches._rates_now

        def counted(self: Any) -> Any:
            reads[0] += 1
            return read(self)

        monkeypatch.setattr(Batches, "_rates_now", counted)
        for steady in (lambda *_: False, learning_rate.is_steady):
            monkeypatch.setattr(batches, "is_steady", steady)
            keras.utils.set_random_seed(7)
            inputs = keras.Input((4,))
            model = kind(inputs, keras.layers.Dense(1)(inputs))
            model.compile(**{"optimizer": optimizer(), "loss": "mse", "metrics": ["mae"], **compiled})
            x = np.random.default_rng(0).normal(size=(10 * BATCHES, 4)).astype("float32")
            data, reads[0] = (x, x[:, :1] * scale), 0
            with multitrack.start_run() as run:
                callbacks = [*make(), wrap(TrackingCallback(run, every))]
                if fit is None:
                    model.fit(*data, batch_size=10, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=callbacks)
                else:
                    fit(model, data, callbacks)
            held = multitrack.open_journal(".multitrack").run(run.id)
            assert held.summary().mistakes == 0
            records = [record for record in held.records() if isinstance(record, Metric)]
            points = [(one.step, [(name, repr(value)) for name, value in one.numbers.items()]) for one in records]
            found.append([point for point in points if point[1][0][0].startswith("batch/")])
        assert found[0] == found[1]
        assert found[0]
        return found[0], reads[0]

    return train


def rates_in(points: list[Any]) -> list[float]:
    return [float(dict(named)["batch/learning_rate"]) for _, named in points]


@pytest.mark.parametrize("make", [list, one_by_keras_of_each_kind])
@pytest.mark.parametrize("optimizer", [lambda: SGD(0.5), lambda: keras.optimizers.LossScaleOptimizer(SGD(0.5))])
def test_beside_keras_own_code_the_rate_is_read_once_an_epoch(both, make, optimizer):
    points, reads = both(make, optimizer=optimizer)
    assert reads == EPOCHS
    assert len(points) == EPOCHS * BATCHES
    changed = make is not list
    assert len(set(rates_in(points))) == (EPOCHS if changed else 1)
    assert both(make, optimizer=optimizer, every=3)[1] == EPOCHS


@pytest.mark.parametrize(
    ("make", "at"),
    [
        (lambda: [Halves(2, 5)], (2, 5)),
        (lambda: [HalvesFirst(3)], (3,)),
        (lambda: [HalvesByTheOtherName()], (1, 4)),
        (by_a_function, (4,)),
    ],
    ids=["at its end", "at its beginning", "by the other name", "by a function"],
)
def test_beside_a_callback_with_a_batch_hook_each_is_read(both, make, at):
    points, reads = both(make)
    assert reads == EPOCHS * BATCHES
    rate, expected = 0.5, []
    for _ in range(EPOCHS):
        for batch in range(BATCHES):
            rate = rate / 2 if batch in at else rate
            expected.append(rate)
    assert rates_in(points) == expected


def test_each_is_read_where_a_model_optimizer_or_loop_is_the_users(both):
    def looped(model: Any, data: Any, callbacks: Any) -> None:
        """A custom loop with a list of callbacks of Keras' own."""
        listed = keras.callbacks.CallbackList(callbacks, model=model, epochs=EPOCHS, steps=BATCHES)
        listed.on_train_begin()
        for epoch in range(EPOCHS):
            listed.on_epoch_begin(epoch)
            for batch in range(BATCHES):
                model.optimizer.learning_rate = 0.5 / (batch + 1)
                loss = model.train_on_batch(*(part[batch * 10 : batch * 10 + 10] for part in data))
                listed.on_train_batch_end(batch, {"loss": float(loss[0])})
            listed.on_epoch_end(epoch)
        listed.on_train_end()

    points, reads = both(fit=looped)
    assert reads == EPOCHS * BATCHES
    assert rates_in(points) == [float(np.float32(0.5 / (n + 1))) for n in range(BATCHES)] * EPOCHS
    points, reads = both(wrap=Contains)
    assert reads == EPOCHS * BATCHES
    assert rates_in(points) == [float(np.float32(0.5 / (n + 1))) for n in range(BATCHES)] * EPOCHS
    for each in ({"optimizer": decaying}, {"kind": InStep}, {"optimizer": lambda: InUpdate(0.5)}):
        points, reads = both(**each)
        assert reads == EPOCHS * BATCHES
        if BACKEND != "jax" or "kind" not in each:
            assert len(set(rates_in(points))) == EPOCHS * BATCHES


def test_values_that_need_a_look_get_it(both):
    points, reads = both(scale=1e25)  # the loss overflows
    assert reads == EPOCHS * BATCHES
    assert any(not math.isfinite(float(dict(named)["batch/loss"])) for _, named in points)
    for every in (2, 5, 7):
        points, reads = both(every=every)
        assert [step for step, _ in points] == list(range(every, EPOCHS * BATCHES + 1, every))
        assert reads == EPOCHS


def test_a_change_that_nobody_could_know_of_shows_after_some_points_and_then_at_once(both, monkeypatch):
    """As one by another thread."""
    monkeypatch.setattr(learning_rate, "_leaves_batches_alone", lambda callback: True)
    monkeypatch.setattr(batches, "_READ_EVERY", 3)
    with pytest.raises(AssertionError):  # it is late
        both(lambda: [Halves(2)])
    run = max(multitrack.open_journal(".multitrack").runs(), key=lambda run: run.manifest.created)
    rates = [point.value for point in run.get_metrics()["batch/learning_rate"]]
    assert rates == [*[0.5] * 4, *[0.25] * 6, *[0.125] * 8, *[0.0625] * 6]


def test_a_run_that_ends_within_an_epoch_takes_no_more_batches(recorded, compiled, data):
    class Ends(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 2:
                run.end()

    run = multitrack.start_run()
    compiled().fit(*data, batch_size=10, verbose=0, callbacks=[Ends(), TrackingCallback(run, 1)])
    assert [point.step for point in recorded(run).get_metrics()["batch/loss"]] == [1, 2]


def test_callbacks_are_told_only_by_keras_own_fit(compiled, data):
    told = []

    class Asks(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            told.append(internals.callbacks_beside(self))

    asks, other = Asks(), keras.callbacks.TerminateOnNaN()
    compiled().fit(*data, verbose=0, callbacks=[other, asks])
    (beside,) = told
    assert beside[0] is other
    assert asks not in beside
    asks.on_epoch_begin(0)
    keras.callbacks.CallbackList([asks], model=compiled()).on_epoch_begin(0)
    assert told[1:] == [None, None]
