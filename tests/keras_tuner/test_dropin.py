"""Tracked classes in the place of KerasTuner's own: what it documents of a tuner, done with both and compared."""

import contextlib
import copy
import inspect
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import pytest
from sklearn.linear_model import Ridge

import multitrack
from multitrack import keras_tuner as tuners
from searches import KINDS, WARNINGS, as_plain, build, make, ours, search, without_times

pytestmark = WARNINGS


#: The behaviours that are an exception, lest two be alike because the test itself is wrong.
RAISING = {
    "no hypermodel", "a hypermodel that is none", "an argument that does not exist", "an objective without a direction",
    "an objective that is none", "nothing to tune", "nothing allowed", "a new entry", "a build that fails", "a pickle",
    "a trial that there is none of", "Tuner, no hypermodel", "Tuner, no oracle",
    "SklearnTuner, no oracle",
}  # fmt: skip


def raised(found: Any) -> bool:
    return isinstance(found[0], dict) and "raised" in found[0]


def outcome(behaviour: Callable[..., Any], *args: Any) -> Any:
    """What came of it: the value, or the exception's type and text, and what was printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            value = behaviour(*args)
        except Exception as error:
            value = {"raised": [type(error).__name__, str(error)]}
    return as_plain([value, without_times(printed.getvalue())])


# -- making one ---------------------------------------------------------------------------------------------------


def other_space() -> Any:
    space = keras_tuner.HyperParameters()
    space.Int("another", 1, 3)
    return space


def described(tuner: Any) -> Any:
    """Every attribute of a tuner and its oracle that is plain, and the types of the others."""
    plain = (int, float, str, bool, type(None), list)
    return [
        {name: value if isinstance(value, plain) else type(value).__name__ for name, value in vars(thing).items()}
        for thing in (tuner, tuner.oracle)
    ]


def parameters(function: Any) -> list[str]:
    return [f"{p.kind} {p.name} {p.default}" for p in inspect.signature(function).parameters.values()]


def methods(cls: Any) -> Any:
    names = [name for name in dir(cls) if name[0] != "_" and callable(getattr(cls, name))]
    return {name: parameters(getattr(cls, name)) for name in names}


def asked_and_told(tuner: Any) -> Any:
    trial = tuner.oracle.create_trial("tuner0")
    tuner.oracle.update_trial(trial.trial_id, {"val_loss": 0.5})
    trial.status = "COMPLETED"
    tuner.oracle.end_trial(trial)
    return tuner.oracle.get_trial(trial.trial_id).score


ALL_ARGUMENTS = {
    "executions_per_trial": 2, "max_retries_per_trial": 3, "max_consecutive_failed_trials": 4, "tuner_id": "mine",
    "max_model_size": 9, "loss": "mae", "optimizer": "adam", "metrics": ["mae"], "overwrite": True, "seed": 5,
}  # fmt: skip

#: Each makes a tuner of a class, or fails to, and looks at it.
MAKING: dict[str, Callable[[Any], Any]] = {
    "no hypermodel": lambda cls: bool(cls(objective="val_loss")),
    "a hypermodel that is none": lambda cls: cls(3, objective="val_loss"),
    "an argument that does not exist": lambda cls: cls(build, objective="val_loss", max_trails=3),
    "an objective without a direction": lambda cls: cls(build, objective="my_own"),
    "an objective that is none": lambda cls: cls(build, objective=3),
    "nothing to tune": lambda cls: make(cls, build, tune_new_entries=False),
    "nothing allowed": lambda cls: make(cls, build, allow_new_entries=False),
    "a new entry": lambda cls: make(cls, build, allow_new_entries=False, hyperparameters=other_space()),
    "a build that fails": lambda cls: make(cls, lambda hp: 1 / 0),
    "defaults": lambda cls: described(cls(build)),
    "all arguments": lambda cls: described(make(cls, build, hyperparameters=other_space(), **ALL_ARGUMENTS)),
    "directories": lambda cls: [str(make(cls, build).project_dir), make(cls, build).get_trial_dir("7")],
    "name": lambda cls: [cls.__name__, cls.__qualname__],
    "parameters": parameters,
    "parameters of methods": methods,
    "nothing searched": lambda cls: [make(cls, build).get_best_models(2), make(cls, build).get_best_hyperparameters()],
    "remaining": lambda cls: make(cls, build).remaining_trials,
    "space_summary": lambda cls: make(cls, build).search_space_summary(extended=True),
    "results_summary": lambda cls: make(cls, build).results_summary(),
    "asked and told by hand": lambda cls: asked_and_told(make(cls, build)),
    "a deep copy": lambda cls: described(copy.deepcopy(make(cls, build))),
    "a pickle": lambda cls: pickle.dumps(make(cls, build)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_tuner_is_made_as_with_keras_tuner(kind, project, monkeypatch):
    plain = getattr(keras_tuner, kind)
    assert issubclass(ours(plain), plain)
    assert inspect.getdoc(plain) in inspect.getdoc(ours(plain))
    for number, (name, behaviour) in enumerate(MAKING.items()):
        found = []
        for cls in (plain, ours(plain)):
            where = project / cls.__module__ / str(number)
            where.mkdir(parents=True)
            monkeypatch.chdir(where)
            keras.utils.set_random_seed(5)
            found.append(outcome(behaviour, cls))
        assert found[1] == found[0], name
        goes_without = (kind, name) == ("Hyperband", "no hypermodel")
        assert raised(found[0]) == (name in RAISING and not goes_without), (name, found[0])


# -- after a search -----------------------------------------------------------------------------------------------


def weights(model: Any) -> Any:
    return [weight.tolist() for weight in model.get_weights()]


def reloaded(tuner: Any) -> Any:
    again = make(type(tuner), build, max_trials=2)
    assert isinstance(again, keras_tuner.RandomSearch)
    trials = [again.oracle.get_trial(key).get_state() for key in again.oracle.end_order]
    return [trials, again.remaining_trials, [weights(model) for model in again.get_best_models(2)]]


def reloaded_into(cls: Any) -> Callable[[Any], Any]:
    """As the other kind of class."""
    return lambda tuner: [weights(model) for model in make(cls, build, max_trials=2).get_best_models(2)]


def begun_anew(tuner: Any) -> Any:
    again = make(type(tuner), build, max_trials=2, overwrite=True)
    return [again.oracle.trials, sorted(path.name for path in Path(again.project_dir).iterdir())]


#: Each looks at a tuner that has searched; what removes its files comes last.
SEARCHED: dict[str, Callable[[Any], Any]] = {
    "get_best_models": lambda tuner: [weights(model) for model in tuner.get_best_models(2)],
    "get_best_models, one": lambda tuner: [weights(model) for model in tuner.get_best_models()],
    "get_best_hyperparameters": lambda tuner: [hp.values for hp in tuner.get_best_hyperparameters(5)],
    "the best model built": lambda tuner: weights(tuner.hypermodel.build(tuner.get_best_hyperparameters()[0])),
    "load_model": lambda tuner: weights(tuner.load_model(tuner.oracle.get_trial("1"))),
    "results_summary": lambda tuner: tuner.results_summary(),
    "results_summary, one": lambda tuner: tuner.results_summary(num_trials=1),
    "search_space_summary": lambda tuner: tuner.search_space_summary(),
    "remaining_trials": lambda tuner: tuner.remaining_trials,
    "oracle": lambda tuner: [
        tuner.oracle.get_trial("0").score, tuner.oracle.get_space().get_config(), str(tuner.oracle.objective),
        tuner.oracle.end_order, [trial.trial_id for trial in tuner.oracle.get_best_trials(5)],
    ],
    "a trial that there is none of": lambda tuner: tuner.oracle.get_trial("9"),
    "attributes": lambda tuner: described(tuner)[1],
    "get_state": lambda tuner: tuner.get_state(),
    "save": lambda tuner: tuner.save(),
    "reload": lambda tuner: tuner.reload(),
    "another tuner on its directory": reloaded,
    "KerasTuner's class on its directory": reloaded_into(keras_tuner.RandomSearch),
    "our class on its directory": reloaded_into(tuners.RandomSearch),
    "another objective on its directory": lambda tuner: make(
        type(tuner), build, max_trials=2, objective="loss"
    ).get_best_hyperparameters()[0].values,
    "a deep copy": lambda tuner: [hp.values for hp in copy.deepcopy(tuner).get_best_hyperparameters(5)],
    "a copy": lambda tuner: [hp.values for hp in copy.copy(tuner).get_best_hyperparameters(5)],
    "a pickle": lambda tuner: pickle.dumps(tuner),
    "run_trial by hand": lambda tuner: [
        history.history for history in tuner.run_trial(
            tuner.oracle.get_trial("0"), *tuner.data, validation_data=tuner.data, epochs=1, verbose=0
        )
    ],
    "search, with an argument that does not exist": lambda tuner: make(
        type(tuner), build, overwrite=True, max_trials=2, max_consecutive_failed_trials=9
    ).search(*tuner.data, nosuch=1, verbose=0),
    "overwrite": begun_anew,
}  # fmt: skip


def test_a_tuner_that_has_searched_is_as_with_keras_tuner(data, project, monkeypatch):
    data = tuple(column[:20] for column in data)
    found = {}
    for cls in (keras_tuner.RandomSearch, tuners.RandomSearch):
        where = project / cls.__module__
        where.mkdir()
        monkeypatch.chdir(where)
        keras.utils.set_random_seed(5)
        tuner = make(cls, build, max_trials=2)
        search(tuner, data, epochs=1)
        tuner.data = data  # for those that train once more
        found[cls] = {}
        for name, behaviour in SEARCHED.items():
            keras.utils.set_random_seed(5)
            found[cls][name] = outcome(behaviour, tuner)
    plain, tracked = found.values()
    for name in SEARCHED:
        assert tracked[name] == plain[name], name
        assert raised(plain[name]) == (name in RAISING), (name, plain[name])
    assert plain["get_best_models"] == plain["our class on its directory"][:1] + plain["get_best_models"][1:]
    assert set(vars(tuner)) - {"data"} == set(vars(keras_tuner.RandomSearch(build))) | {"_tracking"}
    assert set(dir(tuners.RandomSearch)) - set(dir(keras_tuner.RandomSearch)) <= {
        "runs", "parent_run", "_tracking", "__annotations__", "__annotate__", "__getstate__"
    }  # fmt: skip


# -- copies, in the middle of a search ----------------------------------------------------------------------------


def test_a_callback_may_hold_the_tuner_and_runs(data, project):
    """KerasTuner copies callbacks deeply; where it cannot, the search ends with a ``FatalValueError``."""

    class Holds(keras.callbacks.Callback):
        def __init__(self, **held: Any) -> None:
            super().__init__()
            self.held = held

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.held["run"].log_metric("seen", epoch, step=epoch)
            assert self.held["tuner"].runs == {}  # a copy's
            multitrack.active_run().log_metric("seen", 1.0)

    with multitrack.start_run() as run:
        tuner = make("RandomSearch", build, max_trials=2)
        search(tuner, data, callbacks=[Holds(tuner=tuner, run=run)])
        copied = copy.deepcopy({"run": run, "tuner": tuner})
    assert copied["run"] is run
    assert copied["tuner"].runs == {}
    assert set(tuner.runs) == {"0", "1"}
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["COMPLETED", "COMPLETED"]


# -- tracked() ----------------------------------------------------------------------------------------------------


@tuners.tracked
class Decorated(keras_tuner.RandomSearch):
    """One's own, in the place of its class."""

    def __init__(self, *args: Any, project_name: str = "toy", **kwargs: Any) -> None:
        super().__init__(*args, project_name=project_name, **kwargs)

    def search(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Two arguments."""
        return super().search(x, y, validation_data=(x, y), verbose=0)


def test_tracked_as_a_decorator_leaves_name_place_and_signatures(data, project, recorded):
    assert b"Decorated" in pickle.dumps(Decorated)  # it is found under its name
    assert repr(Decorated) == f"<class '{__name__}.Decorated'>"
    assert Decorated.__doc__ == "One's own, in the place of its class."
    assert parameters(Decorated)[1:] == ["KEYWORD_ONLY project_name toy", "VAR_KEYWORD kwargs <class 'inspect._empty'>"]
    assert list(inspect.signature(Decorated.search).parameters) == ["self", "x", "y"]
    assert Decorated.search.__doc__ == "Two arguments."
    tuner = Decorated(build, objective="val_loss", max_trials=1)
    tuner.search(*data)
    assert recorded(tuner.parent_run).summary().params["search/tuner"] == "Decorated"


def test_tracked_says_what_it_takes():
    assert tuners.tracked(tuners.RandomSearch) is tuners.RandomSearch
    with pytest.raises(TypeError, match="takes a tuner class"):
        tuners.tracked(dict)

    class Runs(keras_tuner.RandomSearch):
        def runs(self) -> int:
            return 3

    with pytest.raises(TypeError, match=r"the property 'runs', which .*Runs already has"):
        tuners.tracked(Runs)


#: Of the classes that take an oracle.
WITH_AN_ORACLE: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "Tuner, no hypermodel": (keras_tuner.Tuner, lambda cls: cls(oracle())),
    "Tuner, no oracle": (keras_tuner.Tuner, lambda cls: cls(3, build)),
    "Tuner": (keras_tuner.Tuner, lambda cls: described(cls(oracle(), build))),
    "Tuner's methods": (keras_tuner.Tuner, methods),
    "SklearnTuner, no oracle": (keras_tuner.SklearnTuner, lambda cls: cls(None, ridge)),
    "SklearnTuner": (keras_tuner.SklearnTuner, lambda cls: described(cls(oracle(), ridge))),
    "SklearnTuner's methods": (keras_tuner.SklearnTuner, methods),
    "SklearnTuner's model": (keras_tuner.SklearnTuner, lambda cls: fitted(cls(oracle(), ridge, directory="tuning"))),
}


def oracle() -> Any:
    return keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective("score", "max"), max_trials=2, seed=5)


def ridge(hp: Any) -> Any:
    return Ridge(alpha=hp.Float("alpha", 0.1, 1))


def fitted(tuner: Any) -> Any:
    rows = keras.utils.to_categorical([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    tuner.search(rows, rows[:, 0])
    tuner.results_summary()
    return [model.predict(rows).tolist() for model in tuner.get_best_models(2)]


@pytest.mark.parametrize("name", WITH_AN_ORACLE)
def test_classes_that_take_an_oracle_are_as_with_keras_tuner(name, project, monkeypatch):
    cls, behaviour = WITH_AN_ORACLE[name]
    found = []
    for place, used in (("plain", cls), ("tracked", tuners.tracked(cls))):
        (project / place).mkdir()
        monkeypatch.chdir(project / place)
        found.append(outcome(behaviour, used))
    assert found[1] == found[0]
    assert raised(found[0]) == (name in RAISING), found[0]
