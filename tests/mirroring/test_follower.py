"""The follower itself, in the test's process."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import blocked_backend
from multitrack.mirroring import follower
from multitrack.mirroring.follower import Follower
from observed import recorded


def test_passes_go_on_while_a_delivery_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracker that does not answer holds up the delivery alone: what the program logs then is in the journal."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "stand_in")
    monkeypatch.setattr(follower, "_FIRST", 0.0)  # the pause between two passes
    monkeypatch.setattr(follower, "_LOOK", 0.01)
    from tensorboardX import SummaryWriter

    tracker = blocked_backend.backend = blocked_backend.BlockedBackend()
    notes, journal = tmp_path / "notes.jsonl", tmp_path / "journal"
    note = {"tracker": "tensorboard", "address": str(tmp_path / "logs" / "one"), "pid": os.getppid()}
    notes.write_text(json.dumps(note) + "\n")
    writer = SummaryWriter(str(tmp_path / "logs" / "one"))
    writer.add_scalar("loss", 1.0, 0)
    asked = 0

    def is_over() -> bool:
        """Log the second point when the delivery of the first is blocked, and let it go on when both are recorded."""
        nonlocal asked
        asked += 1
        assert asked < 2000, "the passes came to nothing"
        if asked == 1:
            return False
        if asked == 2:
            assert tracker.blocks.wait(60)
            writer.add_scalar("loss", 0.5, 1)
            return False
        (run,) = recorded(journal)
        if [point.value for point in run.get_metrics()["loss"]] != [1.0, 0.5]:
            return False
        assert not tracker.values
        tracker.answers.set()
        return True

    followed = Follower(notes, journal, ["blocked_backend:backend"], [], delivers=True)
    followed.follow(is_over)
    assert tracker.answers.is_set()
    writer.close()
    followed.finish_delivery()
    assert followed.failures == []
    assert tracker.values == [1.0, 0.5]
    assert [lane.settled for lane in recorded(journal)[0].lanes().values()] == [True]
