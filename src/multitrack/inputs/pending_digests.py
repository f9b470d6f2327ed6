"""Compute the digests of large files on a background thread, and record them once they are known."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from multitrack.environment.forks import in_background
from multitrack.inputs.references import MANY, digest_of, files_of

log = logging.getLogger("multitrack")

#: Maximum seconds that the end of a run waits for digests.
END_WAIT: Final = 60.0
#: Seconds after which the wait is logged.
_SAY_AFTER: Final = 1.0

#: Called with the digest and the size in bytes, or with the error.
Done = Callable[[str | None, int | None, Exception | None], None]


class _Job(NamedTuple):
    """A digest to compute.

    Attributes:
        path: The file or directory.
        stamp: Its stamp (see :func:`_stamp`) when the digest was requested; None if it was already gone.
        done: As for :meth:`PendingDigests.put`.
    """

    path: Path
    stamp: Any
    done: Done


class PendingDigests:
    """The queue of one run's digests; a thread computes them one after the other and ends with the last."""

    def __init__(self) -> None:
        self._waiting: deque[_Job] = deque()
        self._current: _Job | None = None
        self._changed = threading.Condition()
        self._running = False

    def put(self, path: Path, done: Done) -> None:
        """Queue the digest of a file or directory in its current state.

        Args:
            path: The file or directory.
            done: Called once, on the thread, or by :meth:`wait` if the digest takes too long.
        """
        try:
            stamp = _stamp(path)
        except OSError:
            stamp = None  # already gone: the thread reports the error
        with self._changed:
            self._waiting.append(_Job(path, stamp, done))
            if self._running:
                return
            self._running = True
        in_background(self._work, "multitrack-digest")

    def wait(self, seconds: float = END_WAIT) -> None:
        """Wait until all digests are recorded; Ctrl-C ends the wait.

        Args:
            seconds: Maximum seconds to wait; digests that take longer are reported as ``TimeoutError``.
        """
        began = time.monotonic()
        said = False
        try:
            with self._changed:
                while self._running and (left := began + seconds - time.monotonic()) > 0:
                    self._changed.wait(min(left, _SAY_AFTER))
                    if not said and self._running and time.monotonic() - began >= _SAY_AFTER:
                        said = True
                        log.warning("multitrack: computing the digests of %s", ", ".join(map(str, self._paths())))
        except KeyboardInterrupt:
            log.warning("multitrack: Ctrl-C ended the wait for digests")
        with self._changed:
            given_up = [*([self._current] if self._current is not None else []), *self._waiting]
            self._current = None
            self._waiting.clear()
        for job in given_up:
            when = f"took longer than {seconds:g} s" if seconds else "was not ready when the process ended"
            reason = f"the digest of {job.path} {when}; digest=False skips it"
            job.done(None, None, TimeoutError(reason))

    def _paths(self) -> list[Path]:
        return [job.path for job in ([self._current] if self._current is not None else []) + list(self._waiting)]

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._running = False
                    self._changed.notify_all()
                    return
                job = self._current = self._waiting.popleft()
            answer = _computed(job)
            with self._changed:
                if self._current is not job:  # given up meanwhile
                    continue
                self._current = None
            job.done(*answer)


def _computed(job: _Job) -> tuple[str | None, int | None, Exception | None]:
    try:
        if _stamp(job.path) != job.stamp:
            raise OSError(f"{job.path} was written again before its digest could be computed")
        digest, size = digest_of(job.path)
        if _stamp(job.path) != job.stamp:
            raise OSError(f"{job.path} was written while its digest was being computed")
    except Exception as error:  # noqa: BLE001 - gone, unreadable, or an error of a special file system
        return None, None, error
    return digest, size, None


def _stamp(path: Path) -> Any:
    """Mtime, size and inode of a file, to detect writes; of a directory, also those of its first :data:`MANY` files."""
    places = itertools.chain([path], itertools.islice(files_of(path), MANY))
    found = [os.stat(place) for place in places]  # noqa: PTH116 - often
    return [(one.st_mtime_ns, one.st_size, one.st_ino) for one in found]
