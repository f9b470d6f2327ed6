"""The contract passes a backend that is right, and finds the bugs that are planted in it, each by a test that fits."""

import inspect
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import multitrack
import planted_bugs as bugs
from json_tracker import JsonTracker, read_run
from multitrack.testing import BackendContract, Capabilities, NativeRun, contract_hooks


class JsonContract(BackendContract):
    backend = "json"
    examples = 10

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"directory": str(tmp_path / "json")}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return read_run(tmp_path / "json" / f"{backend_id}.json")


class Bug(NamedTuple):
    """A planted bug, the test of the contract that finds it, and what its message says."""

    tracker: type[JsonTracker]
    test: str
    message: str


BUGS = [
    Bug(bugs.IgnoresSteps, "a_series_keeps_every_point", "has it at another step"),
    Bug(bugs.DropsNan, "nan_is_kept", "does not show where the training diverged"),
    Bug(bugs.RestartsLists, "a_resumed_run_goes_on", "two curves on top of each other"),
    Bug(bugs.AppliesTwice, "a_redelivery_doubles_nothing", "delivered again are there twice"),
    Bug(bugs.StampsNow, "a_series_keeps_every_point", "when the points were delivered, not when they were logged"),
    Bug(bugs.CutsParams, "a_long_param_is_not_truncated", "the end of a long param is lost"),
    Bug(bugs.Uploads, "references_are_kept_without_copying", "the reference leads to a copy"),
    Bug(bugs.JoinsLines, "lines_keep_order_and_text", "lines of the log are joined"),
    Bug(bugs.LosesStatus, "how_a_run_ended", "shows a run that failed as finished"),
    Bug(bugs.MixesRuns, "two_runs_do_not_meet", "records of one run are shown in another"),
    Bug(bugs.AppliesTwice, "a_killed_courier_goes_on_in_other_batches", "delivered again are there twice"),
    Bug(bugs.KeepsInMemory, "a_killed_courier_goes_on_in_other_batches", "or missing: the chart is wrong"),
    Bug(bugs.StartsAnew, "a_finished_run_is_found_again", "lists the run twice"),
    Bug(bugs.FindsNothing, "a_finished_run_is_found_again", "not listed under its search"),
    Bug(bugs.SharesState, "several_runs_at_once", "records of one run are shown in another|each other's names"),
    Bug(bugs.LinksOpenRunsOnly, "a_child_that_ended_before_its_parent_arrived", "not listed under its search"),
    Bug(bugs.LosesDigests, "references_are_kept_without_copying", "whether a file is still the one"),
    Bug(bugs.LosesVersions, "references_are_kept_without_copying", "or its version"),
    Bug(bugs.IsBoundToItsThread, "a_killed_courier_goes_on_in_other_batches", "another thread"),
    Bug(bugs.HasNoUrl, "an_empty_run", "no browser opens it"),
    Bug(bugs.ReadsOtherTags, "a_run_is_read_back", "values are lost or altered"),
    Bug(bugs.ReadsLastPoints, "a_run_is_read_back", "values are lost or altered"),
    Bug(bugs.IgnoresMisspeltOptions, "options_are_checked", "a misspelt option in a config is silently ignored"),
    Bug(bugs.AsksForTheWholeEnvironment, "environment_variables_are_names", "with every secret"),
]


class TestRight(JsonContract):
    @pytest.fixture(autouse=True)
    def tracker(self, monkeypatch: pytest.MonkeyPatch) -> None:
        register(monkeypatch, JsonTracker)


def register(monkeypatch: pytest.MonkeyPatch, tracker: type[JsonTracker]) -> None:
    """Register a tracker until the end of the test."""
    monkeypatch.setattr("multitrack.plugins.registry._registered", {})
    multitrack.register(tracker())


def run_test(contract: BackendContract, name: str, tmp_path: Path) -> None:
    """Run a test of the contract as pytest does."""
    test = getattr(contract, f"test_{name}")
    given = {"tmp_path": tmp_path, "status": "failed"}
    test(**{name: given[name] for name in inspect.signature(test).parameters})


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug.tracker.__name__}-{bug.test}")
def test_each_bug_is_found(bug: Bug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, bug.tracker)
    with pytest.raises(AssertionError, match=bug.message):
        run_test(JsonContract(), bug.test, tmp_path)


def test_a_text_in_place_of_sentences_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, bugs.ReturnsText)
    with pytest.raises(pytest.fail.Exception, match=r"no sentences: .*; a hook returns a list of them"):
        JsonContract().test_lines_keep_order_and_text(tmp_path)


def test_a_silent_stand_in_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Declared(JsonContract):
        capabilities = Capabilities(nan=False, stand_ins={"nan": "nothing, in truth"})

    register(monkeypatch, bugs.DropsNan)
    with pytest.raises(pytest.skip.Exception, match=r"json declares nan=False; stand-in: nothing, in truth"):
        Declared().test_nan_is_kept(tmp_path / "declared")
    with pytest.raises(AssertionError, match="no report says so"):
        Declared().test_points_beside_one_that_is_not_finite_are_kept(tmp_path / "silent")


def test_an_sdk_that_a_start_imports_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Files(BackendContract):
        backend = "files"

    Files().test_a_start_imports_no_sdk(tmp_path)
    monkeypatch.setattr(contract_hooks, "_required", lambda distribution: {"json"})  # which every start imports
    with pytest.raises(AssertionError, match="waits for the SDK"):
        Files().test_a_start_imports_no_sdk(tmp_path)
