"""The notes on a search: the attempts of each trial, in all processes, without a look at all other trials."""

from __future__ import annotations

from collections.abc import ItemsView
from pathlib import Path

import pytest

from multitrack.keras_tuner.notes import Notes, Sidecar


class Many(dict[str, list[str]]):
    """Trials that nothing may go through: there may be thousands."""

    def items(self) -> ItemsView[str, list[str]]:
        raise AssertionError("went through all trials")

    __iter__ = keys = values = items  # type: ignore[assignment]


def notes(directory: Path, worker: str | None = None, search: str | None = None) -> Notes:
    found = Notes(lambda: str(directory), worker)
    found.journal = directory / "journal"
    if search is not None:
        found.own.search = search
    return found


def test_an_attempt_is_found_by_its_trial_alone(tmp_path: Path) -> None:
    chief = notes(tmp_path)
    chief.own.trials["7"] = ["b"]
    chief.save()
    worker, stranger = notes(tmp_path, "tuner0", chief.own.search), notes(tmp_path, "tuner1", "another search")
    worker.own.trials |= {"7": ["a", "c"], "8": ["d"]}
    stranger.own.trials["7"] = ["e"]
    worker.save()
    stranger.save()
    (tmp_path / "multitrack-broken.json").write_text("{")
    (tmp_path / "trial_7").mkdir()
    (tmp_path / "trial_7" / "multitrack.json").write_text("{}")
    assert chief.trials() == {"7": ["a", "b", "c"], "8": ["d"]}
    chief.own.trials = Many(chief.own.trials)
    assert chief.attempts("7") == ["a", "b", "c"]
    assert chief.attempts("8") == ["d"]
    assert chief.attempts("9") == []


def test_a_new_attempt_is_noted_before_its_run_begins(tmp_path: Path) -> None:
    own = notes(tmp_path)
    run_id, number = own.begin("0")
    assert number == 1
    assert own.begin("0") == (run_id, 1)  # it has never begun
    (tmp_path / "journal" / "runs" / run_id).mkdir(parents=True)
    (tmp_path / "journal" / "runs" / run_id / "manifest.json").touch()
    again, number = own.begin("0")
    assert (again != run_id, number) == (True, 2)
    read = Sidecar.read(tmp_path / "multitrack.json")
    assert read is not None
    assert read.trials == {"0": [run_id, again]}


def test_a_directory_that_is_gone_has_no_other_notes(tmp_path: Path) -> None:
    own = notes(tmp_path / "gone")
    own.own.trials["0"] = ["a"]
    assert own.attempts("0") == ["a"]
    with pytest.raises(OSError, match="gone"):
        own.save()
