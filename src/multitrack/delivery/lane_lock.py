"""The lock of a lane: one courier at a time drives it. It is released however its process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from multitrack.delivery.lane_state import lane_file


class LaneLock:
    """An exclusive ``flock`` on ``lanes/<backend>.lock``.

    Attributes:
        holder: The process that has the lock, in words, if it could not be taken.
    """

    def __init__(self, directory: Path, backend: str) -> None:
        self._path = lane_file(directory, backend, ".lock")
        self._fd = -1
        self.holder: str | None = None

    @property
    def held(self) -> bool:
        """True if this process has the lock."""
        return self._fd >= 0

    def take(self) -> bool:
        """Take the lock; return False if a live process has it."""
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(fd, 20, 0).decode(errors="replace").strip()
            self.holder = f"process {pid}" if pid.isdigit() else "another process"
            os.close(fd)
            return False
        self._fd, self.holder = fd, None
        with contextlib.suppress(OSError):  # a full disk; the pid is only for messages
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return True

    def release(self) -> None:
        """Release the lock; safe from any thread, and idempotent."""
        fd, self._fd = self._fd, -1  # in one step: a worker and the courier's end may both release it
        if fd >= 0:
            os.close(fd)
