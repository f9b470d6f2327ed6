"""Metrics of several numbers: each under a name of its own, and one that cannot be recorded takes no other with it."""

import decimal
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

import multitrack
from multitrack.keras import TrackingCallback
from multitrack.keras.numbers import MOST, numbers_in
from searches import WARNINGS, make, search

pytestmark = [
    pytest.mark.case(4), *WARNINGS,
    pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0:DeprecationWarning"),  # Keras', of logs
]  # fmt: skip


@pytest.fixture
def classes() -> tuple[np.ndarray, np.ndarray]:
    """Rows of 4, one-hot of 3 classes."""
    random = np.random.default_rng(0)
    return random.normal(size=(30, 4)).astype("float32"), np.eye(3, dtype="float32")[random.integers(0, 3, 30)]


def classifier(rate: float = 0.1, metrics: Any = (), **how: Any) -> Any:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    metrics = [keras.metrics.F1Score(), "accuracy", *metrics]
    model.compile(keras.optimizers.SGD(rate), "categorical_crossentropy", metrics=metrics, **how)
    return model


def series(held: Any) -> dict[str, list[tuple[int, float]]]:
    return {name: [(p.step, p.value) for p in points] for name, points in held.get_metrics().items()}


# -- the callback -------------------------------------------------------------------------------------------------


def test_f1score_with_its_defaults(classes, recorded):
    model = classifier()
    with multitrack.start_run() as run:
        callback = TrackingCallback(log_freq=1)
        history = model.fit(*classes, validation_data=classes, epochs=3, batch_size=10, verbose=0, callbacks=[callback])
        tested = model.evaluate(*classes, verbose=0, return_dict=True, callbacks=[callback])
        assert run.mistakes == 0
    held = recorded(run)
    found = series(held)
    for name in ("f1_score", "val_f1_score"):
        for i in range(3):
            expected = [(epoch, float(value[i])) for epoch, value in enumerate(history.history[name])]
            assert found[f"{name}/{i}"] == expected
        assert name not in found
    assert found["accuracy"] == list(enumerate(history.history["accuracy"]))
    for i in range(3):
        assert [step for step, _ in found[f"batch/f1_score/{i}"]] == list(range(1, 10))
    assert [held.summary().simple[f"test_f1_score/{i}"] for i in range(3)] == [float(v) for v in tested["f1_score"]]


class Confusion(keras.metrics.Metric):
    """A number for each pair of classes."""

    def __init__(self, size: int = 2, name: str = "confusion") -> None:
        super().__init__(name=name)
        self.size = size
        self.seen = self.add_weight(name="seen", shape=(), initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.seen.assign_add(1.0)

    def result(self) -> Any:
        return keras.ops.reshape(keras.ops.arange(self.size * self.size, dtype="float32"), (self.size, self.size))


class Several(Confusion):
    """A result that is a mapping, which Keras lays flat itself."""

    def result(self) -> Any:
        return {"low": keras.ops.convert_to_tensor(0.5), "each": keras.ops.convert_to_tensor([0.25, 0.75])}


def test_two_dimensions_and_mappings(classes, recorded):
    with multitrack.start_run() as run:
        classifier(metrics=[Confusion(), Several(name="several")]).fit(
            *classes, verbose=0, callbacks=[TrackingCallback()]
        )
        assert run.mistakes == 0
    found = series(recorded(run))
    assert {f"{i}/{j}": found[f"confusion/{i}/{j}"] for i in range(2) for j in range(2)} == {
        "0/0": [(0, 0.0)], "0/1": [(0, 1.0)], "1/0": [(0, 2.0)], "1/1": [(0, 3.0)],
    }  # fmt: skip
    assert found["low"] == [(0, 0.5)]
    assert (found["each/0"], found["each/1"]) == ([(0, 0.25)], [(0, 0.75)])


def test_too_many_numbers_say_what_can_be_done_there(classes, recorded, caplog):
    side = int(MOST**0.5)
    with multitrack.start_run() as run:
        model = classifier(metrics=[Confusion(side + 1, "large"), Confusion(side, "just")])
        history = model.fit(*classes, epochs=2, verbose=0, callbacks=[TrackingCallback()])
    held = recorded(run)
    assert MOST == 100
    assert len([name for name in series(held) if name.startswith("just/")]) == 100
    assert not [name for name in series(held) if name.startswith("large")]
    assert series(held)["loss"] == list(enumerate(history.history["loss"]))
    assert held.summary().mistakes == 2
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    assert "metric 'large' has more than the 100 numbers" in message
    assert "F1Score(average='macro')" in message

    class AsSaid(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            multitrack.active_run().log_list_metric("large", np.ravel(logs["large"]))

    assert "multitrack.active_run().log_list_metric('large', ...)" in message
    with multitrack.start_run() as run:
        callbacks = [AsSaid(), TrackingCallback()]
        classifier(metrics=[Confusion(side + 1, "large")]).fit(*classes, verbose=0, callbacks=callbacks)
    assert len(recorded(run).get_list_metrics()["large"]) == (side + 1) ** 2


class Broken:
    """Raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no")

    def __float__(self) -> float:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")


def itself() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


BAD: dict[str, Any] = {
    "text": "x", "none": None, "bytes": b"1", "complex": 1j, "set": {1.0}, "object": object(), "broken": Broken(),
    "function": len, "class": float, "text array": np.array(["a", "b"]), "many": list(range(101)),
    "itself": itself(), "deep": np.zeros((3, 4, 9)), "complex array": np.array([1j, 2j]),
    "empty": np.zeros((0, 3)), "nothing": [], "empty mapping": {},
}  # fmt: skip

GOOD: dict[str, tuple[Any, dict[str, Any]]] = {
    "float": (0.5, {"float": 0.5}), "bool": (True, {"bool": 1}), "decimal": (decimal.Decimal("0.5"), {"decimal": 0.5}),
    "list": ([1, 2.5], {"list/0": 1, "list/1": 2.5}), "tuple": ((1.5,), {"tuple/0": 1.5}),
    "ragged": ([[1], [2, 3]], {"ragged/0/0": 1, "ragged/1/0": 2, "ragged/1/1": 3}),
    "mapping": ({"a": 1, "b": {"c": 2.0, "d": [3.0]}}, {"mapping/a": 1, "mapping/b/c": 2.0, "mapping/b/d/0": 3.0}),
    "bools": (np.array([True, False]), {"bools/0": 1, "bools/1": 0}),
    "cube": (np.arange(8).reshape(2, 2, 2), {f"cube/{i >> 2}/{i >> 1 & 1}/{i & 1}": i for i in range(8)}),
    "one": (np.ones((1, 1)), {"one": 1.0}), "numpy": (np.float16(0.5), {"numpy": 0.5}),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_is_recorded_of_a_value(name):
    value, expected = GOOD[name]
    assert numbers_in({name: value}) == (expected, [])


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_metrics_of_one_name_one_is_set_aside(turned):
    logs = {"f1": np.array([0.25, 0.75]), "f1/0": 0.5, "loss": 1.0}
    numbers, troubles = numbers_in(dict(reversed(logs.items())) if turned else logs)
    assert numbers == {"f1/0": 0.5, "loss": 1.0}
    ((name, trouble),) = troubles
    assert (name, str(trouble)) == ("f1", "two metrics are called 'f1/0'; give one of them another name")
    numbers, troubles = numbers_in({"f1": [0.25], "f1/0": np.array(7)})  # neither is plain
    assert numbers == {"f1/0": 0.25}
    assert [name for name, _ in troubles] == ["f1/0"]


@pytest.mark.parametrize("mistakes", ["raise", "warn"])
@pytest.mark.parametrize("name", BAD)
def test_one_that_cannot_be_recorded_takes_no_other_with_it(project, recorded, name, mistakes):
    callback = TrackingCallback(log_freq=1)
    good = {key: value for key, (value, _) in GOOD.items()}
    expected = {key: value for _, told in GOOD.values() for key, value in told.items()}
    logs = {"before": 1.0, name: BAD[name], **good, "after": 2.0}
    with multitrack.start_run(config={"delivery": "off", "mistakes": mistakes}) as run:
        callback.on_epoch_begin(0)
        callback.on_train_batch_end(0, logs)
        callback.on_epoch_end(0, logs)
        callback.on_test_end(logs)
        assert run.mistakes in (3, 6)  # each of the two texts and complex numbers of an array by itself
    held = recorded(run)
    found, whole = series(held), {"before": 1.0, **expected, "after": 2.0}
    assert {key: found[key] for key in whole} == {key: [(0, value)] for key, value in whole.items()}
    assert {key: found[f"batch/{key}"] for key in whole} == {key: [(1, value)] for key, value in whole.items()}
    assert held.summary().simple == {f"test_{key}": value for key, value in whole.items()}
    assert [step for step, _ in found["epoch_seconds"]] == [0]


@pytest.mark.parametrize("mistakes", ["raise", "warn"])
def test_a_name_that_is_taken_takes_no_other_with_it(project, recorded, mistakes):
    callback = TrackingCallback(log_freq=1)
    with multitrack.start_run(config={"delivery": "off", "mistakes": mistakes}) as run:
        for name in ("f1/1", "batch/loss", "test_f1/0"):
            run.log_list_metric(name, [1, 2])
        logs = {"loss": 1.0, "f1": np.array([0.25, 0.5, 0.75]), "": 3.0}
        callback.on_train_batch_end(0, logs)
        callback.on_epoch_end(0, logs)
        callback.on_test_end(logs)
        assert run.mistakes == 4  # the three, and the name that is none; batch/ and test_ are names
    held = recorded(run)
    assert {name for name in series(held) if "learning" not in name} == {
        "loss", "f1/0", "f1/2", "batch/f1/0", "batch/f1/1", "batch/f1/2", "batch/"
    }  # fmt: skip
    assert held.summary().simple == {"test_loss": 1.0, "test_f1/1": 0.5, "test_f1/2": 0.75, "test_": 3.0}


# -- the tuners ---------------------------------------------------------------------------------------------------


class Classifier(keras_tuner.HyperModel):
    """What its ``fit`` returns is made of the history by a function."""

    def __init__(self, result: Any = None) -> None:
        super().__init__()
        self.result = result

    def build(self, hp: Any) -> Any:
        # Compiling takes most of the time of a search of so little; the tests of the callback have compiled models.
        return classifier(0.1 * hp.Int("tenths", 1, 10), [Confusion(), Confusion(12, "large")], run_eagerly=True)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        history = model.fit(*args, **kwargs)
        return history if self.result is None else self.result(history)


@pytest.mark.long("1")
@pytest.mark.parametrize("executions", [1, 2])
def test_a_search_with_f1score(classes, project, journal, executions):
    """KerasTuner itself takes the mean of a metric's numbers."""
    tuner = make("RandomSearch", Classifier(), project, max_trials=2, executions_per_trial=executions)
    search(tuner, classes, epochs=3)
    runs = journal()
    for key in "01":
        trial, summary = tuner.oracle.get_trial(key), runs[f"trial-{key}"].summary()
        assert trial.status == "COMPLETED"
        assert summary.simple["score"] == trial.score
        told = {name: summary.simple[name] for name in trial.metrics.metrics}
        assert told == {name: trial.metrics.get_last_value(name) for name in told}
        assert {"f1_score", "val_f1_score", "accuracy", "val_confusion", "large"} <= set(told)
        trainings = [runs[f"trial-{key}-e{number}"] for number in (1, 2)] if executions == 2 else [runs[f"trial-{key}"]]
        for training in trainings:
            simple, found = training.summary().simple, series(training)
            best = int(simple["best_epoch"])
            assert simple["score"] == dict(found["val_loss"])[best] == min(value for _, value in found["val_loss"])
            for name in ("f1_score/0", "val_f1_score/2", "confusion/1/1", "accuracy", "val_loss"):
                assert simple[name] == dict(found[name])[best]
            assert len(found["f1_score/1"]) == 3
        assert "best_epoch_mean" in summary.simple if executions == 2 else "best_epoch" in summary.simple
    # Of the large one, in the fits; and at their ends where an execution has a run of its own.
    said = {name: run.summary().mistakes for name, run in runs.items()}
    assert said["toy"] == 0
    assert all(
        count > 0
        for name, count in said.items()
        if name.endswith(("-e1", "-e2")) or (executions == 1 and name != "toy")
    )


def test_a_list_metric_named_like_a_result_takes_no_other_with_it(classes, project, journal):
    class Logs(Classifier):
        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            run = multitrack.active_run()
            for name in ("score", "val_accuracy"):
                run.log_list_metric(name, [1.0])
            return model.fit(*args, **kwargs)

    tuner = make("RandomSearch", Logs(), project, max_trials=1)
    search(tuner, classes)
    simple = journal()["trial-0"].summary().simple
    assert {"best_epoch", "val_loss", "loss", "val_f1_score/0"} <= set(simple)
    assert {"score", "val_accuracy"}.isdisjoint(simple)


OBJECTIVES: dict[str, Any] = {
    "several numbers": lambda: keras_tuner.Objective("val_f1_score", "max"),
    "a mean of them": lambda: Mean("val_f1_score", "max"),
    "under another name": lambda: Mean("the mean", "max"),
    "several objectives": lambda: [keras_tuner.Objective("val_loss", "min"), Mean("val_accuracy", "max")],
    "a name that is none": lambda: keras_tuner.Objective("", "min"),
}  # fmt: skip


class Mean(keras_tuner.Objective):
    """An objective of the user's own, which makes a number of several."""

    def has_value(self, logs: Any) -> bool:
        return "val_f1_score" in logs

    def get_value(self, logs: Any) -> Any:
        return float(np.mean(logs["val_f1_score"]))


@pytest.mark.long("a mean of them-1")
@pytest.mark.parametrize(("objective", "executions"), [*((each, 1) for each in OBJECTIVES), ("a mean of them", 2)])
def test_an_odd_objective_is_as_with_keras_tuner(classes, project, journal, objective, executions):
    found = []
    for kind in (keras_tuner.RandomSearch, "RandomSearch"):
        keras.utils.set_random_seed(3)
        place = project / str(len(found))
        tuner = make(kind, Classifier(), place, max_trials=2, executions_per_trial=executions,
                     objective=OBJECTIVES[objective](), max_consecutive_failed_trials=9)  # fmt: skip
        search(tuner, classes)
        found.append([(trial.status, trial.score) for trial in tuner.oracle.trials.values()])
    assert found[0] == found[1]
    runs = journal()
    for key, (status, score) in zip("01", found[1], strict=True):
        summary = runs[f"trial-{key}"].summary()
        assert summary.tags["keras_tuner/status"] == status
        if status == "COMPLETED":
            assert summary.simple["score"] == score
            assert ("best_epoch" in summary.simple) == (executions == 1)
            assert ("best_epoch_mean" in summary.simple) == (executions == 2)
    assert runs["toy"].summary().params["search/oracle"] == "RandomSearchOracle"
    assert runs["toy"].summary().params["search/space/tenths"]


def test_a_result_that_is_odd(classes, project, journal):
    """A mapping of what a float can be made of, an array and a nested one, as HyperModel.fit may return it."""
    results = [
        lambda history: {"val_loss": np.float32(0.5), "f1": np.array([0.5])},
        lambda history: {"val_loss": keras.ops.convert_to_tensor(0.5)},
        lambda history: np.float64(0.5),
    ]
    for number, result in enumerate(results):
        tuner = make("RandomSearch", Classifier(result), project, max_trials=1, project_name=f"toy-{number}")
        with multitrack.start_run(name=f"search-{number}") as run:
            search(tuner, classes)
        assert run.mistakes == 0
        trial = tuner.oracle.get_trial("0")
        assert (trial.status, trial.score) == ("COMPLETED", 0.5)
        simple = multitrack.open_journal(".multitrack").run(tuner.runs["0"].id).summary().simple
        assert (simple["score"], simple["val_loss"]) == (0.5, 0.5)
        assert simple["best_epoch"] in (0, 1)
