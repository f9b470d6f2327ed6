"""What fails in a search, and a recording that fails: each trial's run says so, and the search goes as KerasTuner says."""

from typing import Any

import keras
import keras_tuner
import pytest

import multitrack
from multitrack import keras_tuner as tuners
from searches import WARNINGS, build, make, search, states

pytestmark = WARNINGS


def test_a_failing_build_fails_its_trial_only(data, project, journal):
    calls: list[int] = []

    def building(hp: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:  # the first call is KerasTuner's own, looking for hyperparameters
            raise ZeroDivisionError("no such model")
        return build(hp)

    tuner = make("RandomSearch", building, project, max_trials=3)
    search(tuner, data, epochs=1)
    runs = journal()
    assert [runs[f"trial-{key}"].summary().status for key in "012"] == ["finished", "failed", "finished"]
    failed = runs["trial-1"]
    assert failed.summary().tags["keras_tuner/status"] == "FAILED"
    lines = list(failed.get_lines())
    assert lines[-1].text == "ZeroDivisionError: no such model"
    assert lines[-1].stream == "stderr"
    assert "score" not in failed.summary().metrics
    assert failed.summary().params["tenths"] == tuner.oracle.get_trial("1").hyperparameters.values["tenths"]
    assert runs["toy"].summary().status == "finished"
    assert all(run.summary().mistakes == 0 for run in runs.values())


def test_a_retried_trial_has_a_run_for_each_attempt(data, project, journal):
    calls: list[int] = []

    def fitting(model: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise ZeroDivisionError("once")
        return model.fit(*args, **kwargs)

    class Shaky(keras_tuner.HyperModel):
        def build(self, hp: Any) -> Any:
            return build(hp)

        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            return fitting(model, *args, **kwargs)

    tuner = make("RandomSearch", Shaky(), project, max_trials=2, max_retries_per_trial=1, executions_per_trial=2)
    search(tuner, data, epochs=1)
    runs = journal()
    statuses = {name: run.summary().status for name, run in runs.items()}
    assert statuses == {
        "toy": "finished", "trial-0": "failed", "trial-0-e1": "finished", "trial-0-e2": "failed", "trial-0-a2": "finished",
        "trial-0-a2-e1": "finished", "trial-0-a2-e2": "finished", "trial-1": "finished", "trial-1-e1": "finished",
        "trial-1-e2": "finished",
    }  # fmt: skip
    assert runs["trial-0"].summary().tags["keras_tuner/status"] == "INVALID"
    assert [line.text for line in runs["trial-0-e2"].get_lines()][-1] == "ZeroDivisionError: once"
    assert tuner.runs["0"].name == "trial-0-a2"
    assert runs["trial-0-a2"].summary().lines == 0


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), "killed"), (SystemExit(3), "killed"), (keras_tuner.errors.FatalError("x"), "failed")],
)
def test_what_stops_the_search_ends_its_runs_and_goes_up(data, project, journal, error, status):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if multitrack.active_run().name == "trial-1-e2":
                raise error

        def __deepcopy__(self, memo: Any) -> Any:
            return self

    tuner = make("RandomSearch", build, project, max_trials=3, executions_per_trial=2)
    with pytest.raises(type(error)) as raised:
        search(tuner, data, epochs=1, callbacks=[Stop()])
    assert raised.value is error
    statuses = {name: run.summary().status for name, run in journal().items()}
    assert statuses == {
        "toy": status, "trial-0": "finished", "trial-0-e1": "finished", "trial-0-e2": "finished",
        "trial-1": status, "trial-1-e1": "finished", "trial-1-e2": status,
    }  # fmt: skip
    assert any("FatalError" in line.text for line in journal()["toy"].get_lines()) == (status == "failed")
    assert multitrack.active_run().disabled
    assert journal()["toy"].summary().tags["best_trial"] == "0"


def test_too_many_failures_in_a_row_end_the_search_as_failed(data, project, journal):
    calls: list[int] = []

    def building(hp: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise ZeroDivisionError
        return build(hp)

    tuner = make("RandomSearch", building, project, max_trials=9, max_consecutive_failed_trials=2)
    with multitrack.start_run(name="mine") as run:
        with pytest.raises(RuntimeError, match="consecutive failures"):
            search(tuner, data)
        assert run.status == "running"
    statuses = {name: held.summary().status for name, held in journal().items()}
    assert statuses == {"mine": "finished", "trial-0": "failed", "trial-1": "failed"}


@pytest.mark.filterwarnings("ignore:All-NaN axis encountered:RuntimeWarning")
def test_each_attempt_says_why_it_failed(project, journal):
    outcomes = iter([0.5, ZeroDivisionError("first"), float("nan"), keras_tuner.errors.FatalError("enough")])

    class Box(keras_tuner.RandomSearch):
        def run_trial(self, trial: Any) -> float:
            trial.hyperparameters.Int("x", 1, 9)
            outcome = next(outcomes)
            if isinstance(outcome, Exception):
                trial.hyperparameters.Fixed("late", 3)
                raise outcome
            return outcome

    tuner = tuners.tracked(Box)(max_trials=5, max_retries_per_trial=1, seed=3)
    with pytest.raises(keras_tuner.errors.FatalError):
        tuner.search()
    runs = journal()
    last = {name: [line.text for line in run.get_lines()][-1:] for name, run in runs.items() if "trial" in name}
    assert last == {
        "trial-0": [],
        "trial-1": ["ZeroDivisionError: first"],
        "trial-1-a2": ["KerasTuner counts this attempt as FAILED: its score is nan"],
        "trial-2": ["keras_tuner.src.errors.FatalError: enough"],
    }
    assert runs["trial-1-a2"].summary().lines == 1  # not those of the first attempt, which KerasTuner keeps
    assert runs["trial-1-a2"].summary().metrics == {}
    assert runs["trial-2"].summary().params["late"] == 3  # asked for just before the end


@pytest.mark.parametrize("executions", [1, 2])
def test_an_objective_that_is_never_logged_is_keras_tuners_to_complain_of(data, project, journal, executions):
    """The commonest mistake: ``val_loss`` without validation data."""
    tuner = make("RandomSearch", build, project, max_trials=1, executions_per_trial=executions)
    search(tuner, data, validation_data=None)
    runs = journal()
    assert {run.summary().mistakes for run in runs.values()} == {0}
    assert runs["trial-0"].summary().status == "failed"
    assert "KeyError: 'val_loss'" in "\n".join(line.text for line in runs["trial-0"].get_lines())


def test_an_oversized_model_fails_its_trial_without_a_retry(data, project, journal):
    tuner = make("RandomSearch", build, max_trials=2, max_model_size=4, max_retries_per_trial=3)
    search(tuner, data)
    runs = journal()
    assert set(runs) == {"toy", "trial-0", "trial-1"}
    for key in "01":
        assert runs[f"trial-{key}"].summary().tags["keras_tuner/status"] == "FAILED"
        assert [line.text for line in runs[f"trial-{key}"].get_lines()][-1].endswith(
            "Oversized model: 5 parameters. Skip model."
        )
    assert "best_score" not in runs["toy"].summary().metrics


@pytest.mark.long("log_metrics", "end")
@pytest.mark.parametrize("broken", ["log_params", "log_metrics", "log_lines", "set_tags", "end"])
def test_a_broken_recording_never_reaches_the_search(data, project, monkeypatch, broken):
    keras.utils.set_random_seed(5)
    plain = make(keras_tuner.RandomSearch, build, project / "plain", max_trials=2)
    search(plain, data)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("no")

    keras.utils.set_random_seed(5)
    tuner = make("RandomSearch", build, project, max_trials=2)
    monkeypatch.setattr(multitrack.Run, broken, fail)
    search(tuner, data)
    monkeypatch.undo()
    assert states(tuner) == states(plain)
    assert tuner.parent_run.mistakes + sum(run.mistakes for run in tuner.runs.values()) > 0
    for run in [*tuner.runs.values(), tuner.parent_run]:
        run.end()


def test_child_runs_that_cannot_start_are_set_aside(data, project, monkeypatch, journal):
    real = multitrack.start_run

    def fail_below(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("parent") is not None:
            raise OSError("disk full")
        return real(*args, **kwargs)

    monkeypatch.setattr("multitrack.keras_tuner.search.start_run", fail_below)
    tuner = make("RandomSearch", build, project, max_trials=2)
    search(tuner, data)
    assert len(tuner.oracle.end_order) == 2
    assert tuner.runs == {}
    assert journal()["toy"].summary().mistakes == 2
    assert journal()["toy"].summary().status == "finished"


def test_a_wrong_config_is_said_before_any_trial(data, project):
    tuner = make("RandomSearch", build, project, max_trials=2)
    (project / "multitrack.toml").write_text('backends = ["nosuch"]\n')
    with pytest.raises(multitrack.ConfigError, match="nosuch"):
        search(tuner, data)
    assert not tuner.oracle.trials
