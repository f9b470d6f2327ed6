"""Searches as small as can be, for the tests of tracked tuners."""

import json
import re
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from multitrack import keras_tuner as tuners

#: KerasTuner's oracle asks for the thread's name the old way, and Keras on TensorFlow copies weights the old way when
#: KerasTuner saves them.
WARNINGS = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    pytest.mark.filterwarnings(
        "ignore:currentThread\\(\\) is deprecated:DeprecationWarning:keras_tuner.src.engine.oracle"
    ),
    pytest.mark.filterwarnings("ignore:getName\\(\\) is deprecated:DeprecationWarning:keras_tuner.src.engine.oracle"),
]

KINDS: dict[str, dict[str, Any]] = {
    "RandomSearch": {"max_trials": 3},
    "BayesianOptimization": {"max_trials": 3, "num_initial_points": 2},
    "GridSearch": {"max_trials": 3},
    "Hyperband": {"max_epochs": 3, "factor": 3},
}


class Space(keras_tuner.HyperModel):
    """A conditional hyperparameter, and one that only ``fit`` asks for."""

    def build(self, hp: Any) -> Any:
        kind = hp.Choice("kind", ["plain", "deep"])
        layers = [keras.Input((4,))]
        if kind == "deep":
            with hp.conditional_scope("kind", ["deep"]):
                layers.append(keras.layers.Dense(hp.Int("width", 2, 6)))
        model = keras.Sequential([*layers, keras.layers.Dense(1)])
        model.compile(
            keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse", metrics=["mae"], run_eagerly=True
        )
        return model

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, batch_size=hp.Choice("batch_size", [10, 25]), **kwargs)


def build(hp: Any) -> Any:
    """One hyperparameter of ten values."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(
        keras.optimizers.SGD(0.01 * hp.Int("tenths", 1, 10)), "mse", run_eagerly=True
    )  # quicker for so little
    return model


def make(kind: Any, hypermodel: Any, project: Path = Path(), **args: Any) -> Any:
    cls = getattr(tuners, kind) if isinstance(kind, str) else kind
    given = {"objective": "val_loss", "seed": 3, "directory": project / "tuning", "project_name": "toy", **args}
    return cls(hypermodel, **given)


def search(tuner: Any, data: Any, **args: Any) -> None:
    tuner.search(*data, **{"validation_data": data, "epochs": 2, "verbose": 0, **args})


def states(tuner: Any) -> list[dict[str, Any]]:
    """Everything KerasTuner knows of its trials, in the order they ended."""
    return [
        json.loads(json.dumps(tuner.oracle.get_trial(key).get_state(), default=float)) for key in tuner.oracle.end_order
    ]


def ours(cls: Any) -> Any:
    """The tracked class in the place of one of KerasTuner's, or of a user's."""
    return getattr(tuners, cls.__name__) if cls.__name__ in KINDS else tuners.tracked(cls)


def as_plain(value: Any) -> Any:
    """Anything in a form that can be compared; NaN as text, which equals itself."""
    return json.loads(json.dumps(value, default=_plainly), parse_constant=str)


def _plainly(value: Any) -> Any:
    return float(value) if isinstance(value, np.generic) else repr(value)


def without_our_frames(text: str) -> str:
    """A traceback as it would be without tracking."""
    return re.sub(r'  File "[^"]*/multitrack/keras_tuner/(?:internals|tuners)\.py", .*\n(?:    .*\n)+', "", text)


def without_times(text: str) -> str:
    """What a search prints, but for how long things took."""
    return re.sub(r"\d+h \d\dm \d\ds|\d+m?s(/\w+)?\b", "…", text)
