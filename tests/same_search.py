"""One search plain and tracked from one seed, and the comparison of all that can be seen of it."""

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

import multitrack
from searches import as_plain, build, ours, without_our_frames, without_times

#: A search: takes what makes a class a tracked one, or leaves it, and the data; yields each tuner before it searches.
Row = Callable[[Callable[[Any], Any], Any], Iterator[Any]]
#: What the models, tuners and callbacks of a search have seen, in order.
SEEN: list[Any] = []

HERE = Path("tuning")
RANDOM = {"max_trials": 2}
ON_TENSORFLOW = keras.config.backend() == "tensorflow"


class Rows:
    """The searches of one file, by name."""

    def __init__(self) -> None:
        self.named: dict[str, Row] = {}

    def add(self, function: Row) -> Row:
        self.named[function.__name__] = function
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


def assert_unchanged(row: Row, data: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever can be seen of a search is the same with tracking, and its trials are recorded."""
    data = tuple(column[:20] for column in data)  # one batch, or two
    plain, _ = observe(row, lambda cls: cls, data, project / "plain", monkeypatch)
    seen, tuner = observe(row, ours, data, project / "tracked", monkeypatch)
    assert seen == plain
    monkeypatch.chdir(project)
    assert_recorded(tuner, project / ".multitrack")
    assert multitrack.active_run().disabled


def observe(row: Row, track: Any, data: Any, where: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """Search in a directory of its own, and give back everything that can be seen of it, and the tuner."""
    where.mkdir()
    monkeypatch.chdir(where)
    keras.utils.clear_session()  # in Keras 3.5 the seed alone leaves Keras' own generator as it is
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
