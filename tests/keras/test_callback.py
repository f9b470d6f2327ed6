"""The journal holds what Keras' own History holds, and training never notices."""

import copy
import logging
import math
import pickle
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest

import multitrack
from multitrack.keras import BatchTrackingCallback, TrackingCallback

BACKEND = keras.config.backend()
AT_ONCE = 1 if BACKEND == "torch" else 2  # torch takes one step per execution only


def points(recorded_run: Any, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in recorded_run.get_metrics(name).get(name, [])]


def assert_like_history(recorded_run: Any, history: Any) -> None:
    assert history.history
    for name, series in history.history.items():
        assert points(recorded_run, name) == list(zip(history.epoch, series, strict=True)), name


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


# -- batches ------------------------------------------------------------------------------------------------------


class Seen(keras.callbacks.Callback):
    """What Keras hands to every batch hook, with the optimizer's own count."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[int, dict[str, float]]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches.append((int(self.model.optimizer.iterations), dict(logs)))


def several(*case: Any) -> Any:
    """Several steps per execution, which torch does not take."""
    return pytest.param(*case, marks=pytest.mark.backends("tensorflow", "jax"))


@pytest.mark.parametrize(
    ("per_execution", "every", "steps"),
    [
        (1, 1, list(range(1, 16))),
        (1, 2, [2, 4, 6, 8, 10, 12, 14]),
        (1, 7, [7, 14]),
        several(2, 3, [4, 7, 9, 12, 15]),  # executions end at 2, 4, 5, 7, 9, 10, 12, 14, 15
        several(3, 5, [5, 10, 15]),
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
    assert [step for step, _ in points(held, "batch/loss")] == steps
    truth = dict(seen.batches)
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


# -- never in the way ---------------------------------------------------------------------------------------------


def test_a_run_closed_in_mid_training_changes_nothing(data, compiled, recorded, caplog):
    class Close(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                run.end()

    keras.utils.set_random_seed(1)
    expected = compiled().fit(*data, epochs=4, verbose=0).history
    keras.utils.set_random_seed(1)
    run = multitrack.start_run()
    with caplog.at_level(logging.WARNING, "multitrack"):
        history = compiled().fit(*data, epochs=4, verbose=0, callbacks=[TrackingCallback(run, 1), Close()])
    assert history.history == expected
    assert [step for step, _ in points(recorded(run), "loss")] == [0, 1]
    assert recorded(run).summary().status == "finished"
    assert run.mistakes >= 2
    warned = [record.getMessage() for record in caplog.records if "set aside" in record.getMessage()]
    assert len(warned) == len(set(warned)) <= 4  # once for each hook


def test_whatever_a_hook_raises_stays_inside(data, compiled, recorded, monkeypatch):
    def broken(*args: Any, **kwargs: Any) -> None:
        raise MemoryError("no")

    for method in ("log_metrics", "log_params", "log_lines"):
        monkeypatch.setattr(multitrack.Run, method, broken)
    with multitrack.start_run() as run:
        history = compiled().fit(*data, epochs=2, verbose=0, callbacks=[TrackingCallback(run, 1)])
        compiled().evaluate(*data, verbose=0, callbacks=[TrackingCallback(run)])
        assert run.mistakes > 0
    assert history.epoch == [0, 1]
    assert recorded(run).summary().mistakes == run.mistakes


def test_set_aside_itself_may_fail(data, compiled, monkeypatch, caplog):
    def broken(*args: Any, **kwargs: Any) -> None:
        raise OSError("gone")

    monkeypatch.setattr(multitrack.Run, "log_metrics", broken)
    monkeypatch.setattr(multitrack.Run, "set_aside", broken)
    with multitrack.start_run() as run:
        assert compiled().fit(*data, verbose=0, callbacks=[TrackingCallback(run)]).epoch == [0]
    assert "could not be set aside" in caplog.text


def test_logs_that_are_no_numbers_are_set_aside_alone(recorded):
    callback = TrackingCallback()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with multitrack.start_run() as run:
        run.log_list_metric("taken", [1, 2])
        callback.set_model(model)
        callback.set_params({"epochs": 1})
        callback.on_train_begin()
        callback.on_epoch_begin(0)
        logs = {
            "loss": 0.5,
            "confusion": np.zeros((2, 2)),
            "note": "x",
            "nan": math.nan,
            "one": np.float32(1),
            "taken": 3.0,
        }
        callback.on_epoch_end(0, logs)
    held = recorded(run)
    assert points(held, "loss") == [(0, 0.5)]
    assert points(held, "one") == [(0, 1.0)]
    assert math.isnan(points(held, "nan")[0][1])
    assert held.summary().mistakes == 2
    assert not held.get_metrics("confusion")
    assert points(held, "confusion/1/0") == [(0, 0.0)]
    assert held.get_list_metrics("taken") == {"taken": [1, 2]}


def test_an_optimizer_without_a_plain_config_is_told_by_texts(data, compiled, recorded):
    class Odd(keras.optimizers.SGD):
        def get_config(self) -> dict[str, Any]:
            return {"name": "odd", "hook": object()}

    with multitrack.start_run() as run:
        history = compiled(optimizer=Odd(0.1)).fit(*data, verbose=0, callbacks=[TrackingCallback(run)])
    assert_like_history(recorded(run), history)
    assert recorded(run).get_params()["optimizer/hook"] == "<object>"
    assert recorded(run).summary().mistakes == 0


def test_an_optimizer_without_a_config_costs_only_its_section(data, compiled, recorded):
    class Odd(keras.optimizers.SGD):
        def get_config(self) -> dict[str, Any]:
            raise NotImplementedError("not yet")

    with multitrack.start_run() as run:
        history = compiled(optimizer=Odd(0.1)).fit(*data, verbose=0, callbacks=[TrackingCallback(run)])
    assert_like_history(recorded(run), history)
    assert recorded(run).get_params()["fit/epochs"] == 1
    assert recorded(run).get_params()["model/params"] == 5
    assert recorded(run).summary().mistakes == 1


def test_with_warn_training_goes_on_too(data, compiled, recorded):
    config = {"delivery": "off", "mistakes": "warn"}
    with multitrack.start_run(config=config) as run:
        for epochs in (1, 2):
            compiled().fit(*data, epochs=epochs, verbose=0, callbacks=[TrackingCallback(run)])
    assert recorded(run).get_params()["fit/2/epochs"] == 2
    assert recorded(run).summary().mistakes == 0


# -- which run ----------------------------------------------------------------------------------------------------


def test_the_active_run_is_asked_for_at_each_fit(data, compiled, recorded):
    callback = TrackingCallback()
    runs = []
    for _ in range(2):
        with multitrack.start_run() as run:
            compiled().fit(*data, verbose=0, callbacks=[callback])
        runs.append(run)
    assert [len(points(recorded(run), "loss")) for run in runs] == [1, 1]


def test_no_open_run_is_said(data, compiled, caplog, project):
    compiled().fit(*data, verbose=0, callbacks=[TrackingCallback()])
    assert "no run is open" in caplog.text
    assert not (project / ".multitrack").exists()


def test_disabled_writes_nothing(data, compiled, caplog, project, monkeypatch):
    monkeypatch.setenv("MULTITRACK_DISABLED", "1")
    with multitrack.start_run():
        compiled().fit(*data, verbose=0, callbacks=[TrackingCallback(log_freq=1)])
    assert [path.name for path in project.iterdir()] == ["multitrack.toml"]
    assert not [record for record in caplog.records if record.name == "multitrack"]


def test_a_deep_copy_records_into_the_same_run(data, compiled, recorded):
    with multitrack.start_run() as run:
        for log_freq in ("epoch", 2):
            original = TrackingCallback(run, log_freq, log_summary=False)
            clone = copy.deepcopy([original])[0]
            assert type(clone) is type(original)
            assert clone is not original
            assert clone.run is run
            assert (clone.log_freq, clone.log_summary) == (log_freq, False)
            compiled().fit(*data, verbose=0, callbacks=[clone])
            compiled().fit(*data, verbose=0, callbacks=[copy.deepcopy(clone)])
    assert len(points(recorded(run), "loss")) == 4
    assert recorded(run).summary().lines == 0


@pytest.mark.parametrize("log_freq", [0, -1, "batch", 1.5, True, None])
def test_a_wrong_log_freq_is_said(log_freq):
    with pytest.raises(ValueError, match="log_freq must be"):
        TrackingCallback(log_freq=log_freq)


def test_wrong_runs_and_subclasses_are_said():
    class Mine(TrackingCallback):
        pass

    class MineWithBatches(BatchTrackingCallback):
        pass

    with pytest.raises(TypeError, match=r"must be a multitrack\.Run, got int"):
        TrackingCallback(5)  # type: ignore[arg-type]
    assert isinstance(Mine(log_freq=5), BatchTrackingCallback)
    assert not isinstance(Mine(), BatchTrackingCallback)
    assert not isinstance(Mine(log_freq=5), MineWithBatches)
    assert type(MineWithBatches(log_freq=5)) is MineWithBatches
    assert MineWithBatches().log_freq == 1
    with pytest.raises(ValueError, match="log_freq"):
        BatchTrackingCallback(log_freq="epoch")  # type: ignore[arg-type]


# -- imports ------------------------------------------------------------------------------------------------------


def test_a_missing_keras_is_named_with_the_command(tmp_path):
    code = (
        "import sys; sys.modules['keras'] = None\n"
        "import multitrack\n"
        "try:\n    import multitrack.keras\n"
        "except ImportError as error:\n    print(error, error.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    typed = "pip install 'multitrack[keras]' (from a checkout: pip install '.[keras]')"
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
