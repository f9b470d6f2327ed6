"""Protect records against power loss: with ``fsync = seconds``, a thread syncs the journal at that interval.

Without it a record survives the death of every process, but not a power cut before the kernel has written it out
(Linux does so within about 30 seconds). The thread delays a recording call only if both meet in the file system; see
docs/performance.md for the cost.
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
    """Sync the records of ``writer`` to disk now, and every ``seconds`` until it is closed.

    Args:
        writer: The open segment.
        seconds: Maximum age of records that a power cut may lose; 0 to leave them to the kernel.
    """
    global _thread
    if not seconds:
        return
    for path in (writer.directory, writer.directory.parent, writer.directory.parent.parent):
        put_on_medium(path)  # a file's name is durable only once its directory is synced
    writer.put_on_medium()
    with _lock:
        _writers[writer] = seconds
        if _thread is None:
            _thread = threading.Thread(target=_work, name="multitrack-fsync", daemon=True)
            _thread.start()


def put_on_medium(path: Path) -> None:
    """``fsync`` a file or directory; log a warning if that fails."""
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
        del due  # it would keep closed writers alive
        time.sleep(pause)


def _in_forked_child() -> None:
    global _thread, _lock
    _lock = threading.Lock()
    _thread = None
    _writers.clear()


os.register_at_fork(after_in_child=_in_forked_child)
