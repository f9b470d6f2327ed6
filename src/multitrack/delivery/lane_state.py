"""How far a lane is and how it fares, on disk for everybody to read.

Nobody asks a courier anything: the end of a run, ``multitrack sync`` and every listing read these files.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from multitrack.journal.segments import last_segment

#: How many different reasons and stand-ins are spelled out.
REASONS: Final = 10


class LaneState(msgspec.Struct, omit_defaults=True):
    """How far a lane is and how it fares; ``lanes/<backend>.json``, for everybody to read.

    Attributes:
        backend: The backend's name.
        position: Where to resume if everything in memory were lost: a number of journal lines.
        delivered: Data records the tracker has taken.
        set_aside: Data records it never will take; each is in ``<backend>.aside.jsonl``.
        reasons: Why, with how many each.
        stand_ins: What the tracker could not hold as it is, and where it stands instead.
        id: The tracker's id for the run.
        url: Where a browser shows it.
        closed: The run is ended in the tracker.
        segment: The journal's segment that was read last. When the lane is closed, a later one is a resumed run.
        linked: Its parent is shown there, or it has none.
        opening: A courier is about to open the run in the tracker.
        stopped: The lane gave up until ``multitrack sync``; ``problem`` says why.
        problem: What hinders the lane just now.
        damaged: Journal lines that are no records.
        moves: How many batches the tracker has taken, of any kind; whoever waits sees by it that something moves.
        updated: When this was written (ms).
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

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to do for the lane."""
        return self.closed and self.linked

    def note_stand_ins(self, texts: Iterable[str]) -> None:
        """Note more stand-ins, each once; of many, that there are more."""
        for text in texts:
            if text not in self.stand_ins and len(self.stand_ins) <= REASONS:
                self.stand_ins.append(text if len(self.stand_ins) < REASONS else "and more")


def lane_file(directory: Path, backend: str, suffix: str = ".json") -> Path:
    """A file of the lane of ``backend`` in the run at ``directory``; a name of any letters stays inside it."""
    return directory / "lanes" / (quote(backend, safe="").replace(".", "%2E") + suffix)


def read_state(directory: Path, backend: str) -> LaneState:
    """A lane's last saved state; a new one where none can be read, which redelivers and harms nothing."""
    try:
        return msgspec.json.decode(lane_file(directory, backend).read_bytes(), type=LaneState)
    except (OSError, ValueError):
        return LaneState(backend)


def state_of(directory: Path, backend: str) -> LaneState:
    """The saved state, open again where the run was resumed since it was closed."""
    state = read_state(directory, backend)
    if state.closed and last_segment(directory) > state.segment:
        state.closed = False
    return state
