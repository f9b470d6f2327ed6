"""The directory of a search of KerasTuner's own tuner, imported into a journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

import multitrack
from multitrack.errors import SourceError
from multitrack.hookspecs import Gap
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source

pytestmark = [
    pytest.mark.slow,
    pytest.mark.backends("tensorflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner"),
]


def build(hp: Any) -> keras.Model:
    hp.Int("units", 1, 4)
    hp.Choice("kind", ["a", "b"])
    if hp.Boolean("fails"):
        raise ValueError("too much")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(hp.get("units")), keras.layers.Dense(1)])
    model.compile(loss="mse", metrics=["mae"])
    return model


@pytest.fixture(scope="module")
def tuner(tmp_path_factory: pytest.TempPathFactory) -> keras_tuner.Tuner:
    directory = tmp_path_factory.mktemp("searches")
    found = keras_tuner.RandomSearch(
        build, objective="val_mae", max_trials=4, executions_per_trial=2, seed=3, directory=directory,
        project_name="untracked", max_retries_per_trial=0, max_consecutive_failed_trials=9,
    )  # fmt: skip
    x, y = np.ones((8, 2)), np.ones((8, 1))
    found.search(x, y, validation_data=(x, y), epochs=2, verbose=0)
    return found


@pytest.mark.parametrize("inside", ["", "untracked"])
def test_a_search_is_a_run_and_its_trials_are_its_children(
    tuner: keras_tuner.Tuner, tmp_path: Path, inside: str
) -> None:
    place = Path(tuner.directory) / inside
    source = open_source(str(place))
    assert "no times and no curves" in source.notes[0]
    found = list(import_runs(source, tmp_path))
    assert {run.outcome for run in found if isinstance(run, Imported)} == {"new"}
    trials = {trial.trial_id: trial for trial in tuner.oracle.trials.values()}
    assert len(found) == 1 + len(trials) == 5
    reader = multitrack.open_journal(tmp_path)
    search = reader.run("untracked")
    best = tuner.oracle.get_best_trials(1)[0]
    assert search.summary().tags == {"best_trial": best.trial_id}
    assert search.summary().simple == {"best_score": best.score}
    assert {run.id for run in reader.runs(parent="untracked")} == {f"untracked-{name}" for name in trials}
    statuses = set()
    for name, trial in trials.items():
        run = reader.run(f"untracked-{name}")
        summary = run.summary()
        statuses.add(summary.status)
        assert summary.status == {"COMPLETED": "finished", "INVALID": "failed", "FAILED": "failed"}[trial.status]
        assert {key: summary.params[key] for key in trial.hyperparameters.values} == trial.hyperparameters.values
        if trial.score is not None:
            assert (summary.simple["score"], summary.simple["best_step"]) == (trial.score, trial.best_step)
            (observed,) = trial.metrics.get_history("val_mae")
            (point,) = run.get_metrics()["val_mae"]
            assert (point.step, point.value) == (observed.step, pytest.approx(observed.mean()))
    assert statuses == {"finished", "failed"}
    assert {run.outcome for run in import_runs(open_source(str(place)), tmp_path)} == {"unchanged"}


def test_a_damaged_trial_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    for name in ("0", "1"):
        (tmp_path / "s" / f"trial_{name}").mkdir(parents=True)
    (tmp_path / "s" / "oracle.json").write_text("{}")
    observations = [{"value": [1.0, 3.0], "step": 2}, {"value": None, "step": 3}]  # of two executions; of none
    metrics = {"metrics": {"loss": {"direction": "min", "observations": observations}}}
    trial = {"trial_id": "0", "status": "RUNNING", "metrics": metrics}
    (tmp_path / "s" / "trial_0" / "trial.json").write_text(json.dumps(trial))
    (tmp_path / "s" / "trial_1" / "trial.json").write_text('{"trial_id": "1"')
    gap, search, child = import_runs(open_source(str(tmp_path)), tmp_path / "journal")
    assert isinstance(gap, Gap)
    assert f"{tmp_path}/s/trial_1/trial.json: damaged: " in gap.reason
    assert (search.id, search.status, child.id) == ("s", "running", "s-0")
    assert dict(child.gaps) == {"metric loss: an observation without a value or step was left out": 1}
    run = multitrack.open_journal(tmp_path / "journal").run("s-0")
    assert [(point.step, point.value) for point in run.get_metrics()["loss"]] == [(2, 2.0)]
    assert run.get_list_metrics() == {"loss/executions": [1.0, 3.0]}
    with pytest.raises(SourceError, match=r"there is no oracle\.json in it"):
        open_source(str(tmp_path / "journal"), "keras-tuner")
