"""Make the file of a new segment, and hold it while its writer lives: by a lock, and where needed also by a lease."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from multitrack.journal.leases import Lease
from multitrack.journal.locks import try_lock, uses_leases
from multitrack.journal.seals import lease_of, seal_of
from multitrack.journal.segments import cannot_write, last_segment, segment_path
from multitrack.journal.signs import observe


class SegmentFile:
    """An open segment of this process.

    Args:
        directory: The run's directory.
        after: Number of the segment that this one continues; default: the newest.
        on_loss: Called on another thread if another machine gives this process up.

    Attributes:
        number: The segment's number.
        path: Its file.
        fd: The file, open for appending.

    Raises:
        JournalError: If the directory cannot be written.
    """

    def __init__(self, directory: Path, after: int | None, on_loss: Callable[[], None]) -> None:
        self._on_loss = on_loss
        self._lease: Lease | None = None
        # Locked under a name that readers ignore, then linked: no reader ever sees a segment without its lock.
        draft = directory / f".segment-{os.getpid()}-{time.monotonic_ns()}"
        self.fd = -1
        try:
            self.fd = os.open(draft, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            leased = uses_leases(draft)
            try_lock(self.fd, fcntl.LOCK_EX, needed=not leased)
            self.number = last_segment(directory) if after is None else after
            while True:
                self.number += 1
                self.path = segment_path(directory, self.number)
                if leased and not self._take_lease():
                    continue
                try:
                    os.link(draft, self.path)
                    break
                except FileExistsError:
                    self._let_go()
        except OSError as error:
            self.close()
            raise cannot_write(directory, error) from error
        finally:
            with contextlib.suppress(OSError):
                draft.unlink()

    def _take_lease(self) -> bool:
        """Take the lease of a segment that is to be made; return False if the segment is there already."""
        lease = Lease(lease_of(self.path), on_loss=self._on_loss)
        while not lease.create():
            if self.path.exists():
                return False
            found = observe(lease.path)  # of a process that is about to make the segment, or died before it did
            if found is not None and found.is_free:
                lease.path.unlink(missing_ok=True)
            time.sleep(0.01)
        self._lease = lease
        return True

    def _let_go(self) -> bool:
        lease, self._lease = self._lease, None
        return lease is None or lease.remove()

    @property
    def is_given_up(self) -> bool:
        """True if another process has sealed the segment; reads a file where leases are used."""
        return self._lease is not None and not self._lease.is_current()

    def close(self) -> bool:
        """Close the file and release it; return False if another process had sealed it before."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
        if self._lease is None:
            return True
        if not self._let_go():
            return False
        with contextlib.suppress(OSError):  # of a process that died while it sealed
            seal_of(self.path).unlink(missing_ok=True)
        return True


class HeldSegment:
    """Holds a closed segment as its writer would, for a run that goes on elsewhere.

    Args:
        path: The segment's file.

    Raises:
        OSError: If another process holds it.
    """

    def __init__(self, path: Path) -> None:
        self._lease: Lease | None = None
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            leased = uses_leases(path)
            if not try_lock(self._fd, fcntl.LOCK_EX, needed=not leased):
                raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), str(path))
            if leased:
                lease = Lease(lease_of(path))
                if not lease.create():
                    raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), str(path))
                self._lease = lease
        except OSError:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)
        if self._lease is not None:
            self._lease.remove()
