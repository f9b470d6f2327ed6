"""Training never notices what fails in the callback, and which run it goes into is said."""

import copy
import logging
import math
from typing import Any

import keras
import numpy as np
import pytest

import multitrack
from keras_points import assert_like_history, points
from multitrack.keras import BatchTrackingCallback, TrackingCallback

BACKEND = keras.config.backend()
AT_ONCE = 1 if BACKEND == "torch" else 2  # torch takes one step per execution only


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
