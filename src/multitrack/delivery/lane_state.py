"""The state files of lanes: the one place where a courier reports its progress.

No process asks a courier anything: the end of a run, ``multitrack sync`` and every listing read these files.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from multitrack.journal.prepared import prepared
from multitrack.journal.segments import last_segment

#: Maximum number of different reasons and stand-ins kept in a state.
REASONS: Final = 10


class LaneState(msgspec.Struct, omit_defaults=True):
    """The state of a lane, saved as ``lanes/<backend>.json``.

    Attributes:
        backend: The backend's name.
        position: Position to resume at after a restart, as a number of journal lines.
        delivered: Number of data records that the tracker has accepted.
        set_aside: Number of data records that it will never accept; they are listed in ``<backend>.aside.jsonl``.
        reasons: Number of records set aside, by reason.
        stand_ins: Descriptions of values that the tracker could not hold, and of their stand-ins.
        id: The tracker's id for the run.
        url: The run's web page.
        closed: True if the run is ended in the tracker.
        segment: Number of the last segment read. If the lane is closed, a later segment means that the run was resumed.
        linked: True if the parent is linked in the tracker, or the run has none.
        opening: True while a courier opens the run in the tracker.
        stopped: True if the lane has given up until ``multitrack sync``; ``problem`` has the reason.
        problem: The current problem of the lane.
        damaged: Number of journal lines that are not valid records.
        moves: Number of accepted hook calls; waiting processes see by it that the lane moves.
        updated: Time of the last save (ms).
        fence: The fencing number of the courier that saved it; 0 where locks hold between machines.
    """

    backend: str
    position: int = 0
    delivered: int = 0
    set_aside: int = 0
    reasons: dict[str, int] = {}
    stand_ins: list[str] = []
    id: str | None = None
    url: str | None = None
    closed: bool = False
    segment: int = 0
    linked: bool = False
    opening: bool = False
    stopped: bool = False
    problem: str | None = None
    damaged: int = 0
    moves: int = 0
    updated: int = 0
    fence: int = 0

    @property
    def settled(self) -> bool:
        """True if there is nothing left to do for the lane."""
        return self.closed and self.linked

    def note_stand_ins(self, texts: Iterable[str]) -> None:
        """Add stand-ins without duplicates; beyond :data:`REASONS`, only "and more"."""
        for text in texts:
            if text not in self.stand_ins and len(self.stand_ins) <= REASONS:
                self.stand_ins.append(text if len(self.stand_ins) < REASONS else "and more")


class Again(msgspec.Struct, frozen=True):
    """The content of ``lanes/<backend>.again``.

    Attributes:
        position: The position to deliver again from.
        id: Tells this request from others.
    """

    position: int
    id: str


def lane_file(directory: Path, backend: str, suffix: str = ".json") -> Path:
    """The path of a lane's file; the backend's name is escaped, so that the path stays inside the run's directory."""
    return directory / "lanes" / (quote(backend, safe="").replace(".", "%2E") + suffix)


def read_state(directory: Path, backend: str) -> LaneState:
    """Read a lane's saved state; a new one if it cannot be read, which redelivers and does no harm."""
    try:
        return msgspec.json.decode(lane_file(directory, backend).read_bytes(), type=prepared(LaneState))
    except (OSError, ValueError):
        return LaneState(backend)


def again_file(directory: Path, backend: str) -> Path:
    """The request of a courier that was taken for dead, to deliver again what it may have sent late."""
    return lane_file(directory, backend, ".again")


def read_again(directory: Path, backend: str) -> Again | None:
    """Read that request; None if there is none."""
    try:
        return msgspec.json.decode(again_file(directory, backend).read_bytes(), type=prepared(Again))
    except (OSError, ValueError):
        return None


def state_of(directory: Path, backend: str) -> LaneState:
    """The saved state, with ``closed`` reset if the run was resumed since then, or is to be delivered again."""
    state = read_state(directory, backend)
    if state.closed and last_segment(directory) > state.segment:
        state.closed = False
    if state.fence and (again := read_again(directory, backend)) is not None:
        state.closed, state.position = False, min(state.position, again.position)
    return state
