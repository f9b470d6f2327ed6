"""Several fits into one run: which step an epoch and a batch has, also in a run that is continued."""

import gc
import weakref
from typing import Any

import keras
import keras_tuner
import pytest

import multitrack
import multitrack.keras_tuner
from multitrack.keras import TrackingCallback
from searches import WARNINGS, build, make, search

pytestmark = [pytest.mark.case(25), *WARNINGS]


def steps(held: Any, name: str = "loss") -> list[int]:
    return [point.step for point in held.get_metrics(name).get(name, [])]


def fit(model: Any, data: Any, epochs: int = 1, *others: Any, **how: Any) -> Any:
    """Epochs of 5 batches."""
    how = {"batch_size": 10, "verbose": 0, **how}
    return model.fit(*data, epochs=epochs, callbacks=[TrackingCallback(log_freq=1), *others], **how)


# -- one model ----------------------------------------------------------------------------------------------------


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


# -- in a search --------------------------------------------------------------------------------------------------


class Curriculum(keras_tuner.HyperModel):
    """Several fits in a trial; the last one's history is returned."""

    def build(self, hp: Any) -> Any:
        return build(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        for _ in range(3):
            history = model.fit(*args, **kwargs)
        return history


def test_several_fits_in_a_trial_are_one_curve(data, project, journal):
    tuner = make("RandomSearch", Curriculum(), project, max_trials=1)
    search(tuner, data, epochs=2)
    held = journal()["trial-0"]
    points = held.get_metrics("val_loss")["val_loss"]
    assert [point.step for point in points] == [0, 1, 2, 3, 4, 5]
    metrics = held.summary().metrics
    assert points[int(metrics["best_epoch"])].value == metrics["score"]
    assert metrics["best_epoch"] in (4, 5)  # of the fit whose history counts for KerasTuner
    assert held.summary().mistakes == 0


# -- callbacks that are dropped -----------------------------------------------------------------------------------


class Drops(keras_tuner.HyperModel):
    """A ``fit`` that leaves the callbacks where they are."""

    def build(self, hp: Any) -> Any:
        return build(hp)

    def fit(self, hp: Any, model: Any, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        return model.fit(*args, **kwargs)


class DropsAll(Drops):
    def fit(self, hp: Any, model: Any, x: Any, y: Any, validation_data: Any, **kwargs: Any) -> Any:
        return model.fit(x, y, validation_data=validation_data, epochs=1, verbose=0)


class DropsForOwn(Drops):
    """Its own, in their place; so the epochs are there."""

    def fit(self, hp: Any, model: Any, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        return model.fit(*args, **kwargs, callbacks=[TrackingCallback()])


class Blackbox(Drops):
    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        return {"val_loss": 0.5}


class DropsSometimes(Drops):
    calls = 0

    def fit(self, hp: Any, model: Any, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        self.calls += 1
        return model.fit(*args, **kwargs, callbacks=callbacks if self.calls != 2 else None)


def dropped(caplog: Any) -> list[str]:
    return [text for record in caplog.records if "callbacks" in (text := record.getMessage())]


@pytest.mark.parametrize("executions", [1, 2])
@pytest.mark.parametrize("model", [Drops, DropsAll, Blackbox, DropsSometimes])
def test_callbacks_that_are_dropped_are_said_once_a_search(data, project, journal, caplog, model, executions):
    tuner = make("RandomSearch", model(), project, max_trials=3, executions_per_trial=executions)
    search(tuner, data)
    (text,) = dropped(caplog)
    assert f"{model.__name__}.fit()" in text
    assert "model.fit(*args, **kwargs)" in text
    assert text.removeprefix("multitrack: ") in [line.text for line in journal()["toy"].get_lines()]
    assert {run.summary().mistakes for run in journal().values()} == {0}
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["COMPLETED"] * 3


@pytest.mark.parametrize("model", [Curriculum, DropsForOwn])
def test_callbacks_that_are_handed_on_are_not_complained_of(data, project, journal, caplog, model):
    tuner = make("RandomSearch", model(), project, max_trials=2)
    search(tuner, data, epochs=1)
    assert dropped(caplog) == []
    assert journal()["trial-1"].get_metrics("val_loss")


def test_a_fit_of_no_epochs_and_one_that_fails_have_dropped_nothing(data, project, caplog):
    class Fails(Drops):
        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            raise ZeroDivisionError

    search(make("RandomSearch", Fails(), project, max_trials=2), data)
    objective = keras_tuner.Objective("x", "min")

    class NoEpochs(Drops):
        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            model.fit(*args, **{**kwargs, "epochs": 0})
            return {"x": 1.0}

    search(make("RandomSearch", NoEpochs(), project, max_trials=1, objective=objective, project_name="other"), data)
    assert dropped(caplog) == []


def test_a_second_search_says_it_again(data, project, caplog):
    for name in ("one", "two"):
        search(make("RandomSearch", Drops(), project, max_trials=1, project_name=name), data)
    assert len(dropped(caplog)) == 2


# -- a run_trial of one's own -------------------------------------------------------------------------------------


def own(run_trial: Any, data: Any, project: Any, **how: Any) -> Any:
    """A search of a tuner with this ``run_trial``; its trials must complete."""
    kind = type("Own", (multitrack.keras_tuner.Tuner,), {"run_trial": run_trial})
    oracle = keras_tuner.oracles.RandomSearchOracle(objective="val_loss", max_trials=3)
    tuner = kind(oracle=oracle, directory=str(project / "tuning"), project_name="own", **{"hypermodel": build, **how})
    tuner.search(*data, validation_data=data, epochs=2, verbose=0)
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["COMPLETED"] * 3
    return tuner


def untracked(caplog: Any) -> list[str]:
    return [text for record in caplog.records if "trains by itself" in (text := record.getMessage())]


def test_a_run_trial_that_trains_by_itself_is_said_once_a_search(data, project, journal, caplog):
    def run_trial(self: Any, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return self.hypermodel.build(trial.hyperparameters).fit(*args, **kwargs)

    own(run_trial, data, project)
    (text,) = untracked(caplog)
    assert "trial-0: Own.run_trial()" in text
    assert text.removeprefix("multitrack: ") in [line.text for line in journal()["trial-0"].get_lines()]


def test_a_run_trial_with_a_callback_of_its_own_is_not_complained_of(data, project, journal, caplog):
    def run_trial(self: Any, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return self.hypermodel.build(trial.hyperparameters).fit(*args, callbacks=[TrackingCallback()], **kwargs)

    own(run_trial, data, project)
    assert untracked(caplog) == []
    assert [steps(run) for name, run in journal().items() if name.startswith("trial")] == [[0, 1]] * 3


def test_a_black_box_without_a_hypermodel_is_not_complained_of(data, project, caplog):
    own(lambda self, trial, *args, **kwargs: trial.hyperparameters.Float("x", 0, 1), data, project, hypermodel=None)
    assert untracked(caplog) == []


def test_a_loop_that_tells_the_tuner_of_its_epochs_has_them(data, project, journal, caplog):
    def run_trial(self: Any, trial: Any, *args: Any, **kwargs: Any) -> float:
        model = self.hypermodel.build(trial.hyperparameters)
        for epoch in range(2):
            self.on_epoch_begin(trial, model, epoch, logs={})
            model.train_on_batch(*data)
            self.on_epoch_end(trial, model, epoch, logs={"val_loss": 1.0 - epoch / 4})
        return 0.75

    own(run_trial, data, project)
    assert untracked(caplog) == []
    for number in range(3):
        held = journal()[f"trial-{number}"]
        assert [(p.step, p.value) for p in held.get_metrics("val_loss")["val_loss"]] == [(0, 1.0), (1, 0.75)]
        assert held.summary().mistakes == 0


def test_a_metric_that_cannot_be_recorded_is_warned_of_once_a_search(data, project, journal, caplog):
    class Many(keras_tuner.HyperModel):
        def build(self, hp: Any) -> Any:
            return build(hp)

        def fit(self, hp: Any, model: Any, *args: Any, callbacks: Any = (), **kwargs: Any) -> float:
            for callback in callbacks:
                callback.set_model(model)
                callback.on_epoch_end(0, {"many": [0.5] * 200, "more": [0.5] * 300, "val_loss": 0.5})
            return 0.5

    search(make("RandomSearch", Many(), project, max_trials=3, executions_per_trial=2), data)
    said = [text for record in caplog.records if "was set aside" in (text := record.getMessage())]
    assert len(said) == 2
    assert "TrackingCallback: many was set aside" in said[0]
    assert "TrackingCallback: more was set aside" in said[1]
    counted = [run.summary().mistakes for name, run in journal().items() if "-e" in name]
    assert counted == [2] * 6
