"""Tracking never changes a search: every kind of tuner."""

import random
from collections.abc import Iterator
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from same_search import HERE, RANDOM, SEEN, Row, Rows, assert_unchanged, building
from searches import KINDS, WARNINGS, Space, make, search

pytestmark = WARNINGS

ROWS = Rows()
row = ROWS.add


def kind(name: str) -> Row:
    def searching(track: Any, data: Any) -> Iterator[Any]:
        tuner = make(track(getattr(keras_tuner, name)), Space(), **KINDS[name])
        yield tuner
        search(tuner, data)

    return searching


ROWS.named |= {name: kind(name) for name in KINDS}


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


@pytest.mark.long("sklearn_tuner", "own_run_trial", "autokeras_way")
@pytest.mark.parametrize("name", ROWS.named)
def test_tracking_never_changes_a_search(name, data, project, monkeypatch):
    assert_unchanged(ROWS.named[name], data, project, monkeypatch)
