"""``import multitrack.keras_tuner as kt`` is the whole change: every public name is there, and the tuners are tracked."""

import ast
import importlib
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import keras_tuner
import numpy as np
import pytest

import multitrack.keras_tuner as kt
from multitrack.keras import TrackingCallback
from searches import WARNINGS, build, make, search

pytestmark = [pytest.mark.case(33), *WARNINGS]

THEIR_BASE = keras_tuner.engine.base_tuner.BaseTuner


def public(module: ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


def modules(theirs: ModuleType = keras_tuner) -> Iterator[ModuleType]:
    """KerasTuner's public modules."""
    yield theirs
    for value in public(theirs).values():
        if isinstance(value, ModuleType) and value is not keras_tuner.src:
            yield from modules(value)


def ours(theirs: ModuleType) -> ModuleType:
    return importlib.import_module(f"multitrack.{theirs.__name__}")


def is_tuner(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, THEIR_BASE)


# -- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theirs", list(modules()), ids=lambda module: module.__name__)
def test_every_public_name_is_there(theirs):
    here = ours(theirs)
    assert set(public(theirs)) <= set(dir(here))
    for name, value in public(theirs).items():
        if is_tuner(value):
            assert issubclass(getattr(here, name), value)
            assert issubclass(getattr(here, name), kt.BaseTuner)
            assert getattr(here, name) is getattr(kt, name)
        elif isinstance(value, ModuleType) and value is not keras_tuner.src:
            assert getattr(here, name) is sys.modules[f"{here.__name__}.{name}"]
        else:
            assert getattr(here, name) is value
    assert len(public(theirs)) > 0


def test_these_are_the_names_that_people_use():
    assert kt.__version__ == keras_tuner.__version__
    assert {"HyperModel", "HyperParameters", "Objective", "Oracle", "synchronized", "oracles", "tuners", "errors",
            "engine", "applications", "src", "BaseTuner", "tracked"} <= set(kt.__all__) & set(dir(kt))  # fmt: skip
    assert {"RandomSearch", "BayesianOptimization", "Hyperband", "GridSearch", "SklearnTuner", "Tuner"} <= set(
        dir(kt.tuners)
    ) & set(kt.__all__)
    star: dict[str, Any] = {}
    exec("from multitrack.keras_tuner import *", star)  # noqa: S102
    assert {name: value for name, value in star.items() if name != "__builtins__"} == {
        name: getattr(kt, name) for name in kt.__all__
    }


def test_a_name_of_a_later_release_is_there_as_well(monkeypatch):
    from multitrack.keras_tuner._mirror import names

    later, tuners = ModuleType("keras_tuner.later"), ModuleType("keras_tuner.later.tuners")
    new = type("NewSearch", (keras_tuner.RandomSearch,), {})
    vars(tuners).update(NewSearch=new, limit=3)
    vars(later).update(tuners=tuners, NewSearch=new, _hidden=1)
    monkeypatch.delitem(sys.modules, "multitrack.keras_tuner.later.tuners", raising=False)
    found = names(later, "multitrack.keras_tuner.later")
    assert set(found) == {"tuners", "NewSearch"}
    assert issubclass(found["NewSearch"], new)
    assert issubclass(found["NewSearch"], kt.Tuner)
    imported = importlib.import_module("multitrack.keras_tuner.later.tuners")
    assert (imported.NewSearch, imported.limit) == (found["NewSearch"], 3)
    monkeypatch.delitem(sys.modules, "multitrack.keras_tuner.later.tuners")


def declared(path: Path) -> set[str]:
    """The names that a type checker sees in a file."""
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    return {alias.asname for node in imports for alias in node.names if alias.asname == alias.name}


def test_type_checkers_see_the_names_of_the_installed_release():
    root = Path(kt.__file__).parent
    assert declared(root / "__init__.py") == set(kt.__all__) - {"src"}
    seen = 0
    for theirs in modules():
        if theirs in (keras_tuner, keras_tuner.tuners):  # tuners: a file of its own
            continue
        place = root.joinpath(*theirs.__name__.split(".")[1:])
        file = place / "__init__.pyi" if place.is_dir() else place.with_suffix(".pyi")
        assert declared(file) == set(public(theirs)), file
        seen += 1
    assert seen >= 11


def test_every_way_to_import_them(project):
    code = """
import multitrack.keras_tuner
import multitrack.keras_tuner.oracles as first
import multitrack.keras_tuner.tuners
import multitrack.keras_tuner.engine.hyperparameters
from multitrack import keras_tuner as kt
from multitrack.keras_tuner import HyperModel, HyperParameters, Objective, oracles, RandomSearch
from multitrack.keras_tuner.engine.base_tuner import BaseTuner
from multitrack.keras_tuner.engine.hyperparameters import Int
from multitrack.keras_tuner.engine.trial import Trial
from multitrack.keras_tuner.errors import FailedTrialError, FatalError
from multitrack.keras_tuner.oracles import BayesianOptimizationOracle
from multitrack.keras_tuner.tuners import RandomSearch as Again
import keras_tuner, sys
assert first is oracles is kt.oracles
assert RandomSearch is Again is kt.RandomSearch is kt.tuners.RandomSearch
assert Int is keras_tuner.engine.hyperparameters.Int and FatalError is keras_tuner.errors.FatalError
assert kt.engine.tuner.Tuner is kt.Tuner and BaseTuner is kt.BaseTuner
copies = [name for name in sys.modules if name.startswith("multitrack.keras_tuner.src")]
assert not copies, copies
print("all of them")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "all of them\n"), done.stderr


# -- what the classes are -----------------------------------------------------------------------------------------


def test_they_form_the_same_tree():
    classes = [value for value in public(keras_tuner).values() if is_tuner(value)]
    assert len(classes) >= 6
    for one in classes:
        for other in [*classes, THEIR_BASE]:
            tracked = kt.BaseTuner if other is THEIR_BASE else getattr(kt, other.__name__)
            assert issubclass(getattr(kt, one.__name__), tracked) == issubclass(one, other)


@pytest.mark.parametrize("name", ["RandomSearch", "Tuner", "SklearnTuner", "BaseTuner"])
def test_they_are_found_where_they_say(name):
    cls = getattr(kt, name)
    assert (cls.__module__, cls.__qualname__) == ("multitrack.keras_tuner.tuners", name)
    assert pickle.loads(pickle.dumps(cls)) is cls  # noqa: S301 - our own bytes
    assert kt.tracked(THEIR_BASE if name == "BaseTuner" else getattr(keras_tuner, name)) is cls
    assert kt.tracked(cls) is cls


def test_a_tuner_is_a_tuner_of_both(project):
    tuner = kt.RandomSearch(build, objective="val_loss", max_trials=1)
    assert isinstance(tuner, keras_tuner.RandomSearch)
    assert isinstance(tuner, keras_tuner.Tuner)
    assert isinstance(tuner, kt.Tuner)
    with pytest.raises(ValueError, match="Received `hypermodel=None`"):
        kt.Tuner(kt.oracles.RandomSearchOracle(objective="val_loss", max_trials=1))

    class Own(kt.RandomSearch):
        def run_trial(self, trial: Any) -> float:
            return 1.0

    Own(objective="val_loss", max_trials=1)  # does not need one


# -- subclasses are tracked ---------------------------------------------------------------------------------------


def test_a_subclass_of_tuner_is_tracked(data, project, journal):
    class Mine(kt.Tuner):
        def run_trial(self, trial: Any, x: Any, y: Any) -> Any:
            model = self.hypermodel.build(trial.hyperparameters)
            return model.fit(x, y, epochs=2, verbose=0, callbacks=[TrackingCallback()])

    tuner = Mine(kt.oracles.RandomSearchOracle(kt.Objective("loss", "min"), max_trials=2, seed=3), build,
                 directory="tuning", project_name="toy")  # fmt: skip
    tuner.search(*data)
    runs = journal()
    assert set(runs) == {"toy", "trial-0", "trial-1"}
    assert len(runs["trial-1"].get_metrics("loss")["loss"]) == 2
    assert runs["toy"].summary().params["search/tuner"] == "Mine"
    assert {run.summary().mistakes for run in runs.values()} == {0}


def test_a_subclass_of_base_tuner_is_tracked(project, journal):
    class Box(kt.BaseTuner):
        def run_trial(self, trial: Any, offset: float) -> float:
            return offset + trial.hyperparameters.Int("x", 1, 9)

    oracle = kt.oracles.RandomSearchOracle(max_trials=2, seed=3)
    Box(oracle, directory="tuning", project_name="toy").search(offset=2.0)
    runs = journal()
    assert set(runs) == {"toy", "trial-0", "trial-1"}
    assert runs["trial-0"].summary().metrics["score"] == 2.0 + runs["trial-0"].summary().params["x"]


def test_a_subclass_of_sklearn_tuner_is_tracked(data, project, journal):
    from sklearn.linear_model import Ridge

    class Mine(kt.SklearnTuner):
        def search(self, x: Any, y: Any) -> Any:
            return super().search(x, y, sample_weight=np.ones(len(x)))

    oracle = kt.oracles.RandomSearchOracle(kt.Objective("score", "max"), max_trials=2, seed=1)
    tuner = Mine(oracle, lambda hp: Ridge(alpha=hp.Float("alpha", 0.1, 1)), directory="tuning", project_name="toy")
    tuner.search(*data)
    runs = journal()
    assert set(runs) == {"toy", "trial-0", "trial-1"}
    assert [runs[f"trial-{key}"].summary().metrics["score"] for key in "01"] == [
        tuner.oracle.get_trial(key).score for key in "01"
    ]


def own_way(tuner: Any, trial: Any, *args: Any, **kwargs: Any) -> Any:
    return tuner.hypermodel.build(trial.hyperparameters).fit(*args, **kwargs)


class Mixin:
    def _build_and_fit_model(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return own_way(self, trial, *args, **kwargs)


class InAMixin(Mixin, kt.RandomSearch):
    pass


class WithoutSuper(kt.engine.tuner.Tuner):
    def __init__(self, hypermodel: Any, objective: Any, max_trials: int, seed: int, **kwargs: Any) -> None:
        oracle = kt.oracles.RandomSearchOracle(objective, max_trials=max_trials, seed=seed)
        super().__init__(oracle, hypermodel, **kwargs)

    def on_trial_begin(self, trial: Any) -> None:
        pass

    def _build_and_fit_model(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return own_way(self, trial, *args, **kwargs)


class WithSuper(kt.Hyperband):
    def _build_and_fit_model(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._build_and_fit_model(trial, *args, **kwargs)


class OfASubclass(WithoutSuper):
    def _build_and_fit_model(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._build_and_fit_model(trial, *args, **kwargs)


@pytest.mark.long("WithoutSuper", "WithSuper")
@pytest.mark.parametrize("cls", [InAMixin, WithoutSuper, WithSuper, OfASubclass])
def test_a_subclass_that_trains_in_its_own_way_has_its_epochs_recorded_once(cls, data, project, journal):
    how = {"max_epochs": 2, "factor": 2} if cls is WithSuper else {"max_trials": 1}
    search(make(cls, build, **how), data)
    trial = next(run for name, run in journal().items() if name.startswith("trial-"))
    last = trial.summary().params["fit/epochs"]
    assert [point.step for point in trial.get_metrics("val_loss")["val_loss"]] == list(range(last))
    assert last >= 1
    assert trial.summary().mistakes == 0


# -- the change itself --------------------------------------------------------------------------------------------

SCRIPT = """
import keras
import keras_tuner as kt
import numpy as np


class Model(kt.HyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 4)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse", run_eagerly=True)
        return model

    def fit(self, hp, model, *args, **kwargs):
        if hp.Boolean("bad") and False:
            raise kt.errors.FailedTrialError("never")
        return model.fit(*args, batch_size=hp.Choice("batch_size", [5, 10]), **kwargs)


hp = kt.HyperParameters()
hp.Fixed("rate", 0.01)
keras.utils.set_random_seed(1)
x, y = np.ones((20, 4)), np.ones((20, 1))
tuner = kt.BayesianOptimization(
    Model(), objective=kt.Objective("val_loss", direction="min"), hyperparameters=hp, max_trials=2, seed=1,
    directory=DIRECTORY, project_name="toy",
)
tuner.search(x, y, validation_data=(x, y), epochs=2, verbose=0)
assert isinstance(tuner, kt.Tuner) and isinstance(tuner.oracle, kt.oracles.BayesianOptimizationOracle)
best = tuner.get_best_hyperparameters()[0]
assert isinstance(best, kt.HyperParameters)
print([round(trial.score, 5) for trial in tuner.oracle.get_best_trials(2)], best.values, len(tuner.get_best_models()))
"""


def test_one_line_is_the_whole_change(project, journal):
    printed = []
    for number, line in enumerate(("import keras_tuner as kt", "import multitrack.keras_tuner as kt")):
        code = SCRIPT.replace("import keras_tuner as kt", line).replace("DIRECTORY", f"'tuning-{number}'")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1] != ""
    assert set(journal()) == {"toy", "trial-0", "trial-1"}
    assert journal()["trial-0"].summary().params["units"] in range(1, 5)
