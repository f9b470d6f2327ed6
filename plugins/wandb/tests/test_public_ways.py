"""Without any private name of the SDK, as on a release that has renamed them all: the public ways deliver the same."""

import contextlib
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import test_contract_wandb
import test_offline_faults
import test_online
from offline_runs import start
from stand_in_server import StandInServer
from wandb_file import read_wandb

import multitrack
from multitrack_wandb import sdk
from multitrack_wandb.internals import helper, isolation, lookup

pytestmark = [
    # They are for releases to come; the earlier ones have the names.
    pytest.mark.wandb_from(0, 31),
    # A history that fails is made small before it is shown, which takes minutes here.
    pytest.mark.timeout(900),
    # Nobody can wait for a helper process that was killed: the SDK keeps it to itself.
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]


@pytest.fixture(autouse=True)
def without_private_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    known = helper.known_settings

    def public_settings(sdk: Any, given: dict[str, Any]) -> dict[str, Any]:
        public = {key: value for key, value in given.items() if not key.startswith(helper.PRIVATE_SETTINGS)}
        return known(sdk, public)

    # As in a courier: nobody else uses the SDK, and no run of another test is open.
    with contextlib.suppress(ConnectionError):  # a test before this one has killed the SDK's helper process
        sdk.imported().teardown()
    sdk._live.clear()
    monkeypatch.setattr(isolation, "_is_ours_alone", True)
    monkeypatch.setattr(lookup, "find", lambda name: None)
    monkeypatch.setattr(lookup, "reach", lambda thing, path: None)
    monkeypatch.setattr(helper, "known_settings", public_settings)
    yield
    gc.collect()


@pytest.mark.long("test_any_history", "test_a_resumed_run_goes_on", "test_a_redelivery_doubles_nothing")
class TestPublicWays(test_contract_wandb.TestWandb):
    """The whole contract."""


def test_none_of_the_names_is_used_and_nothing_is_said(tmp_path: Path, server: StandInServer) -> None:
    assert lookup.missing() == list(lookup.NAMES)
    for run in (start(tmp_path), test_online.start(tmp_path, server)):
        run.log_metric("loss", 0.5, step=0)
        run.log_lines("one")
        run.end()
        multitrack.sync(tmp_path / "journal")
        report = run.flush(timeout=0)["wandb"]
        assert (report.pending, report.stand_ins) == (0, [])


def test_variables_that_are_about_runs_are_hidden_while_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"WANDB_RUN_GROUP": "theirs", "WANDB_TAGS": "theirs", "WANDB_RUN_ID": "theirs", "WANDB_SWEEP_ID": "theirs"}
    run = start(tmp_path)
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    run.end()
    multitrack.sync(tmp_path / "journal")
    held = read_wandb(tmp_path, run.id)
    assert (held.group, held.tags) == ("", ())
    assert {name: os.environ[name] for name in theirs} == theirs


def test_a_reference_keeps_its_query_and_any_character(tmp_path: Path) -> None:
    uris = ["s3://bucket/a?versionId=3", "s3://bucket/a\tb"]
    run = start(tmp_path)
    for number, uri in enumerate(uris):
        run.log_artifact_ref(f"data {number}", uri)
    run.end()
    multitrack.sync(tmp_path / "journal")
    artifacts = read_wandb(tmp_path, run.id).artifacts.values()
    assert [[entry.ref for entry in artifact.manifest.contents] for artifact in artifacts] == [[uri] for uri in uris]


OFFLINE = (
    test_offline_faults.test_an_unfinished_directory_is_written_anew,
    test_offline_faults.test_when_wandb_core_dies_every_open_run_is_delivered_whole,
    test_offline_faults.test_when_wandb_core_dies_the_same_lane_goes_on,
    test_offline_faults.test_a_finished_directory_is_kept_and_a_resumed_run_gets_a_second,
    test_offline_faults.test_many_runs_at_once,
)
ONLINE = (
    test_online.test_everything_arrives,
    test_online.test_a_resumed_run_goes_on_where_it_ended,
    test_online.test_a_server_that_refuses_in_mid_run_loses_nothing,
    test_online.test_rows_that_the_server_holds_are_not_sent_again,
    test_online.test_a_refused_key_is_said_once_and_nothing_is_lost,
)


@pytest.mark.long("when_wandb_core_dies_every_open_run_is_delivered_whole", "many_runs_at_once")
@pytest.mark.parametrize("check", OFFLINE, ids=lambda check: check.__name__.removeprefix("test_"))
def test_offline_nothing_is_missing_and_nothing_doubled(tmp_path: Path, check: Callable[[Path], None]) -> None:
    check(tmp_path)


@pytest.mark.parametrize("check", ONLINE, ids=lambda check: check.__name__.removeprefix("test_"))
def test_online_nothing_is_missing_and_nothing_doubled(
    tmp_path: Path, server: StandInServer, check: Callable[[Path, StandInServer], None]
) -> None:
    check(tmp_path, server)


def test_a_server_that_is_away_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id of a start that failed is given up with the helper process, which nobody else uses."""
    test_online.test_a_server_that_is_away_is_tried_again(tmp_path, monkeypatch)
