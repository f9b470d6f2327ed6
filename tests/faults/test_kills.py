"""The kill harness in short: every kind of moment and victim, in rounds of chosen deaths. ``kills.py`` is the long form."""

import contextlib
from pathlib import Path

import pytest

from multitrack.plugins import installed
from rounds import Death, Round
from trackers import QUIET, TRACKERS, environment

ROUNDS = {
    "between commit and position, in a batch, while it opens": (
        ["mlflow", "neptune"],
        [Death("flushed", "courier", "mlflow", 2), Death("batch", "both"), Death("opening", "training")],
    ),
    "while it ends, and in sync": (
        ["wandb", "neptune"],
        [Death("ending", "group"), Death("flushed", "sync", "wandb"), Death("closed", "sync", "wandb")],
    ),
    "in tables, whose parts are merged": (
        ["files"],
        [Death("flushed", "both", "files", 3), Death("batch", "courier"), Death("closed", "sync", "files")],
    ),
    "around a commit to one file": (
        ["trackio", "goodseed"],
        [
            Death("flushed", "courier", "trackio"),
            Death("taken", "both", "trackio"),
            Death("flushed", "both", "goodseed"),
            Death("closed", "sync", "trackio"),
        ],
    ),
    "with servers": (
        ["mlflow-http", "wandb-online"],
        [Death("taken", "both", "wandb"), Death("ending", "training")],
    ),
}


@pytest.mark.long("while it ends, and in sync")
@pytest.mark.slow
@pytest.mark.parametrize("name", ROUNDS)
def test_what_was_acknowledged_is_there_once(
    name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in QUIET.items():
        monkeypatch.setenv(variable, value)
    trackers, deaths = ROUNDS[name]
    # One cache for the session, so that a new MLflow store is migrated once.
    base = {**environment(tmp_path), "XDG_CACHE_HOME": str(tmp_path_factory.getbasetemp().parent / "mlflow-cache")}
    with contextlib.ExitStack() as servers:
        served = {tracker: servers.enter_context(TRACKERS[tracker].serve(tmp_path)) for tracker in trackers}
        outcome = Round(tmp_path / "round", served, deaths, base, seed=len(name)).play()
    assert {where: misses.told for where, misses in outcome.misses.items() if misses} == {}
    # Death by chance may come too late on a machine that hangs for seconds; death in a hook may not.
    assert [death for death in outcome.missed if death.backend] == []
    assert outcome.acknowledged > 50


def test_every_installed_backend_is_killed_for() -> None:
    assert {tracker.backend for tracker in TRACKERS.values()} >= set(installed())
