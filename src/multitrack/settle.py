"""Waiting for lanes as long as they move.

The one rule, wherever somebody waits (the end of a run, ``multitrack sync``, a courier whose training process
is gone): a lane is waited for until it is settled, gave up, or has moved nothing for :data:`STALL` seconds,
:data:`START` where it has not opened its run yet. Everything is read from the lanes' state files.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from multitrack.lanestate import LaneState, state_of

#: Seconds that an open lane may move nothing before it is left to ``multitrack sync``.
STALL: Final = 30.0
#: Seconds that opening may take: importing an SDK, migrating a store, finding a server.
START: Final = 120.0


class Settling:
    """Watches lanes until none is worth waiting for.

    Args:
        lanes: Run directory and backend of each.
        targets: Data records to wait for in each run, by run directory; default: until the lane is settled.
        since: A lane that gave up earlier than this (ms since the epoch) is being tried again.
        opening: Wait only until each lane has opened its run.
    """

    def __init__(
        self,
        lanes: Sequence[tuple[Path, str]],
        targets: dict[Path, int] | None = None,
        since: int = 0,
        *,
        opening: bool = False,
    ) -> None:
        now = time.monotonic()
        self._since = since
        self._opening = opening
        self._targets = targets
        self._open = {lane: _Watched(state_of(*lane), now) for lane in lanes}
        self.states: dict[tuple[Path, str], LaneState] = {lane: w.state for lane, w in self._open.items()}
        self.stalled: set[tuple[Path, str]] = set()

    def look(self) -> bool:
        """Read the states anew; whether the wait is over."""
        now = time.monotonic()
        for lane, watched in list(self._open.items()):
            state = self.states[lane] = state_of(*lane)
            if self._reached(lane, state) or (state.stopped and state.updated >= self._since):
                del self._open[lane]
            elif watched.stalled(state, now):
                self.stalled.add(lane)
                del self._open[lane]
        return not self._open

    @property
    def waiting(self) -> list[tuple[Path, str]]:
        """The lanes still waited for."""
        return list(self._open)

    def _reached(self, lane: tuple[Path, str], state: LaneState) -> bool:
        if self._opening:
            return state.id is not None and not state.opening
        if self._targets is None:
            return state.settled
        return state.delivered + state.set_aside >= self._targets[lane[0]]


class _Watched:
    """One lane's last movement."""

    def __init__(self, state: LaneState, now: float) -> None:
        self.state = state
        self._mark = self._movement(state)
        self._since = now

    @staticmethod
    def _movement(state: LaneState) -> tuple[object, ...]:
        return state.id, state.delivered, state.set_aside, state.closed, state.linked

    def stalled(self, state: LaneState, now: float) -> bool:
        mark = self._movement(state)
        if mark != self._mark:
            self._mark, self._since = mark, now
        return now - self._since > (START if state.opening or state.id is None else STALL)
