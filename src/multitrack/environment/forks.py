"""Run work of a run's start in background threads, and keep forks out of critical sections.

A child forked while another thread starts a process inherits the ends of that process's pipes, and a reader that waits
for them to close would wait until the child ends. A child forked while another thread imports a module can never import
that module.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Final

#: Lock that delays forks while it is held; hold it for a few milliseconds at most.
without_fork: Final = threading.RLock()

#: Head start of the training thread, in seconds: a computing thread delays it by 5 ms (the GIL's switch interval).
_AHEAD: Final = 0.01


def in_background(work: Callable[[], None], name: str) -> threading.Thread | None:
    """Run ``work`` in a daemon thread, after a short delay.

    Returns:
        The thread to join; None if no thread could be started, as at interpreter exit, and ``work`` was run directly.
    """

    def begin() -> None:
        time.sleep(_AHEAD)
        work()

    thread = threading.Thread(target=begin, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        work()
        return None
    return thread


os.register_at_fork(
    before=without_fork.acquire, after_in_parent=without_fork.release, after_in_child=without_fork.release
)
