"""The right to drive a lane and to save its state, which one courier has at a time; it ends with its process."""

from __future__ import annotations

import time
from pathlib import Path

from multitrack.delivery.lane_state import Again, LaneState, again_file, lane_file, read_again, read_state, state_of
from multitrack.journal.atomic import write_json
from multitrack.journal.locks import Hold


class LostLaneError(Exception):
    """The lane is another courier's by now, or has to begin again at an earlier record."""


class LaneLock:
    """The lock ``lanes/<backend>.lock``, with a fencing number where locks do not hold between machines.

    A courier that did not run for a while, and was taken for dead, may still send its batch when it goes on: a tracker
    knows nothing of the number. So it saves no state any more, and asks for a delivery from its last saved position on,
    which makes good for what it sent late (``lanes/<backend>.again``).
    """

    def __init__(self, directory: Path, backend: str) -> None:
        self._directory = directory
        self._backend = backend
        self._hold = Hold(lane_file(directory, backend, ".lock"))
        self._again = again_file(directory, backend)
        self._saved = 0  # the position of the last saved state
        self._asked: Again | None = None

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
        self._asked = read_again(self._directory, self._backend) if self._hold.number else None
        state = state_of(self._directory, self._backend)
        # Settled by the lane's last holder: opening it again would mark the run as running in the tracker. A greater
        # number is that of a process that has taken the lane while this one was paused in the attempt.
        if state.settled or (self._hold.number and state.fence > self._hold.number):
            self._hold.release()
            return None
        state.stopped, state.problem, state.opening = False, None, True
        self._saved = state.position
        return state

    def lost(self) -> str | None:
        """Why this courier must not go on with the lane; None if it may. Called before each step that a tracker sees.

        If another machine took this process for dead, what it sent since it last asked is delivered again.
        """
        if not self._hold.held or not self._hold.number:
            return None
        if not self._hold.is_current():
            asked = read_again(self._directory, self._backend)
            if asked is None or asked.position > self._saved:
                write_json(self._again, Again(self._saved, f"{self._saved}-{self._hold.number}"))
            return f"{self._hold.holder} goes on, which took this process for dead, as it did not run for a while"
        asked = read_again(self._directory, self._backend)
        if asked is not None and asked != self._asked:
            return f"another process, which was taken for dead, may have sent records from {asked.position} on late"
        return None

    def check(self) -> None:
        """Check that this courier may go on.

        Raises:
            LostLaneError: If it may not; the message says why.
        """
        if (why := self.lost()) is not None:
            raise LostLaneError(why)

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
        self._saved = state.position
        if self._asked is not None and read_again(self._directory, self._backend) == self._asked:
            self._again.unlink()  # the state has the earlier position now

    def release(self) -> None:
        """Release the lock; safe from any thread, and idempotent."""
        self._hold.release()
