"""Tracking never changes a search: every kind of tuner, plain and tracked from one seed, and all that can be seen of it."""

import contextlib
import io
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
from sklearn.linear_model import Ridge

import multitrack
from searches import KINDS, WARNINGS, Space, as_plain, build, make, ours, search, without_our_frames, without_times

pytestmark = WARNINGS

#: A search: takes what makes a class a tracked one, or leaves it, and the data; yields each tuner before it searches.
Row = Callable[[Callable[[Any], Any], Any], Iterator[Any]]
ROWS: dict[str, Row] = {}
#: What the models, tuners and callbacks of a search have seen, in order.
SEEN: list[Any] = []

HERE = Path("tuning")
RANDOM = {"max_trials": 2}
ON_TENSORFLOW = keras.config.backend() == "tensorflow"


def row(function: Row) -> Row:
    ROWS[function.__name__] = function
    return function


def building(hp: Any) -> Any:
    model = build(hp)
    SEEN.append(("build", dict(hp.values)))
    return model


class Fit(keras_tuner.HyperModel):
    """A ``fit`` of one's own: returns what it is told to, or raises it, by its number."""

    def __init__(self, *outcomes: Any) -> None:
        super().__init__()
        self.outcomes = outcomes
        self.calls = 0

    def build(self, hp: Any) -> Any:
        return building(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        history = model.fit(*args, **kwargs)
        SEEN.append(("fit", hp.Choice("late", [1, 2])))
        outcome = self.outcomes[self.calls % len(self.outcomes)]
        self.calls += 1
        if isinstance(outcome, BaseException):
            raise outcome
        return history if outcome is None else outcome


# -- the tuners ---------------------------------------------------------------------------------------------------


def kind(name: str) -> Row:
    def searching(track: Any, data: Any) -> Iterator[Any]:
        tuner = make(track(getattr(keras_tuner, name)), Space(), **KINDS[name])
        yield tuner
        search(tuner, data)

    return searching


ROWS |= {name: kind(name) for name in KINDS}


@row
def base_tuner_with_an_oracle(track: Any, data: Any) -> Iterator[Any]:
    class Upwards(keras_tuner.Oracle):
        def populate_space(self, trial_id: str) -> Any:
            return {"status": "RUNNING", "values": {"tenths": int(trial_id) + 2}}

    oracle = Upwards(objective=keras_tuner.Objective("val_loss", "min"), max_trials=2, seed=3)
    tuner = track(keras_tuner.Tuner)(oracle, building, directory=HERE)
    yield tuner
    search(tuner, data)


@row
def sklearn_tuner(track: Any, data: Any) -> Iterator[Any]:
    def mean_error(truth: Any, guess: Any, sample_weight: Any = None) -> float:
        return float(np.mean(np.abs(truth - guess)))

    oracle = keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective("score", "max"), max_trials=3, seed=1)
    tuner = track(keras_tuner.SklearnTuner)(
        oracle, lambda hp: Ridge(alpha=hp.Float("alpha", 0.1, 1)), metrics=mean_error, directory=HERE
    )
    yield tuner
    tuner.search(*data, sample_weight=np.ones(20))


@row
def own_run_trial(track: Any, data: Any) -> Iterator[Any]:
    class Own(keras_tuner.BayesianOptimization):
        def run_trial(self, trial: Any, x: Any, y: Any) -> Any:
            history = self.hypermodel.build(trial.hyperparameters).fit(x, y, verbose=0)
            return {"total": history.history["loss"][-1], "other": 1.5}

    tuner = make(track(Own), building, **RANDOM, objective=keras_tuner.Objective("total", "min"))
    yield tuner
    tuner.search(*data)


@row
def black_box_of_a_float(track: Any, data: Any) -> Iterator[Any]:
    class Parabola(keras_tuner.GridSearch):
        def run_trial(self, trial: Any) -> float:
            return (trial.hyperparameters.Int("x", -1, 2) - 1) ** 2 + random.random() + np.random.random()

    tuner = track(Parabola)(directory=HERE, max_trials=9, seed=3)
    yield tuner
    tuner.search()


@row
def black_box_of_dicts_to_maximise(track: Any, data: Any) -> Iterator[Any]:
    class Parabola(keras_tuner.RandomSearch):
        def run_trial(self, trial: Any, offset: float) -> Any:
            x = trial.hyperparameters.Float("x", -1, 2)
            return [{"height": offset - (x - 1) ** 2, "x_seen": x}, {"height": offset, "x_seen": x}]

    tuner = track(Parabola)(objective=keras_tuner.Objective("height", "max"), directory=HERE, max_trials=5, seed=3)
    yield tuner
    tuner.search(offset=2.0)


@row
def run_trial_that_reports_to_the_oracle_itself(track: Any, data: Any) -> Iterator[Any]:
    class Own(keras_tuner.RandomSearch):
        def run_trial(self, trial: Any) -> None:
            for step, loss in enumerate((3.0, 1.0, 2.0)):
                value = loss + trial.hyperparameters.Int("x", 1, 9)
                self.oracle.update_trial(trial.trial_id, {"val_loss": value, "step_seen": step}, step=step)

    tuner = make(track(Own), None, **RANDOM)
    yield tuner
    tuner.search()


@row
def autokeras_way(track: Any, data: Any) -> Iterator[Any]:
    """The space filled by ``search``, ``_build_and_fit_model`` replaced as a whole, a last training after the search."""

    class Auto(keras_tuner.Tuner):
        def __init__(self, oracle: Any, hypermodel: Any, **kwargs: Any) -> None:
            self.finished = False
            super().__init__(oracle, hypermodel, **kwargs)

        def _populate_initial_space(self) -> None:
            return

        def search(self, epochs: int, callbacks: Any = None, verbose: int = 1, **fit_kwargs: Any) -> Any:
            hp = self.oracle.get_space()
            self.hypermodel.build(hp)
            self.oracle.update_space(hp)
            stopping = keras.callbacks.EarlyStopping("loss", patience=1)
            callbacks = [*self._deepcopy_callbacks(callbacks or []), stopping]
            super().search(epochs=epochs, callbacks=callbacks, verbose=verbose, **fit_kwargs)
            model = self.hypermodel.build(self.oracle.get_best_trials(1)[0].hyperparameters)
            self.finished = True
            return model.fit(epochs=epochs, verbose=verbose, **fit_kwargs)

        def _build_and_fit_model(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            kwargs["x"] = kwargs["x"] * trial.hyperparameters.Choice("scale", [0.5, 1.0])
            return self.hypermodel.build(trial.hyperparameters).fit(*args, **kwargs)

        def get_state(self) -> Any:
            return {**super().get_state(), "finished": self.finished}

        def set_state(self, state: Any) -> None:
            self.finished = state["finished"]

    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=2, seed=3)
    tuner = track(Auto)(oracle, building, directory=HERE)
    yield tuner
    x, y = data
    history = tuner.search(epochs=2, verbose=0, x=x, y=y, validation_data=data)
    SEEN.append(("last training", history.history))


# -- what a search may be told ------------------------------------------------------------------------------------


@row
def fit_that_returns_a_float(track: Any, data: Any) -> Iterator[Any]:
    tuner = make(track(keras_tuner.RandomSearch), Fit(0.5, 0.25), **RANDOM, objective=None)
    yield tuner
    search(tuner, data, epochs=1)


@row
def fit_that_returns_a_dict(track: Any, data: Any) -> Iterator[Any]:
    results = ({"val_loss": 0.5, "other": 1}, {"val_loss": 0.25, "other": 2})
    tuner = make(track(keras_tuner.RandomSearch), Fit(*results), **RANDOM)
    yield tuner
    search(tuner, data, epochs=1)


@row
def several_executions(track: Any, data: Any) -> Iterator[Any]:
    tuner = make(track(keras_tuner.RandomSearch), Fit(None), **RANDOM, executions_per_trial=2)
    yield tuner
    search(tuner, data)


@row
def several_objectives(track: Any, data: Any) -> Iterator[Any]:
    objectives = [keras_tuner.Objective("val_loss", "min"), keras_tuner.Objective("val_mae", "max")]
    tuner = make(track(keras_tuner.RandomSearch), Space(), **RANDOM, objective=objectives)
    yield tuner
    search(tuner, data)


@row
def the_most_is_best(track: Any, data: Any) -> Iterator[Any]:
    objective = keras_tuner.Objective("val_mae", "max")
    tuner = make(track(keras_tuner.Hyperband), Space(), objective=objective, max_epochs=2, factor=2)
    yield tuner
    search(tuner, data)


@row
def a_space_given_beforehand(track: Any, data: Any) -> Iterator[Any]:
    space = keras_tuner.HyperParameters()
    space.Float("rate", 1e-2, 1e-1)
    args = {"hyperparameters": space, "tune_new_entries": False}
    tuner = make(track(keras_tuner.RandomSearch), Space(), **RANDOM, **args)
    yield tuner
    search(tuner, data, epochs=1)


@row
def new_entries_not_allowed(track: Any, data: Any) -> Iterator[Any]:
    """The one that only ``fit`` asks for comes too late for the constructor, and ends the search."""
    space = keras_tuner.HyperParameters()
    space.Int("tenths", 1, 10)
    args = {"hyperparameters": space, "allow_new_entries": False}
    tuner = make(track(keras_tuner.RandomSearch), Fit(None), **RANDOM, **args)
    yield tuner
    search(tuner, data, epochs=1)


@row
def compile_arguments_replaced(track: Any, data: Any) -> Iterator[Any]:
    args = {"optimizer": keras.optimizers.SGD(0.05), "loss": "mae", "metrics": ["mse"], "objective": "val_mse"}
    tuner = make(track(keras_tuner.RandomSearch), building, **RANDOM, **args)
    yield tuner
    search(tuner, data, epochs=1)


@row
def an_id_and_a_logger(track: Any, data: Any) -> Iterator[Any]:
    tuner = make(track(keras_tuner.RandomSearch), building, **RANDOM, tuner_id="mine", logger=SEEN)
    yield tuner
    search(tuner, data, epochs=1)


@row
def callbacks_that_steer_and_one_that_holds_the_tuner(track: Any, data: Any) -> Iterator[Any]:
    class Holds(keras.callbacks.Callback):
        tuner: Any = None

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            SEEN.append((epoch, self.tuner.project_name, sorted(logs)))

    callback = Holds()
    tuner = callback.tuner = make(track(keras_tuner.RandomSearch), building, **RANDOM)
    yield tuner
    stopping = keras.callbacks.EarlyStopping("val_loss", min_delta=1e9)
    slower = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    search(tuner, data, epochs=4, callbacks=[callback, stopping, slower])


@row
def verbose(track: Any, data: Any) -> Iterator[Any]:
    tuner = make(track(keras_tuner.RandomSearch), Fit(None, ZeroDivisionError()), **RANDOM, max_retries_per_trial=1)
    yield tuner
    tuner.search_space_summary()
    search(tuner, data, verbose=2)
    tuner.results_summary()


class Hooks:
    """Every hook of a tuner, noted; ``on_trial_begin`` calls no other, as KerasTuner's does nothing."""

    def pre_create_trial(self) -> None:
        SEEN.append("pre_create_trial")

    def on_search_begin(self) -> None:
        SEEN.append("on_search_begin")

    def on_search_end(self) -> None:
        SEEN.append("on_search_end")

    def on_trial_begin(self, trial: Any) -> None:
        SEEN.append(("on_trial_begin", trial.trial_id, trial.status, dict(trial.hyperparameters.values)))

    def on_trial_end(self, trial: Any) -> None:
        SEEN.append(("on_trial_end", trial.trial_id, trial.status, trial.score))
        super().on_trial_end(trial)  # type: ignore[misc]

    def on_epoch_begin(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
        SEEN.append(("on_epoch_begin", epoch, logs))

    def on_epoch_end(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
        SEEN.append(("on_epoch_end", epoch, sorted(logs)))

    def on_batch_begin(self, trial: Any, model: Any, batch: int, logs: Any) -> None:
        SEEN.append(("on_batch_begin", batch, sorted(logs)))

    def on_batch_end(self, trial: Any, model: Any, batch: int, logs: Any = None) -> None:
        SEEN.append(("on_batch_end", batch, sorted(logs)))


@row
def a_subclass_with_every_hook(track: Any, data: Any) -> Iterator[Any]:
    class Own(Hooks, keras_tuner.RandomSearch):
        pass

    tuner = make(track(Own), building, **RANDOM)
    yield tuner
    search(tuner, data)


@row
def a_subclass_of_ours_with_every_hook(track: Any, data: Any) -> Iterator[Any]:
    class Own(Hooks, track(keras_tuner.RandomSearch)):  # type: ignore[misc]
        pass

    tuner = make(Own, building, **RANDOM)
    yield tuner
    search(tuner, data)


@row
def a_subclass_of_ours_that_ends_trials_its_own_way(track: Any, data: Any) -> Iterator[Any]:
    class Own(track(keras_tuner.RandomSearch)):  # type: ignore[misc]
        def on_trial_end(self, trial: Any) -> None:
            self.oracle.end_trial(trial)

    tuner = make(Own, building, **RANDOM)
    yield tuner
    search(tuner, data, epochs=1)


if ON_TENSORFLOW:

    @row
    def a_distribution_strategy(track: Any, data: Any) -> Iterator[Any]:
        import tensorflow as tf

        strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
        tuner = make(track(keras_tuner.RandomSearch), building, **RANDOM, distribution_strategy=strategy)
        yield tuner
        search(tuner, data, epochs=1)


# -- what goes wrong ----------------------------------------------------------------------------------------------


@row
def a_retry(track: Any, data: Any) -> Iterator[Any]:
    args = {"max_retries_per_trial": 1, "executions_per_trial": 2}
    tuner = make(track(keras_tuner.RandomSearch), Fit(None, ZeroDivisionError("once"), None, None), **RANDOM, **args)
    yield tuner
    search(tuner, data, epochs=1)


@row
def the_limit_of_failures(track: Any, data: Any) -> Iterator[Any]:
    args = {**RANDOM, "max_trials": 9, "max_consecutive_failed_trials": 2}
    tuner = make(track(keras_tuner.RandomSearch), Fit(None, ZeroDivisionError("always"), ZeroDivisionError()), **args)
    yield tuner
    search(tuner, data, epochs=1)


@row
def a_fatal_error(track: Any, data: Any) -> Iterator[Any]:
    fatal = keras_tuner.errors.FatalValueError("no use")
    tuner = make(track(keras_tuner.RandomSearch), Fit(None, fatal), **RANDOM)
    yield tuner
    search(tuner, data, epochs=1)


@row
def a_wrong_result(track: Any, data: Any) -> Iterator[Any]:
    tuner = make(track(keras_tuner.RandomSearch), Fit({"loss": 1.0}), **RANDOM)
    yield tuner
    search(tuner, data, epochs=1)


@row
def an_interrupt(track: Any, data: Any) -> Iterator[Any]:
    tuner = make(track(keras_tuner.RandomSearch), Fit(None, KeyboardInterrupt()), **RANDOM)
    yield tuner
    search(tuner, data, epochs=1)


@row
def a_score_that_is_nan(track: Any, data: Any) -> Iterator[Any]:
    outcomes = (0.5, float("nan"), ZeroDivisionError("first"), float("nan"))
    args = {**RANDOM, "max_trials": 3, "objective": None, "max_retries_per_trial": 1}
    tuner = make(track(keras_tuner.RandomSearch), Fit(*outcomes), **args)
    yield tuner
    search(tuner, data, epochs=1)


@row
def an_oversized_model(track: Any, data: Any) -> Iterator[Any]:
    """Failed at once, whatever the retries."""
    args = {"max_model_size": 12, "max_retries_per_trial": 2, "max_trials": 4}
    tuner = make(track(keras_tuner.GridSearch), Space(), **args)
    yield tuner
    search(tuner, data, epochs=1)


@row
def a_callback_that_cannot_be_copied(track: Any, data: Any) -> Iterator[Any]:
    class Stubborn(keras.callbacks.Callback):
        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError

        def __repr__(self) -> str:
            return "Stubborn()"

    tuner = make(track(keras_tuner.RandomSearch), building, **RANDOM)
    yield tuner
    search(tuner, data, callbacks=[Stubborn()])


# -- going on -----------------------------------------------------------------------------------------------------


@row
def search_called_again(track: Any, data: Any) -> Iterator[Any]:
    tuner = make(track(keras_tuner.RandomSearch), building, **RANDOM)
    yield tuner
    search(tuner, data, epochs=1)
    SEEN.append(tuner.remaining_trials)
    search(tuner, data, epochs=1)
    tuner.oracle.max_trials = 3
    search(tuner, data, epochs=1)


@row
def reloaded_when_all_is_done(track: Any, data: Any) -> Iterator[Any]:
    for _ in range(2):
        tuner = make(track(keras_tuner.RandomSearch), building, **RANDOM)
        yield tuner
        search(tuner, data, epochs=1)


@row
def resumed_after_an_interrupt(track: Any, data: Any) -> Iterator[Any]:
    args = {**RANDOM, "max_trials": 3}
    tuner = make(track(keras_tuner.RandomSearch), Fit(None, KeyboardInterrupt()), **args)
    yield tuner
    with pytest.raises(KeyboardInterrupt):
        search(tuner, data, epochs=1)
    tuner = make(track(keras_tuner.RandomSearch), Fit(None), **args)
    yield tuner
    search(tuner, data, epochs=1)


# -- the comparison -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
def test_tracking_never_changes_a_search(name, data, project, monkeypatch):
    data = tuple(column[:20] for column in data)  # one batch, or two
    plain, _ = observe(ROWS[name], lambda cls: cls, data, project / "plain", monkeypatch)
    seen, tuner = observe(ROWS[name], ours, data, project / "tracked", monkeypatch)
    assert seen == plain
    monkeypatch.chdir(project)
    assert_recorded(tuner, project / ".multitrack")
    assert multitrack.active_run().disabled


def observe(row: Row, track: Any, data: Any, where: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """Search in a directory of its own, and give back everything that can be seen of it, and the tuner."""
    where.mkdir()
    monkeypatch.chdir(where)
    keras.utils.set_random_seed(5)
    SEEN.clear()
    printed, tuner, error = io.StringIO(), None, None
    with contextlib.redirect_stdout(printed), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            for tuner in row(track, data):  # noqa: B007 - the last one is wanted
                pass
        except (Exception, KeyboardInterrupt) as raised:
            error = [type(raised).__name__, without_our_frames(str(raised))]
    assert tuner is not None
    oracle = tuner.oracle
    seen = {
        "trials": [oracle.trials[key].get_state() for key in sorted(oracle.trials)],
        "oracle": {name: value for name, value in oracle.get_state().items() if name != "display"},
        "tuner": tuner.get_state(),
        "best": [trial.trial_id for trial in oracle.get_best_trials(9)],
        "best_hyperparameters": [hp.values for hp in tuner.get_best_hyperparameters(9)],
        "error": error,
        "seen": SEEN,
        "printed": without_times(without_our_frames(printed.getvalue())),
        "warned": [[str(w.message), Path(w.filename).name] for w in warned if "keras_tuner" in w.filename],
        "files": sorted(str(path) for path in Path().rglob("*") if path.name != "multitrack.json"),
        "drawn": draw(),
    }
    for trial in seen["trials"]:
        trial["message"] = trial["message"] and without_our_frames(trial["message"])
    return as_plain(seen), tuner


def draw() -> list[float]:
    """The next number of each generator that is the user's."""
    drawn = [random.random(), np.random.random(), float(keras.ops.convert_to_numpy(keras.random.uniform(())))]
    if ON_TENSORFLOW:
        import tensorflow as tf

        drawn.append(float(tf.random.uniform(())))
    if keras.config.backend() == "torch":
        import torch

        drawn.append(float(torch.rand(())))
    return drawn


def assert_recorded(tuner: Any, journal: Path) -> None:
    """Whatever the search: each trial has a run for each attempt, and the last one what KerasTuner knows of it."""
    runs = list(multitrack.open_journal(journal).runs())
    assert all(run.summary().status in ("finished", "failed", "killed") for run in runs)
    assert sum(run.summary().mistakes for run in runs) == 0
    attempts = {run.summary().tags.get("keras_tuner/trial"): run for run in runs}  # the last one stays
    attempts.pop(None)
    assert set(attempts) == set(tuner.oracle.trials)
    for key, trial in tuner.oracle.trials.items():
        summary = attempts[key].summary()
        values = trial.hyperparameters.values
        assert summary.params.items() >= {k: v for k, v in values.items() if not k.startswith("tuner/")}.items()
        assert summary.metrics.get("score") == (trial.score if trial.status == "COMPLETED" else None)
        statuses = {"COMPLETED": "finished", "FAILED": "failed"}
        assert summary.status == statuses.get(trial.status, summary.status)
        if trial.status == "FAILED":
            assert summary.lines > 0
