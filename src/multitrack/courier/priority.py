"""The priority of couriers: below training, in whatever session either of them is."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import Final

#: Niceness of a courier while training runs. One that replaces a starved courier keeps the training's niceness.
LOWERED: Final = 19
#: Niceness of this process's session, where Linux shares processors between sessions first (sched(7), autogroup).
_SESSION: Final = Path("/proc/self/autogroup")


def lower_process() -> None:
    """Lower the priority of all threads: on Linux each thread has its own, inherited by threads that it starts."""
    threads = Path("/proc/self/task")
    for thread in map(int, os.listdir(threads)) if threads.exists() else (0,):  # noqa: PTH208 - names alone
        _lower(thread)


def lower_thread() -> None:
    """Lower the priority of the calling thread, and of threads and processes that it starts."""
    _lower(threading.get_native_id())


def begin_session() -> None:
    """Make this process the leader of a session of low priority, so that no terminal's end reaches it.

    Without a way to lower a session's priority the process stays in its session: there, niceness counts.
    """
    if not _SESSION.exists():  # no autogroups: niceness counts between sessions, too
        os.setsid()
    elif os.access(_SESSION, os.W_OK):
        os.setsid()
        for pause in (0.0, 0.2):  # the kernel limits how often this may be done
            time.sleep(pause)
            with contextlib.suppress(OSError):
                _SESSION.write_text(str(LOWERED))
                return


def _lower(thread: int) -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, LOWERED)
