"""Detect that a process is starved of processor time by others."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

#: Minimum seconds of waiting that count as starvation.
_LONG: Final = 1.0


class Starvation:
    """Compares the time that a process computed with the time that it was runnable but had to wait.

    Read from ``/proc/<pid>/task/*/schedstat`` (Linux, Documentation/scheduler/sched-stats.rst). On systems without it,
    starvation is never detected.

    Args:
        pid: The process id.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = self._read()

    def look(self) -> bool:
        """Return True if, since this object was made, the process waited longer than it computed, and over a second."""
        ran = waited = 0.0
        for thread, (ran_now, waited_now) in self._read().items():
            ran_before, waited_before = self._before.get(thread, (0, 0))
            ran += (ran_now - ran_before) / 1e9
            waited += (waited_now - waited_before) / 1e9
        return waited > max(_LONG, ran)

    def _read(self) -> dict[str, tuple[int, int]]:
        """Nanoseconds that each thread has computed and waited so far, by thread id."""
        found = {}
        for path in Path(f"/proc/{self._pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError, ValueError):  # the thread has just ended
                ran, waited, _ = map(int, path.read_text().split())
                found[path.parent.name] = ran, waited
        return found
