"""A backend that has stood still, or gave up, is not shown as done while another one still moves."""

import re
import time
from collections.abc import Sequence
from typing import Any

import pytest

import multitrack
from multitrack import RetryableError, hookimpl
from multitrack.delivery import progress, waiting
from multitrack.hookspecs import Opened, RunInfo
from multitrack.records import Metric, Record
from recording_backends import FileBackend, delivered

pytestmark = [pytest.mark.case(8), pytest.mark.waits]


class Slow(FileBackend):
    """Takes its time, and moves."""

    name = "slow"

    def write_all(self, run: RunInfo, what: str, records: Sequence[Record]) -> None:
        for record in records:
            time.sleep(0.012)  # so that stretches stay at 100 records, and each moves
            super().write_all(run, what, [record])


class Standing(FileBackend):
    """Opens its run, and is down from then on; or from the third record on, or from the run's end on."""

    name = "standing"

    def __init__(self, down_from: str) -> None:
        self._down_from = down_from

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        if self._down_from == "open":
            raise RetryableError("down")
        return Opened("1")

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> None:
        if self._down_from == "gone":
            raise ZeroDivisionError("gone for good")
        if self._down_from == "first" or (self._down_from == "third" and len(records) > 0 and records[-1].ordinal >= 2):
            raise RetryableError("down")

    @hookimpl
    def close_run(self, run: RunInfo, status: str, time: int) -> None:
        if self._down_from == "close":
            raise RetryableError("down")


@pytest.mark.long("open", "third")
@pytest.mark.parametrize("down_from", ["open", "first", "third", "close", "gone"])
def test_the_progress_at_the_end(
    down_from: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "STALL", 2.0)
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.2)
    config = {"delivery": "thread", "slow": {"path": "slow.jsonl"}, "standing": {"path": "standing.jsonl"}}
    run = multitrack.start_run(backends=[Slow(), Standing(down_from)], config=config)
    for step in range(500):
        run.log_metric("loss", 1.0, step=step)
    report = run.end()
    shown: list[tuple[str, str]] = re.findall(r"slow: ([^,]+), standing: (.+)", capsys.readouterr().err)
    assert len(shown) > 5
    late = [standing for slow, standing in shown[-3:] if slow != "done"]
    assert late, shown
    said = {"open": "stalled at 0/500", "first": "stalled at 0/500", "close": "stalled at 500/500",
            "gone": "done"}.get(down_from, r"stalled at \d+/500")  # fmt: skip
    assert all(re.fullmatch(said, text) for text in late), shown
    if down_from != "gone":  # whose records are set aside, one by one
        assert not any(standing == "done" for _, standing in shown)
    assert report["slow"].complete
    assert report["standing"].complete == (down_from == "gone")
    assert len(delivered(run.directory.parents[2] / "slow.jsonl", "metric") if run.directory else []) == 500


def test_it_counts_again_once_it_moves(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A tracker that is down for longer than the stall, and comes back while another still moves."""
    monkeypatch.setattr(waiting, "STALL", 4.0)  # a stretch of the slow one takes 1.2 s, and more on a busy machine
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.1)

    class Back(FileBackend):
        name = "back"
        since = time.monotonic() + 6

        def write_all(self, run: RunInfo, what: str, records: Sequence[Record]) -> None:
            if time.monotonic() < self.since:
                raise RetryableError("down")
            super().write_all(run, what, records)

    config: dict[str, Any] = {"delivery": "thread", "slow": {"path": "slow.jsonl"}, "back": {"path": "back.jsonl"}}
    run = multitrack.start_run(backends=[Slow(), Back()], config=config)
    for step in range(700):
        run.log_metric("loss", 1.0, step=step)
    assert run.end().complete
    shown = [text for _, text in re.findall(r"slow: ([^,]+), back: (.+)", capsys.readouterr().err)]
    assert any(text.startswith("stalled at 0/700") for text in shown)
    assert shown[-1] == "done"
