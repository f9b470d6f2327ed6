"""What a run's start leaves to other threads, and what a fork must not come in the middle of.

A child forked while another thread starts a process inherits the ends of that process's pipes, and whoever waits for
them to close would wait until that child ends. One forked while another thread imports a module can never import it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Final

#: A fork waits for whoever holds this. To be held for some milliseconds at most.
without_fork: Final = threading.RLock()

#: Seconds that the training thread is let go ahead: a thread that computes holds it up by 5 ms each time it waits.
_AHEAD: Final = 0.01


def in_background(work: Callable[[], None], name: str) -> threading.Thread | None:
    """Do ``work`` in a daemon thread, a little later.

    Returns:
        The thread to join; ``None`` where there can be no more threads, as at the interpreter's exit: it is done then.
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
