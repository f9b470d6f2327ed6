"""Drives a run's lane by hand, and knows the SDK's helper processes."""

import os
import time
from pathlib import Path

from multitrack.delivery.lane import Lane
from multitrack.journal.manifest import read_manifest
from multitrack.recording.run import Run


def lane_of(run: Run) -> Lane:
    assert run.directory is not None
    (entry,) = read_manifest(run.directory).backends
    return Lane(run.directory, entry, notice=lambda text: None)


def step(lane: Lane) -> None:
    """All that the lane can do just now, without its pauses."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not lane.step() and (lane.idle or lane.done or lane.state.problem):
            return
        time.sleep(0.001)
    raise TimeoutError("the lane neither rests nor says why not")


def cores() -> list[int]:
    """The wandb-core processes of this process."""
    wanted = b"--pid\0%d\0" % os.getpid()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if b"wandb-core" in command and wanted in command:
            found.append(int(path.parent.name))
    return found
