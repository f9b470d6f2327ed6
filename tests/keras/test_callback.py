"""The journal holds what Keras' own History holds."""

import pickle
import subprocess
import sys
from typing import Any

import keras
import pytest

import multitrack
from keras_points import assert_like_history, points
from multitrack.keras import TrackingCallback

BACKEND = keras.config.backend()
AT_ONCE = 1 if BACKEND == "torch" else 2  # torch takes one step per execution only


# -- epochs -------------------------------------------------------------------------------------------------------


def test_every_epoch_point_equals_history(model, data, recorded):
    with multitrack.start_run() as run:
        history = model.fit(
            *data, validation_split=0.2, epochs=3, batch_size=10, verbose=0, callbacks=[TrackingCallback()]
        )
    held = recorded(run)
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert_like_history(held, history)
    assert points(held, "learning_rate") == [(0, pytest.approx(0.1)), (1, pytest.approx(0.1)), (2, pytest.approx(0.1))]
    assert all(seconds > 0 for _, seconds in points(held, "epoch_seconds"))
    assert len(points(held, "epoch_seconds")) == 3
    assert held.summary().mistakes == 0
    assert not any(name.startswith(("batch/", "test_")) for name in held.summary().metrics)


def test_steps_follow_initial_epoch(model, data, recorded):
    with multitrack.start_run() as run:
        history = model.fit(*data, epochs=6, initial_epoch=4, verbose=0, callbacks=[TrackingCallback(run)])
    assert history.epoch == [4, 5]
    assert_like_history(recorded(run), history)
    assert recorded(run).get_params()["fit/initial_epoch"] == 4


@pytest.mark.cut_execution
def test_params_summary_and_model_are_recorded(data, compiled, recorded):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=5, decay_rate=0.5)
    model = compiled(
        optimizer=keras.optimizers.Adam(schedule), loss=keras.losses.BinaryCrossentropy(), steps_per_execution=AT_ONCE
    )
    with multitrack.start_run() as run:
        model.fit(*data, epochs=2, batch_size=10, verbose=0, callbacks=[TrackingCallback(run)])
    params = recorded(run).get_params()
    assert {key: params[f"fit/{key}"] for key in ("epochs", "initial_epoch", "steps", "steps_per_execution")} == {
        "epochs": 2, "initial_epoch": 0, "steps": 5, "steps_per_execution": AT_ONCE,
    }  # fmt: skip
    assert params["fit/loss"] == "binary_crossentropy"
    assert params["optimizer/name"] == "adam"
    assert params["optimizer/learning_rate/class_name"] == "ExponentialDecay"
    assert params["optimizer/learning_rate/config/decay_rate"] == 0.5
    assert (params["model/params"], params["model/trainable_params"], params["model/non_trainable_params"]) == (5, 5, 0)
    assert params["model/class"] == "Sequential"
    lines = [line.text for line in recorded(run).get_lines()]
    assert any("dense" in line for line in lines)
    assert any("Trainable params: 5" in line for line in lines)
    assert {line.stream for line in recorded(run).get_lines()} == {"log"}
    # A schedule: as the optimizer itself computes it, at the end of each epoch of 5 steps.
    assert points(recorded(run), "learning_rate") == [(0, pytest.approx(0.05)), (1, pytest.approx(0.025))]


@pytest.mark.filterwarnings(
    # Keras' own LearningRateScheduler, through its TensorFlow backend.
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning:keras.src.backend.tensorflow.core"
)
def test_learning_rate_of_callbacks_before_and_after(data, compiled, recorded):
    def schedule(epoch: int, rate: float) -> float:
        return 0.1 / (epoch + 1)

    for order in (0, 1):
        others = [keras.callbacks.LearningRateScheduler(schedule)]
        with multitrack.start_run() as run:
            others.insert(order, TrackingCallback(run))
            history = compiled().fit(*data, epochs=3, verbose=0, callbacks=others)
        assert points(recorded(run), "learning_rate") == list(enumerate(history.history["learning_rate"]))


@pytest.mark.keras_from(3, 15)
def test_several_optimizers_are_told_apart(data, compiled, recorded):
    selector = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1), {"bias": keras.optimizers.Adam(0.01)})
    model = compiled(optimizer=keras.optimizers.MultiOptimizer(selector))
    with multitrack.start_run() as run:
        model.fit(*data, epochs=1, verbose=0, callbacks=[TrackingCallback(run)])
    held = recorded(run)
    assert sorted(round(points(held, f"learning_rate/{i}")[0][1], 4) for i in (0, 1)) == [0.01, 0.1]
    assert {held.get_params()["optimizer/0/name"], held.get_params()["optimizer/1/name"]} == {"sgd", "adam"}
    assert held.summary().mistakes == 0


def test_a_model_built_by_its_first_batch_is_described_then(data, recorded):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    with multitrack.start_run() as run:
        model.fit(*data, epochs=1, verbose=0, callbacks=[TrackingCallback(run)])
    assert recorded(run).get_params()["model/params"] == 5
    assert recorded(run).summary().mistakes == 0


def test_a_later_fit_writes_its_differences(model, data, recorded):
    with multitrack.start_run() as run:
        callback = TrackingCallback(run)
        first = model.fit(*data, epochs=2, batch_size=10, verbose=0, callbacks=[callback])
        lines = recorded(run).summary().lines
        model.fit(*data, epochs=2, batch_size=10, verbose=0, callbacks=[callback])
        assert recorded(run).summary().lines == lines
        model.optimizer.learning_rate = 0.25
        third = model.fit(*data, epochs=4, initial_epoch=2, batch_size=10, verbose=0, callbacks=[callback])
        model.fit(*data, epochs=5, initial_epoch=4, batch_size=25, verbose=0, callbacks=[callback])
    held = recorded(run)
    params = held.get_params()
    assert params["fit/epochs"] == 2
    assert {key: value for key, value in params.items() if key.startswith(("fit/2", "fit/3", "optimizer/2"))} == {
        "fit/2/epochs": 4, "fit/2/initial_epoch": 2, "fit/3/epochs": 5, "fit/3/initial_epoch": 4, "fit/3/steps": 2,
        "optimizer/2/learning_rate": 0.25,
    }  # fmt: skip
    assert [step for step, _ in points(held, "loss")] == [*range(7)]  # each goes on after the one before
    assert points(held, "loss")[:2] == list(enumerate(first.history["loss"]))
    assert points(held, "loss")[4:6] == list(enumerate(third.history["loss"], 4))
    assert held.summary().mistakes == 0


# -- evaluate and predict -----------------------------------------------------------------------------------------


def test_evaluate_outside_of_fit_is_a_simple_metric(model, data, recorded):
    with multitrack.start_run() as run:
        callback = TrackingCallback()
        model.fit(*data, validation_data=data, epochs=2, verbose=0, callbacks=[callback])
        assert "test_loss" not in recorded(run).summary().metrics
        first = model.evaluate(*data, verbose=0, return_dict=True, callbacks=[callback])
        assert recorded(run).summary().metrics["test_loss"] == first["loss"]
        model.fit(*data, validation_data=data, epochs=1, verbose=0, callbacks=[callback])
        last = model.evaluate(data[0][:7], data[1][:7], verbose=0, return_dict=True, callbacks=[callback])
        model.predict(data[0], verbose=0, callbacks=[callback])
    held = recorded(run)
    assert {f"test_{name}": value for name, value in last.items()} == {
        name: value for name, value in held.summary().metrics.items() if name.startswith("test_")
    }
    assert not any(name.startswith("test_") for name in held.get_metrics())
    assert held.summary().mistakes == 0


def test_evaluate_after_a_fit_that_raised_is_recorded(model, data, recorded):
    def fail(epoch: int, logs: Any) -> None:
        raise ZeroDivisionError

    with multitrack.start_run() as run:
        callback = TrackingCallback()
        with pytest.raises(ZeroDivisionError):
            model.fit(*data, verbose=0, callbacks=[callback, keras.callbacks.LambdaCallback(on_epoch_end=fail)])
        result = model.evaluate(*data, verbose=0, return_dict=True, callbacks=[callback])
    assert recorded(run).summary().metrics["test_loss"] == result["loss"]


def test_evaluate_and_predict_inside_fit_with_the_same_callback(model, data, recorded):
    callback = TrackingCallback()

    def evaluate(epoch: int, logs: Any) -> None:
        model.evaluate(*data, verbose=0, callbacks=[callback])
        model.predict(data[0], verbose=0, callbacks=[callback])

    other = keras.callbacks.LambdaCallback(on_epoch_begin=evaluate)
    with multitrack.start_run() as run:
        history = model.fit(*data, validation_data=data, epochs=2, verbose=0, callbacks=[callback, other])
    assert_like_history(recorded(run), history)
    assert recorded(run).summary().metrics["test_loss"] == pytest.approx(history.history["val_loss"][0])


# -- imports ------------------------------------------------------------------------------------------------------


def test_a_missing_keras_is_named_with_the_command(tmp_path):
    code = (
        "import sys; sys.modules['keras'] = None\n"
        "import multitrack\n"
        "try:\n    import multitrack.keras\n"
        "except ImportError as error:\n    print(error, error.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    typed = "in a checkout, pip install '.[keras]'; from an index, pip install 'multitrack[keras]'"
    assert done.stdout == f"multitrack.keras needs Keras: {typed} keras\n"


def test_keras_alone_is_imported():
    code = (
        "import sys, multitrack; print('keras' in sys.modules)\n"
        "import multitrack.keras; print('keras' in sys.modules, 'keras_tuner' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nTrue False\n"


def test_pickling_is_not_promised_but_callbacks_without_a_run_may():
    assert pickle.loads(pickle.dumps(TrackingCallback(log_freq=2))).log_freq == 2  # noqa: S301 - our own bytes
