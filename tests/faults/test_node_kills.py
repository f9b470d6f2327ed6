"""The kill harness of a shared courier in short; ``node_kills.py`` is the long form."""

from pathlib import Path

import pytest

from node_rounds import NodeRound
from rounds import Death
from trackers import QUIET, TRACKERS, environment


@pytest.mark.slow
def test_eight_trainings_lose_nothing_when_their_courier_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in QUIET.items():
        monkeypatch.setenv(variable, value)
    deaths = [Death("flushed", "courier", "files", 5), Death("batch", "several")]
    with TRACKERS["files"].serve(tmp_path) as served:
        played = NodeRound(tmp_path / "round", {"files": served}, deaths, environment(tmp_path), seed=1)
        outcome = played.play()
    assert {where: misses.told for where, misses in outcome.misses.items() if misses} == {}
    assert outcome.deaths == deaths
    assert outcome.acknowledged > 100
