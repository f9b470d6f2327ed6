"""Two machines that share a journal, without locks that hold between them: ``host_rounds.py`` in short."""

from pathlib import Path

import pytest

from host_rounds import HostRound
from rounds import Death
from trackers import QUIET, TRACKERS, environment

ROUNDS = {
    "hangs": ("files", "apart", "lease", [Death("hangs", "courier"), Death("hangs", "both")]),
    "killed": ("mlflow", "apart", "lease", [Death("killed", "courier"), Death("killed", "both")]),
    "no locks at all": ("files", "none", "auto", [Death("hangs", "both"), Death("killed", "both")]),
    "hangs in a transaction": ("mlflow", "none", "auto", [Death("hangs", "courier"), Death("hangs", "both")]),
}


@pytest.mark.long("hangs")
@pytest.mark.slow
@pytest.mark.timeout(900)  # each `multitrack sync` loads the trackers
@pytest.mark.parametrize("name", ROUNDS)
def test_what_was_acknowledged_is_there_once_after_two_machines(
    name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in QUIET.items():
        monkeypatch.setenv(variable, value)
    tracker, locks, setting, deaths = ROUNDS[name]
    base = {**environment(tmp_path), "XDG_CACHE_HOME": str(tmp_path_factory.getbasetemp().parent / "mlflow-cache")}
    with TRACKERS[tracker].serve(tmp_path) as served:
        played = HostRound(
            tmp_path / "round", {tracker: served}, deaths, base, seed=len(name), locks=locks, setting=setting
        )
        outcome = played.play()
    assert {where: misses.told for where, misses in outcome.misses.items() if misses} == {}
    assert outcome.deaths == deaths
    assert outcome.acknowledged > 50
