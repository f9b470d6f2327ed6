"""Rights that one process has at a time: to drive a lane, to open a segment, to evaluate alerts.

A right goes with a lock on a file, which the kernel releases however its holder ends. Where such locks do not hold
between machines, it also goes with a :class:`~multitrack.journal.leases.Lease`: ``<lock>.<number>``. The number is the
*fencing number*. It only grows, because whoever takes the right creates the file with the next one, and only one
process can create it. A holder that was paused for too long finds that its own file is gone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from multitrack.journal.file_systems import NO_LOCKS, lock_trouble, mount_of
from multitrack.journal.layout import runs_directory
from multitrack.journal.leases import Lease
from multitrack.journal.signs import Observed, observe

#: The mark of a journal whose users go by leases.
MARK: Final = "leases.json"
#: Number of a lock's parents, of which one may be the journal: from the directory of a run's lanes up.
_DEPTH: Final = 4
_LONGEST_PAUSE: Final = 0.5


class Hold:
    """The right that goes with a lock's file; used by one thread at a time, but for :meth:`release`.

    Args:
        path: The lock's file; made if there is none.
        mode: Its permissions then.

    Attributes:
        holder: The process that has the right, in words, if it could not be taken.
        number: The fencing number; 0 where locks hold.
    """

    def __init__(self, path: Path, mode: int = 0o600) -> None:
        self._path = path
        self._mode = mode
        self._fd = -1
        self._process = 0
        self._lease: Lease | None = None
        self.holder: str | None = None
        self.number = 0

    @property
    def held(self) -> bool:
        """True if this object has the right, as far as this process knows."""
        return self._fd >= 0

    def take(self, above: int = 0) -> bool:
        """Take the right; return False if another process, or another object of this one, has it.

        Args:
            above: The fencing number is greater than this.

        Raises:
            OSError: If the file cannot be opened, or its file system has no locks and the journal no leases.
        """
        if self.held:
            return True
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, self._mode)
        taken = False
        try:
            leased = uses_leases(self._path)
            if try_lock(fd, fcntl.LOCK_EX, needed=not leased):
                taken = not leased or self._take_lease(above)
            else:
                pid = os.pread(fd, 20, 0).decode(errors="replace").strip()
                self.holder = f"process {pid}" if pid.isdigit() else "another process"
        finally:
            if not taken:
                os.close(fd)
        if taken:
            self._fd, self._process, self.holder = fd, os.getpid(), None
            with contextlib.suppress(OSError):  # a full disk; the pid is only for messages
                os.ftruncate(fd, 0)
                os.pwrite(fd, f"{self._process}\n".encode(), 0)
        return taken

    def is_current(self) -> bool:
        """Return True if no other process has taken the right over. Reads a file where leases are used."""
        if not self.held:
            return False
        lease = self._lease
        if lease is None or lease.is_current():
            return True
        _, found = self._newest()
        self.holder = "another process" if found is None else str(found)
        return False

    def release(self) -> None:
        """Release the right; safe from any thread, and idempotent."""
        fd, self._fd = self._fd, -1  # in one step: a worker and the courier's end may both release it
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.release()
        if fd >= 0:
            if os.getpid() == self._process:
                with contextlib.suppress(OSError):
                    fcntl.flock(fd, fcntl.LOCK_UN)  # a child that an SDK forked may have the file open, too
            os.close(fd)

    def _take_lease(self, above: int) -> bool:
        number, found = self._newest()
        if found is not None and not found.is_free:
            self.holder = str(found)
            return False
        number = max(number, above)
        lease = Lease(self._named(number + 1), mode=self._mode)
        if not lease.create():
            self.holder = "another process"
            return False
        newest, found = self._newest()
        if newest > number + 1:  # this process was paused, and what it took was over already
            lease.remove()
            self.holder = str(found)
            return False
        for older in self._numbers():
            if older <= number:
                self._named(older).unlink(missing_ok=True)
        self._lease, self.number = lease, number + 1
        return True

    def _newest(self) -> tuple[int, Observed | None]:
        number = max(self._numbers(), default=0)
        return number, observe(self._named(number)) if number else None

    def _numbers(self) -> list[int]:
        name = f"{self._path.name}."
        endings = [each[len(name) :] for each in os.listdir(self._path.parent) if each.startswith(name)]  # noqa: PTH208
        return [int(ending) for ending in endings if ending.isdecimal()]

    def _named(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


@contextlib.contextmanager
def locked(path: Path, mode: int = 0o600) -> Iterator[None]:
    """Hold the lock of a file during the block; other processes and threads that want it wait.

    Args:
        path: The file; made if there is none.
        mode: Its permissions then.

    Raises:
        OSError: If it cannot be opened, or its file system has no locks.
    """
    hold, pause = Hold(path, mode), 0.001
    while not hold.take():
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    try:
        yield
    finally:
        hold.release()


def try_lock(fd: int, how: int, *, needed: bool = True) -> bool:
    """Lock an open file, without waiting; return False if another process has it locked.

    Args:
        fd: Its file descriptor.
        how: ``LOCK_EX`` or ``LOCK_SH``.
        needed: False to return True where the file system has no locks.

    Raises:
        OSError: If the file system has no locks, and they are needed.
    """
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        if needed:
            reason = f'{error.strerror}: the file system has no locks; set locks = "lease" in the config, or choose '
            raise OSError(error.errno or errno.ENOLCK, reason + "another place for the journal") from error
    return True


def uses_leases(path: Path) -> bool:
    """Return True if a lock needs a lease beside it.

    Those of a journal do if it has the mark; others, of caches and data sets, if machines share their file system or it
    has no locks.

    Args:
        path: The lock's file.
    """
    known = _leased.get(path.parent)
    if known is None:
        places = path.parents[:_DEPTH]
        known = any((place / MARK).exists() for place in places)
        if not known:
            if runs_directory(places[0]).is_dir() or any(place.name == "runs" for place in places):
                return False  # never remembered: the journal may get a mark
            mount = mount_of(path.parent)
            known = (mount is not None and mount.is_shared) or lock_trouble(path.parent) is not None
        if len(_leased) > _REMEMBERED:
            _leased.clear()
        _leased[path.parent] = known
    return known


#: Whether locks in a directory need leases, and the number of directories that are remembered.
_leased: Final[dict[Path, bool]] = {}
_REMEMBERED: Final = 10_000
