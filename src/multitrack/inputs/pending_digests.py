"""Compute the digests of large files and look up versions of data on a background thread."""

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

#: Looks up a version, given the digest if it was computed.
FindVersion = Callable[[str | None], str | None]


class Computed(NamedTuple):
    """What the thread found of a reference.

    Attributes:
        digest: The digest, if computed.
        size: The size in bytes, if computed.
        version: The version, if found.
        error: Why there is no digest or version.
    """

    digest: str | None = None
    size: int | None = None
    version: str | None = None
    error: Exception | None = None


class _Job(NamedTuple):
    """A digest to compute, a version to look up, or both.

    Attributes:
        what: The file or directory, or a URI.
        unread: The file or directory to compute the digest of; None if that is not wanted.
        stamp: The stamp (see :func:`_stamp`) of ``unread`` when the digest was requested; None if it was already gone.
        digest: The digest, if already known.
        find: Looks up the version, if wanted.
        done: As for :meth:`PendingDigests.put`.
    """

    what: str
    unread: Path | None
    stamp: Any
    digest: str | None
    find: FindVersion | None
    done: Callable[[Computed], None]


class PendingDigests:
    """The queue of one run's digests and versions; a thread works on one after the other and ends with the last."""

    def __init__(self) -> None:
        self._waiting: deque[_Job] = deque()
        self._current: _Job | None = None
        self._changed = threading.Condition()
        self._running = False

    def put(
        self, what: str, done: Callable[[Computed], None], *,
        unread: Path | None, digest: str | None = None, find: FindVersion | None = None,
    ) -> None:  # fmt: skip
        """Queue the digest of a file or directory in its current state, or the version of a reference, or both.

        Args:
            what: The file or directory, or a URI, for messages.
            done: Called once, on the thread, or by :meth:`wait` if it takes too long.
            unread: The file or directory to compute the digest of.
            digest: The digest, if already computed.
            find: Looks up the version.
        """
        try:
            stamp = None if unread is None else _stamp(unread)
        except OSError:
            stamp = None  # already gone: the thread reports the error
        with self._changed:
            self._waiting.append(_Job(what, unread, stamp, digest, find, done))
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
                        log.warning("multitrack: computing the digests of %s", ", ".join(self._names()))
        except KeyboardInterrupt:
            log.warning("multitrack: Ctrl-C ended the wait for digests")
        with self._changed:
            given_up = [*([self._current] if self._current is not None else []), *self._waiting]
            self._current = None
            self._waiting.clear()
        for job in given_up:
            when = f"took longer than {seconds:g} s" if seconds else "was not ready when the process ended"
            wanted, skips = ("version", "version=…") if job.unread is None else ("digest", "digest=False")
            reason = f"the {wanted} of {job.what} {when}; {skips} skips it"
            job.done(Computed(error=TimeoutError(reason)))

    def _names(self) -> list[str]:
        return [job.what for job in ([self._current] if self._current is not None else []) + list(self._waiting)]

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
            job.done(answer)


def _computed(job: _Job) -> Computed:
    if job.unread is None:
        return Computed(version=job.find and job.find(job.digest))
    path = job.unread
    try:
        if _stamp(path) != job.stamp:
            raise OSError(f"{path} was written again before its digest could be computed")
        digest, size = digest_of(path)
        version = job.find and job.find(digest)
        if _stamp(path) != job.stamp:
            raise OSError(f"{path} was written while its digest was being computed")
    except Exception as error:  # noqa: BLE001 - gone, unreadable, or an error of a special file system
        return Computed(error=error)
    return Computed(digest, size, version)


def _stamp(path: Path) -> Any:
    """Mtime, size and inode of a file, to detect writes; of a directory, also those of its first :data:`MANY` files."""
    places = itertools.chain([path], itertools.islice(files_of(path), MANY))
    found = [os.stat(place) for place in places]  # noqa: PTH116 - often
    return [(one.st_mtime_ns, one.st_size, one.st_ino) for one in found]
