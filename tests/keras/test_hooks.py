"""Every hook, called without those before it, out of order, twice, from any thread, with any model: right, or left out."""

import itertools
from typing import Any
from unittest import mock

import keras
import keras_tuner
import numpy as np
import pytest

import multitrack
from keras_points import series, uncompiled
from multitrack.keras import TrackingCallback
from multitrack.recording import lifecycle
from searches import WARNINGS, build, make

pytestmark = [pytest.mark.case(7), pytest.mark.usefixtures("clock"), *WARNINGS]


# -- as KerasTuner's guide has it ---------------------------------------------------------------------------------


class OwnLoop(keras_tuner.HyperModel):
    """A training loop of one's own, as in KerasTuner's guide on custom training loops."""

    def __init__(self, *hooks: str) -> None:
        super().__init__()
        self.hooks = hooks

    def build(self, hp: Any) -> Any:
        return build(hp)

    def fit(self, hp: Any, model: Any, x: Any, y: Any, callbacks: Any = (), **kwargs: Any) -> float:
        loss = keras.losses.MeanSquaredError()
        for callback in callbacks:
            callback.set_model(model)
        best = float("inf")
        for epoch in range(2):
            if "on_epoch_begin" in self.hooks:
                for callback in callbacks:
                    callback.on_epoch_begin(epoch)
            value = float(keras.ops.convert_to_numpy(loss(y, model(x)))) + 1 / (epoch + 1)
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"my_metric": value})
            best = min(best, value)
        return best


@pytest.mark.parametrize("hooks", [(), ("on_epoch_begin",)])
def test_a_custom_training_loop_in_a_search(data, project, journal, hooks):
    objective = keras_tuner.Objective("my_metric", "min")
    tuner = make("RandomSearch", OwnLoop(*hooks), project, max_trials=2, objective=objective)
    with multitrack.start_run() as run:
        # Epochs of no length: a child that asks git at this moment would share the lock of KerasTuner's file of weights.
        lifecycle.join_context(run)
        tuner.search(x=data[0], y=data[1])
    for key in "01":
        held = journal()[f"trial-{key}"]
        found = series(held)
        assert [step for step, _ in found["my_metric"]] == [0, 1]
        assert found["learning_rate"][0] == (0, pytest.approx(0.01 * held.summary().params["tenths"]))
        assert found.pop("epoch_seconds", []) == ([(0, 0.0), (1, 0.0)] if hooks else [])
        assert set(found) == {"my_metric", "learning_rate"}
        assert held.summary().metrics["score"] == min(value for _, value in found["my_metric"])
    assert {run.summary().mistakes for run in journal().values()} == {0}


# -- one hook at a time, and any order ----------------------------------------------------------------------------


class NoKerasModel:
    """It has the names, and not the meaning."""

    name = built = 5
    optimizer = "adam"
    loss = steps_per_execution = _initial_epoch = "several"
    trainable_weights: Any = None

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"nobody should ask for {name}")


def not_built() -> Any:
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


MODELS: dict[str, Any] = {
    "never set": None, "None": lambda: None, "uncompiled": uncompiled, "not built": not_built, "an object": object,
    "a namesake": NoKerasModel, "a mock": mock.MagicMock, "a function": lambda: len, "a class": lambda: keras.Model,
}  # fmt: skip

#: Each hook, with what it is given.
HOOKS: dict[str, tuple[Any, ...]] = {
    "set_params": ({"epochs": 2},), "on_train_begin": (), "on_epoch_begin": (0,), "on_train_batch_begin": (0,),
    "on_batch_begin": (0,), "on_batch_end": (0,),
    "on_train_batch_end": (0, {"loss": 1.0}), "on_test_begin": (), "on_test_batch_begin": (0,),
    "on_test_batch_end": (0, {"loss": 1.0}), "on_test_end": ({"loss": 3.0},), "on_predict_begin": (),
    "on_predict_batch_begin": (0,), "on_predict_batch_end": (0, {"outputs": np.zeros(3)}), "on_predict_end": (),
    "on_epoch_end": (0, {"loss": 2.0}), "on_train_end": ({"loss": 2.0},),
}  # fmt: skip

#: The only values that may be recorded, by name.
RIGHT = {"loss": 2.0, "batch/loss": 1.0, "test_loss": 3.0}


def called(*hooks: str, model: Any = None, log_freq: Any = 1, after: Any = None) -> Any:
    """The run, after these hooks of a callback."""
    callback = TrackingCallback(log_freq=log_freq)
    with multitrack.start_run() as run:
        if model is not None:
            callback.set_model(model())
        for hook in hooks:
            getattr(callback, hook)(*HOOKS[hook])
        if after is not None:
            after(callback)
    assert run.mistakes == 0
    return multitrack.open_journal(".multitrack").run(run.id)


def assert_right(held: Any) -> None:
    summary = held.summary()
    rates = ("learning_rate", "batch/learning_rate")
    for name, points in series(held).items():
        if name == "epoch_seconds":
            assert all(seconds == 0 for _, seconds in points)
        elif name in rates:
            assert all(value == pytest.approx(0.01) for _, value in points)
        else:
            assert {value for _, value in points} == {RIGHT[name]}, name
    assert summary.simple == {name: RIGHT[name] for name in summary.simple}
    assert summary.mistakes == 0
    assert summary.status == "finished"


@pytest.mark.long("1-never set", "1-an object", "epoch-uncompiled", "epoch-a mock")
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("log_freq", [1, "epoch"])
def test_each_hook_alone_and_twice(project, model, log_freq):
    for hook in HOOKS:
        for times in (1, 2):
            held = called(*[hook] * times, model=model, log_freq=log_freq)
            assert_right(held)
            found = series(held)
            assert "epoch_seconds" not in found  # no epoch has begun
            assert "steps_per_second" not in found
            if hook == "on_epoch_end":
                assert found["loss"] == [(0, 2.0)] * times
            if hook == "on_train_batch_end" and log_freq == 1:
                assert found["batch/loss"] == [(1, 1.0)] * times
            if hook == "on_test_end":
                assert held.summary().simple == {"test_loss": 3.0}


#: The suite runs each seventh of these.
ORDERS = itertools.permutations(
    ["on_train_begin", "on_epoch_begin", "on_train_batch_end", "on_epoch_end", "on_train_end"]
)


@pytest.mark.parametrize(
    "hooks",
    [pytest.param(order, marks=() if i % 7 == 0 else pytest.mark.long) for i, order in enumerate(ORDERS)],
    ids=lambda hooks: "-".join(hook.removeprefix("on_") for hook in hooks),
)
def test_in_any_order(project, hooks):
    for model in (None, uncompiled, not_built, NoKerasModel):
        held = called(*hooks, model=model)
        assert_right(held)
        found = series(held)
        assert found["loss"] == [(0, 2.0)]
        assert [step for step, _ in found["batch/loss"]] == [1]
        begun = hooks.index("on_epoch_begin") < hooks.index("on_epoch_end")
        cut = hooks.index("on_epoch_begin") < hooks.index("on_train_begin") < hooks.index("on_epoch_end")
        over = hooks.index("on_epoch_begin") < hooks.index("on_train_end") < hooks.index("on_epoch_end")
        assert ("epoch_seconds" in found) == (begun and not cut and not over)


@pytest.mark.parametrize("missing", HOOKS)
def test_one_hook_is_missing_from_an_epoch(project, missing):
    whole = ["set_params", "on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end",
             "on_test_begin", "on_test_end", "on_epoch_end", "on_train_end"]  # fmt: skip
    for model in (None, not_built):
        held = called(*[hook for hook in whole * 2 if hook != missing], model=model)
        assert_right(held)
        epochs = 0 if missing == "on_epoch_end" else 2
        assert len(series(held).get("loss", [])) == epochs
        assert len(series(held).get("epoch_seconds", [])) == (0 if missing == "on_epoch_begin" else epochs)


def test_the_seconds_of_one_epoch_are_not_those_of_another(project, clock):
    def late(callback: Any) -> None:
        callback.on_epoch_begin(3)
        clock.go_on(3)
        callback.on_epoch_end(4, {"loss": 2.0})  # not the one that began
        callback.on_epoch_begin(5)
        clock.go_on(5)
        callback.on_epoch_end(5, {"loss": 2.0})
        callback.on_epoch_end(6, {"loss": 2.0})

    found = series(called(after=late))
    assert [step for step, _ in found["loss"]] == [4, 5, 6]
    assert found["epoch_seconds"] == [(5, 5.0)]


def test_the_speed_of_one_epoch_is_not_that_of_another(project, clock):
    def loop(callback: Any) -> None:
        callback.set_params({"epochs": 3, "steps": 4})
        callback.on_train_begin()
        callback.on_epoch_begin(0)
        clock.go_on(2)
        callback.on_epoch_end(0, {"loss": 2.0})
        callback.on_epoch_end(1, {"loss": 2.0})

    found = series(called(after=loop))
    assert found["steps_per_second"] == [(0, 2.0)]
    assert [step for step, _ in found["loss"]] == [0, 1]


def test_batches_without_the_begin_of_an_epoch_are_counted_on(project):
    def loop(callback: Any) -> None:
        for epoch in range(2):
            for batch in range(3):
                callback.on_train_batch_end(batch, {"loss": 1.0})
            callback.on_epoch_end(epoch, {"loss": 2.0})

    found = series(called(after=loop))
    assert [step for step, _ in found["batch/loss"]] == [1, 2, 3, 4, 5, 6]
    found = series(called(after=loop, log_freq=2))
    assert [step for step, _ in found["batch/loss"]] == [2, 4, 6]


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize("first", [0, 100])
def test_batches_that_a_loop_numbers_over_all_epochs(compiled, recorded, begins, first):
    """In one run as in the next: the model's optimizer has counted none of them."""
    callback, model = TrackingCallback(log_freq=1), compiled()
    for _ in range(2):
        with multitrack.start_run() as run:
            callback.set_model(model)
            for number in range(first, first + 6):
                if begins and number % 3 == first % 3:
                    callback.on_epoch_begin((number - first) // 3)
                callback.on_train_batch_end(number, {"loss": 1.0})
                if number % 3 == (first + 2) % 3:
                    callback.on_epoch_end((number - first) // 3, {"loss": 2.0})
        found = series(recorded(run))
        assert [step for step, _ in found["batch/loss"]] == list(range(first + 1, first + 7))
        assert [step for step, _ in found["loss"]] == [0, 1]


def test_batches_that_a_loop_numbers_in_each_epoch_begin_at_1_in_each_run(compiled, recorded):
    callback, model = TrackingCallback(log_freq=1), compiled()
    for _ in range(2):
        with multitrack.start_run() as run:
            callback.set_model(model)
            for epoch in range(2):
                callback.on_epoch_begin(epoch)
                for batch in range(3):
                    callback.on_train_batch_end(batch, {"loss": 1.0})
                callback.on_epoch_end(epoch, {"loss": 2.0})
        assert [step for step, _ in series(recorded(run))["batch/loss"]] == [1, 2, 3, 4, 5, 6]


# -- what the hooks are given -------------------------------------------------------------------------------------


@pytest.mark.parametrize("logs", [None, {}])
def test_no_logs(project, logs):
    def loop(callback: Any) -> None:
        callback.on_train_begin(logs)
        callback.on_epoch_begin(0, logs)
        callback.on_train_batch_begin(0, logs)
        callback.on_train_batch_end(0, logs)
        callback.on_test_begin(logs)
        callback.on_test_end(logs)
        callback.on_epoch_end(0, logs)
        callback.on_train_end(logs)
        callback.on_test_end(logs)

    held = called(after=loop)
    assert set(series(held)) == {"epoch_seconds"}
    assert held.summary().simple == {}


def test_tensors_and_arrays_in_logs_and_numbers(project):
    tensor = keras.ops.convert_to_tensor
    logs = {
        "plain": 0.5, "tensor": tensor(0.5), "array": np.float32(0.5), "variable": keras.Variable(0.5),
        "zero": np.array(0.5), "one": np.array([0.5]), "several": tensor([0.5, 0.5]), "whole": np.int64(1),
    }  # fmt: skip

    def loop(callback: Any) -> None:
        callback.on_epoch_begin(np.int64(3))
        callback.on_train_batch_end(np.int32(0), logs)
        callback.on_epoch_end(np.int64(3), logs)
        callback.on_epoch_end(tensor(4), logs)
        callback.on_test_end(logs)

    held = called(after=loop)
    names = ["plain", "tensor", "array", "variable", "zero", "one", "several/0", "several/1"]
    found = series(held)
    assert {name: found[name] for name in names} == {name: [(3, 0.5), (4, 0.5)] for name in names}
    assert {name: found[f"batch/{name}"] for name in names} == {name: [(1, 0.5)] for name in names}
    assert [step for step, _ in found["epoch_seconds"]] == [3]
    assert held.summary().simple == {f"test_{name}": 0.5 for name in names} | {"test_whole": 1}


def test_what_is_wrong_is_set_aside_and_nothing_with_it(project, recorded):
    callback = TrackingCallback(log_freq=1)
    with multitrack.start_run() as run:
        callback.on_epoch_begin(0)
        callback.on_epoch_end(0, [("loss", 1.0)])  # type: ignore[arg-type]
        callback.on_epoch_end("first", {"loss": 1.0})  # type: ignore[arg-type]
        callback.on_epoch_end(2, {"loss": 1.0, 3: 1.0, "": 1.0})  # type: ignore[dict-item]
        callback.on_test_end(7)  # type: ignore[arg-type]
    held = recorded(run)
    assert series(held)["loss"] == [(2, 1.0)]
    assert [step for step, _ in series(held)["epoch_seconds"]] == [0]
    assert held.summary().mistakes == 5
