"""The right to drive a lane and to save its state, which one courier has at a time; it ends with its process."""

from __future__ import annotations

import time
from pathlib import Path

from multitrack.delivery.lane_state import LaneState, lane_file, read_state, state_of
from multitrack.journal.atomic import write_json
from multitrack.journal.locks import Hold


class TakenOverError(Exception):
    """Another machine took this process for dead, which did not run for a while, and drives the lane now."""


class LaneLock:
    """The lock of ``lanes/<backend>.lock``, with a fencing number where locks do not hold between machines.

    A courier that was paused for too long, and wakes up, saves nothing over the state of the one that took its place.
    """

    def __init__(self, directory: Path, backend: str) -> None:
        self._directory = directory
        self._backend = backend
        self._hold = Hold(lane_file(directory, backend, ".lock"))

    @property
    def held(self) -> bool:
        """True if this courier has the lock, as far as it knows."""
        return self._hold.held

    @property
    def holder(self) -> str | None:
        """The process that has the lock, in words, if it could not be taken, or was lost."""
        return self._hold.holder

    def take(self) -> LaneState | None:
        """Take the lock, and return the lane's state; None if a live process has the lock, or nothing is left to do."""
        (self._directory / "lanes").mkdir(mode=0o700, exist_ok=True)
        if not self._hold.take(above=read_state(self._directory, self._backend).fence):
            return None
        state = state_of(self._directory, self._backend)
        # Settled by the lane's last holder: opening it again would mark the run as running in the tracker. A greater
        # number is that of a process that has taken the lane while this one was paused in the attempt.
        if state.settled or (self._hold.number and state.fence > self._hold.number):
            self._hold.release()
            return None
        state.stopped, state.problem, state.opening = False, None, True
        return state

    def check(self) -> None:
        """Check that this courier still drives the lane; called before each step that a tracker sees.

        Raises:
            TakenOverError: If it does not.
        """
        if self._hold.held and not self._hold.is_current():
            raise TakenOverError

    def save(self, state: LaneState) -> None:
        """Save the lane's state, unless another courier drives the lane by now and owns it.

        Raises:
            OSError: If it cannot be written.
        """
        if not self._hold.is_current():
            return
        if self._hold.number:
            state.fence = self._hold.number
            if read_state(self._directory, self._backend).fence > state.fence:
                return
        state.updated = time.time_ns() // 1_000_000
        write_json(lane_file(self._directory, self._backend), state)

    def release(self) -> None:
        """Release the lock; safe from any thread, and idempotent."""
        self._hold.release()
