"""Wait for lanes as long as they move.

The end of a run, ``multitrack sync`` and a courier whose training process is gone all follow one rule. They wait for a
lane until it is settled, gives up, or has not moved for :data:`STALL` seconds (:data:`START` seconds while it opens its
run and no try has failed). Everything is read from the lanes' state files.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from multitrack.delivery.lane_state import LaneState, state_of

#: Seconds without movement after which an open lane is left to ``multitrack sync``.
STALL: Final = 30.0
#: Seconds that opening may take if nothing fails: importing an SDK, migrating a store, a slow server.
START: Final = 120.0
#: Number of restarts after which a lane counts as moving only if it delivers new records.
RESTARTS: Final = 3
#: Pause before the states are read again, as a multiple of the time that reading them took.
_SELDOM: Final = 9


class Settling:
    """Watches lanes until there is none left to wait for.

    Args:
        lanes: Run directory and backend of each lane.
        targets: Number of data records to wait for, by run directory; for other runs, wait until the lane is settled.
        gave_up: Lanes that had given up before, with the ``updated`` time of their state. They are being tried again,
            and have given up again only if that time differs. (It is not compared by order: clocks may be set back.)
        opening: True to wait only until each lane has opened its run.
    """

    def __init__(
        self,
        lanes: Sequence[tuple[Path, str]],
        targets: Mapping[Path, int] | None = None,
        gave_up: Mapping[tuple[Path, str], int] | None = None,
        *,
        opening: bool = False,
    ) -> None:
        now = time.monotonic()
        self._gave_up = gave_up or {}
        self._opening = opening
        self._targets = targets or {}
        self._open = {lane: _Watched(state_of(*lane), now) for lane in lanes}
        self.states: dict[tuple[Path, str], LaneState] = {lane: w.state for lane, w in self._open.items()}
        self.stalled: set[tuple[Path, str]] = set()
        self._next = 0.0  # when the states are read again

    def look(self) -> bool:
        """Read the states; return True if the wait is over.

        A stalled lane is waited for again if it moves while others are still waited for. With thousands of lanes the
        states are read less often than this is called, to leave most of the processor time to delivery.
        """
        now, began = time.monotonic(), time.thread_time()
        if now < self._next:
            return not self.waiting
        for lane, watched in list(self._open.items()):
            state = self.states[lane] = state_of(*lane)
            if self._reached(lane, state) or (state.stopped and state.updated != self._gave_up.get(lane)):
                del self._open[lane]
                self.stalled.discard(lane)
            elif watched.stalled(state, now) or not lane[0].exists():
                self.stalled.add(lane)
            else:
                self.stalled.discard(lane)
        self._next = time.monotonic() + _SELDOM * (time.thread_time() - began)
        return not self.waiting

    @property
    def waiting(self) -> list[tuple[Path, str]]:
        """The lanes still waited for."""
        return [lane for lane in self._open if lane not in self.stalled]

    def has_reached(self, lane: tuple[Path, str]) -> bool:
        """Return True if a lane had reached its target when its state was last read."""
        return self._reached(lane, self.states[lane])

    def _reached(self, lane: tuple[Path, str], state: LaneState) -> bool:
        if self._opening:
            return state.id is not None and not state.opening
        target = self._targets.get(lane[0])
        return state.settled if target is None else state.delivered + state.set_aside >= target


class _Watched:
    """The last movement of one lane.

    A restart (the courier was killed, the tracker lost its open run) counts as movement. After more than
    :data:`RESTARTS` restarts, only new records count.
    """

    def __init__(self, state: LaneState, now: float) -> None:
        self.state = state
        self._since = now
        self._taken = self._most = state.delivered + state.set_aside
        self._restarts = 0
        self._phase = self._phase_of(state)

    @staticmethod
    def _phase_of(state: LaneState) -> tuple[int, ...]:
        return state.opening, state.id is not None, state.closed, state.linked, state.moves

    def stalled(self, state: LaneState, now: float) -> bool:
        taken, phase = state.delivered + state.set_aside, self._phase_of(state)
        self._restarts += taken < self._taken
        circling = self._restarts > RESTARTS
        if taken > (self._most if circling else self._taken) or (phase != self._phase and not circling):
            self._since = now
        self._taken, self._most, self._phase = taken, max(self._most, taken), phase
        starting = (state.opening or state.id is None) and state.problem is None  # after an error it is no slow start
        return now - self._since > (START if starting else STALL)
