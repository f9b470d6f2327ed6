"""Digests of large files, computed beside the training and recorded once they are known."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from multitrack.background import in_background
from multitrack.inputs.references import digest_of

log = logging.getLogger("multitrack")

#: Seconds that the end of a run waits for digests.
END_WAIT: Final = 60.0
#: Seconds after which it says that it does.
_SAY_AFTER: Final = 1.0

#: Told of a digest and its bytes, or why there is none.
Done = Callable[[str | None, int | None, Exception | None], None]


class PendingDigests:
    """One run's digests that are still to be computed, one after the other, by a thread that ends with the last."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Path, Done]] = deque()
        self._current: tuple[Path, Done] | None = None
        self._changed = threading.Condition()
        self._running = False

    def put(self, path: Path, done: Done) -> None:
        """Have the digest of a file or directory computed.

        Args:
            path: The file.
            done: Called once, on the thread, or by :meth:`wait` where the digest came too late.
        """
        with self._changed:
            self._waiting.append((path, done))
            if self._running:
                return
            self._running = True
        in_background(self._work, "multitrack-digest")

    def wait(self, seconds: float = END_WAIT) -> None:
        """Wait until all are recorded; those that take longer are recorded without a digest. Ctrl-C ends the wait."""
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
            log.warning("multitrack: the wait for digests was ended by Ctrl-C")
        with self._changed:
            given_up = [*([self._current] if self._current is not None else []), *self._waiting]
            self._current = None
            self._waiting.clear()
        for path, done in given_up:
            reason = f"the digest of {path} took longer than {seconds:g} s; digest=False skips it"
            done(None, None, TimeoutError(reason))

    def _paths(self) -> list[Path]:
        return [path for path, _ in ([self._current] if self._current is not None else []) + list(self._waiting)]

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._running = False
                    self._changed.notify_all()
                    return
                job = self._current = self._waiting.popleft()
            answer = _computed(job[0])
            with self._changed:
                if self._current is not job:  # given up meanwhile
                    continue
                self._current = None
            job[1](*answer)


def _computed(path: Path) -> tuple[str | None, int | None, Exception | None]:
    try:
        before = _stamp(path)
        digest, size = digest_of(path)
        if _stamp(path) != before:
            raise OSError(f"{path} was written while its digest was computed")
    except Exception as error:  # noqa: BLE001 - gone, unreadable, of a file system with errors of its own
        return None, None, error
    return digest, size, None


def _stamp(path: Path) -> Any:
    found = os.stat(path)  # noqa: PTH116 - twice for each
    return found.st_mtime_ns, found.st_size, found.st_ino
