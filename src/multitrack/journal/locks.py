"""Wait for a lock on a file, which the kernel releases however its holder ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(path: Path, mode: int = 0o600) -> Iterator[None]:
    """Hold the lock of a file during the block; other processes and threads that want it wait.

    Args:
        path: The file; made if there is none.
        mode: Its permissions then.

    Raises:
        OSError: If it cannot be opened, or its file system has no locks.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
