"""Tracked tuners where tracking is switched off, something they need is missing, or another process runs the trials."""

import importlib.util
import json
import subprocess
import sys
from typing import Any

import keras
import keras_tuner
import pytest

from searches import WARNINGS, build, make, search, states

pytestmark = WARNINGS


def test_disabled_writes_no_file(data, project, monkeypatch):
    keras.utils.set_random_seed(5)
    plain = make(keras_tuner.RandomSearch, build, project / "plain", max_trials=2)
    search(plain, data)
    monkeypatch.setenv("MULTITRACK_DISABLED", "1")
    keras.utils.set_random_seed(5)
    tuner = make("RandomSearch", build, project, max_trials=2, executions_per_trial=1)
    search(tuner, data)
    assert states(tuner) == states(plain)
    assert set(tuner.runs) == {"0", "1"}
    assert all(run.disabled for run in [tuner.parent_run, *tuner.runs.values()])
    assert sorted(path.name for path in project.iterdir()) == ["multitrack.toml", "plain", "tuning"]
    left = [
        sorted(str(p.relative_to(base)) for p in base.rglob("*"))
        for base in (project / "tuning", project / "plain/tuning")
    ]
    assert left[0] == left[1]


def test_a_missing_tensorboard_is_said_before_the_search(data, project, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorboard" else real(name))
    tuner = make("RandomSearch", build, project, max_trials=1)
    if keras.config.backend() != "tensorflow":  # elsewhere KerasTuner does without
        search(tuner, data)
        assert tuner.oracle.get_trial("0").status == "COMPLETED"
        return
    with pytest.raises(ImportError, match=r"tensorboard.*pip install '\.\[keras-tuner\]'"):
        search(tuner, data)
    assert not tuner.oracle.trials
    assert not (project / ".multitrack").exists()


@pytest.mark.parametrize("missing", ["keras_tuner", "six"])
def test_a_missing_keras_tuner_is_named_with_the_command(project, missing):
    # For KerasTuner alone: pandas needs six as well, and would not be there without it.
    code = f"""
import builtins, os
os.environ["KERAS_BACKEND"] = {keras.config.backend()!r}
real = builtins.__import__

def importing(name, globals=None, *rest, **named):
    if name == {missing!r} and (globals or {{}}).get("__name__", "").startswith(("keras_tuner", "multitrack")):
        raise ModuleNotFoundError("No module named " + name, name=name)
    return real(name, globals, *rest, **named)

builtins.__import__ = importing
try:
    import multitrack.keras_tuner
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    typed = "in a checkout, pip install '.[keras-tuner]'; from an index, pip install 'multitrack[keras-tuner]'"
    assert done.stdout == f"multitrack.keras_tuner needs {missing}: {typed}\n"


def test_the_chief_of_a_distributed_search_has_the_searchs_run(data, project, journal, monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "1")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    served: list[Any] = []

    def serve(oracle: Any) -> None:
        served.append((oracle, json.loads((project / "tuning/toy/multitrack.json").read_text())["parent"]))

    monkeypatch.setattr("keras_tuner.src.distribute.oracle_chief.start_server", serve)
    tuner = make("RandomSearch", build, project, max_trials=1)
    search(tuner, data)
    assert served == [(tuner.oracle, tuner.parent_run.id)]  # known before anybody can ask for it
    assert tuner.runs == {}
    assert set(journal()) == {"toy"}
    assert journal()["toy"].summary().status == "finished"
