"""Whether a process waits for a processor that others have."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

#: Seconds of waiting that say something.
_LONG: Final = 1.0


class Starvation:
    """Compares how long a process computed with how long it was ready to, and waited.

    From ``/proc/<pid>/task/*/schedstat`` (Linux, Documentation/scheduler/sched-stats.rst); where there is none, nothing
    is ever found.

    Args:
        pid: The process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = self._read()

    def look(self) -> bool:
        """Whether, since this object was made, it waited longer than it computed, and for a second or more."""
        ran = waited = 0.0
        for thread, (ran_now, waited_now) in self._read().items():
            ran_before, waited_before = self._before.get(thread, (0, 0))
            ran += (ran_now - ran_before) / 1e9
            waited += (waited_now - waited_before) / 1e9
        return waited > max(_LONG, ran)

    def _read(self) -> dict[str, tuple[int, int]]:
        """Nanoseconds that each thread computed and waited so far."""
        found = {}
        for path in Path(f"/proc/{self._pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError, ValueError):  # it ended just now
                ran, waited, _ = map(int, path.read_text().split())
                found[path.parent.name] = ran, waited
        return found
