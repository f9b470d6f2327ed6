"""Which of the SDK's private names the installed release has, and that the plugin counts only what is there."""

import struct
import zlib
from pathlib import Path

import pytest
from offline_runs import start
from wandb_file import directories
from wandb_lanes import lane_of, step

import multitrack
from multitrack_wandb import backend, sdk
from multitrack_wandb.internals import helper, lookup
from multitrack_wandb.wandb_log import Tally, tally


def test_the_newest_release_that_was_tried_has_every_name(tmp_path: Path) -> None:
    """A newer one may lack some, an older one does; both are told here, and go the public ways."""
    wandb = sdk.imported()
    run = start(tmp_path)
    lane = lane_of(run)
    step(lane)
    lane.release()
    assert run.directory is not None
    opened = backend._open[run.directory / "lanes" / "wandb"]._run
    missing = [*lookup.missing(), *lookup.unreached(run=opened, singleton=helper.singleton())]
    print(f"W&B {wandb.__version__} lacks {missing}")
    run.end()
    multitrack.sync(tmp_path / "journal")
    if wandb.__version__ == lookup.NEWEST:
        assert missing == []
    for name in lookup.OLDER:
        assert lookup.find(name) is not None or lookup.is_since(0, 26)


def test_names_that_are_not_there_are_none() -> None:
    wandb = sdk.imported()
    assert lookup.find("wandb:no_such_name.inner") is None
    assert lookup.find("wandb.no_such_module:Run") is None
    assert lookup.reach(wandb, "Run.no_such_name.inner") is None
    assert lookup.find("wandb:Run") is wandb.Run


def test_settings_that_a_release_lacks_are_left_out() -> None:
    assert helper.known_settings(sdk.imported(), {"silent": True, "no_such_setting": 1}) == {"silent": True}


def test_the_field_numbers_are_those_of_the_sdk(tmp_path: Path) -> None:
    run = start(tmp_path)
    for i in range(3):
        run.log_metric("loss", float(i), step=i)
        run.log_lines(f"line {i}")
    run.end("killed")
    multitrack.sync(tmp_path / "journal")
    (directory,) = directories(tmp_path, run.id)
    assert tally(directory) == Tally(3, 3, 255)


def test_a_file_of_an_unknown_format_is_not_counted_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run-x.wandb").write_bytes(b":W&B\xe1\xbe\x01 of another version")
    assert tally(tmp_path) is None
    monkeypatch.setattr("multitrack_wandb.wandb_log.tally_finished", lambda directory: None)
    run = start(tmp_path)
    run.log_metric("loss", 0.5, step=0)
    run.end()
    multitrack.sync(tmp_path / "journal")
    report = run.flush(timeout=0)["wandb"]
    assert report.pending == 0
    assert "unknown format" in report.stand_ins[0]


@pytest.mark.parametrize("cut", [0, 3, 20])
def test_a_file_that_is_cut_off_is_counted_up_to_there(tmp_path: Path, cut: int) -> None:
    bodies = [b"\x12\x00", b"\x92\x01\x02\x08\x07"]  # history, then exit with code 7
    frames = [struct.pack("<IHB", zlib.crc32(bytes([1]) + body), len(body), 1) + body for body in bodies]
    whole = b":W&B\xe1\xbe\x00" + b"".join(frames)
    (tmp_path / "run-x.wandb").write_bytes(whole[: len(whole) - cut])
    found = {0: Tally(1, 0, 7), 3: Tally(1, 0, None), 20: Tally(0, 0, None)}
    assert tally(tmp_path) == found[cut]


def test_a_start_that_failed_gives_its_id_up(tmp_path: Path) -> None:
    """Of an id that no run has, nothing is to be given up, and no other run is disturbed."""
    run = start(tmp_path)
    lane = lane_of(run)
    step(lane)
    assert helper.forget("no such run", 0.2)
    run.log_metric("loss", 0.5, step=0)
    run.end()
    while not lane.done:
        lane.step()
    lane.release()
    assert run.flush().complete
