"""Leases: rights that processes on several machines take in turn, where locks do not hold between machines.

A holder writes a :class:`~multitrack.journal.signs.Sign` into a file that only one process can create, and renews it on
a thread of its own. Who takes it for dead removes the file. So a holder that was only paused notices that before it
does anything more.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from multitrack.journal.signs import BYTES, GONE, PARTS, decode, encode, new_sign

log = logging.getLogger("multitrack")


class Lease:
    """The right that goes with a file, of this process.

    Args:
        path: The file.
        on_loss: Called on the renewing thread if another process has taken the right over.
        mode: The file's permissions.
    """

    def __init__(self, path: Path, on_loss: Callable[[], None] | None = None, mode: int = 0o600) -> None:
        self.path = path
        self.on_loss = on_loss
        self.lost = False
        self._mode = mode
        self._beat = 0
        self._process = os.getpid()
        self._sign = new_sign()
        self._confirmed = 0.0

    @property
    def interval(self) -> float:
        """Seconds between renewals."""
        return self._sign.seconds / PARTS

    def create(self) -> bool:
        """Create the file; return False if there is one.

        Raises:
            OSError: If it cannot be written.
        """
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, self._mode)
        except FileExistsError:
            return False
        try:
            os.pwrite(fd, encode(self._sign), 0)
        except OSError:
            self.path.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        self._confirmed = time.monotonic()
        _renewals.add(self)
        return True

    def is_current(self) -> bool:
        """Return True if no other process has taken the right over; reads the file."""
        return self._visit(None)

    def renew(self) -> None:
        """Change the sign; called on the renewing thread."""
        self._beat += 1
        if not self._visit(self._beat) and self.on_loss is not None:
            self.on_loss()

    def release(self) -> None:
        """Mark the file as released, which leaves its number taken."""
        if os.getpid() == self._process:
            _renewals.remove(self)
            self._visit(-1)

    def remove(self) -> bool:
        """Remove the file; return False if another process had done so."""
        if os.getpid() != self._process:  # a forked child has no part in it
            return True
        _renewals.remove(self)
        if not self.is_current():
            return False
        try:
            self.path.unlink()
        except OSError as error:
            return error.errno not in GONE
        return True

    def _visit(self, beat: int | None) -> bool:
        """Check that the file is still this lease's, and write a sign if ``beat`` is given; -1 to release it."""
        if self.lost:
            return False
        flags = os.O_RDONLY if beat is None else os.O_RDWR
        try:
            fd = os.open(self.path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                found = decode(os.read(fd, 2 * BYTES))
                self.lost = found is not None and found.id != self._sign.id
                if beat is not None and not self.lost:
                    sign = msgspec.structs.replace(self._sign, beat=max(beat, self._beat), released=beat < 0)
                    os.pwrite(fd, encode(sign), 0)
            finally:
                os.close(fd)  # which, on NFS, also writes to the server
        except OSError as error:
            self.lost = error.errno in GONE
            # a server that is away: the sign counts for as long as the others believe it
            return not self.lost and time.monotonic() - self._confirmed < self._sign.seconds
        if not self.lost:
            self._confirmed = time.monotonic()
        return not self.lost


class _Renewals:
    """Renews the leases of this process, on one thread that is there while there are any."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew, as in a forked child: the leases are the parent's."""
        self._leases: set[Lease] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()

    def add(self, lease: Lease) -> None:
        with self._lock:
            self._leases.add(lease)
            if self._thread is None:
                with contextlib.suppress(RuntimeError):  # at the interpreter's exit: the lease is short then
                    thread = threading.Thread(target=self._work, name="multitrack-leases", daemon=True)
                    thread.start()
                    self._thread = thread

    def remove(self, lease: Lease) -> None:
        with self._lock:
            self._leases.discard(lease)

    def _work(self) -> None:
        while True:
            with self._lock:
                leases = list(self._leases)
                if not leases:
                    self._thread = None
                    return
            time.sleep(min(lease.interval for lease in leases))
            for lease in leases:
                with self._lock:
                    if lease not in self._leases:
                        continue
                    if lease.lost:
                        self._leases.discard(lease)
                        continue
                try:
                    lease.renew()
                except Exception:
                    log.exception("multitrack: the lease %s cannot be renewed", lease.path)


_renewals: Final = _Renewals()
os.register_at_fork(after_in_child=_renewals.reset)
