"""Power loss: with ``fsync = seconds``, what was recorded is put on the medium that often, by a thread of its own.

Without it a record outlives every process, not a power cut before the kernel wrote it out (Linux does so within some
30 seconds). The thread only holds up a recording call that meets it in the file system; the docs say what that costs.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multitrack.journal.writer import Writer

log = logging.getLogger("multitrack")

_writers: weakref.WeakKeyDictionary[Writer, float] = weakref.WeakKeyDictionary()
_lock = threading.Lock()
_thread: threading.Thread | None = None


def keep_durable(writer: Writer, seconds: float) -> None:
    """Put what ``writer`` writes on the medium every ``seconds``, until it is closed; its first records now.

    Args:
        writer: The open segment.
        seconds: How much a power cut may cost at most.
    """
    global _thread
    for path in (writer.directory, writer.directory.parent, writer.directory.parent.parent):
        put_on_medium(path)  # names are directories' to keep
    writer.put_on_medium()
    with _lock:
        _writers[writer] = seconds
        if _thread is None:
            _thread = threading.Thread(target=_work, name="multitrack-fsync", daemon=True)
            _thread.start()


def put_on_medium(path: Path) -> None:
    """``fsync`` a file or directory; what goes wrong is said."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        log.warning("multitrack: %s could not be synced to disk: %s", path, error)


def _work() -> None:
    last: weakref.WeakKeyDictionary[Writer, float] = weakref.WeakKeyDictionary()
    while True:
        with _lock:
            due = dict(_writers)
        now = time.monotonic()
        for writer, seconds in due.items():
            if now - last.setdefault(writer, now) >= seconds:
                writer.put_on_medium()
                last[writer] = time.monotonic()
        pause = min(due.values(), default=1.0)
        del due  # holds writers that are closed by now
        time.sleep(pause)


def _in_forked_child() -> None:
    global _thread, _lock
    _lock = threading.Lock()
    _thread = None
    _writers.clear()


os.register_at_fork(after_in_child=_in_forked_child)
