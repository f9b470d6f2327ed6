"""Monitor uploads: the SDK's helper process retries for hours, and reports it only on request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from multitrack.errors import RetryableError
from multitrack_wandb.errors import plain
from multitrack_wandb.internals import helper, isolation

if TYPE_CHECKING:
    import wandb

#: Seconds that an error must last before it is reported: the SDK's own retry may succeed.
_PASSING: Final = 1.0
#: Timeout of work in seconds, if the helper process cannot report its requests.
_UNTOLD: Final = 60.0
_LOOK_EVERY: Final = 0.25


class Uploads:
    """Runs work on an SDK run in a thread, and meanwhile monitors whether the server accepts the data.

    Many calls of the SDK wait for the server silently and without a timeout: logging an artifact, finishing a run.

    Args:
        run: The run.
    """

    def __init__(self, run: wandb.Run) -> None:
        self._run = run
        self._since: float | None = None
        self._work: threading.Thread | None = None
        self._error: Exception | None = None
        self._begun = 0.0

    @property
    def busy(self) -> bool:
        """True from the start of work until :meth:`wait` has seen its end."""
        return self._work is not None

    def begin(self, work: Callable[[], None]) -> None:
        """Start work in the thread; call :meth:`wait` for its end."""
        self._error = None
        self._begun = time.monotonic()
        self._work = threading.Thread(target=self._do, args=(work,), name="multitrack-wandb", daemon=True)
        self._work.start()

    def wait(self) -> None:
        """Wait for the work, and monitor the uploads. A call after a RetryableError continues to wait.

        Raises:
            RetryableError: For over a second the server has not accepted data. The work continues.
            Exception: The error that ended the work.
        """
        while self._work is not None:
            self._work.join(_LOOK_EVERY)
            if not self._work.is_alive():
                self._work = None
            elif (found := self._lasting()) is not None:
                raise RetryableError(f"W&B accepts no data: {plain(found)}")
        if self._error is not None:
            raise self._error

    def check(self) -> None:
        """Check the uploads, without waiting.

        Raises:
            RetryableError: As :meth:`wait`.
        """
        if (found := self._lasting()) is not None:
            raise RetryableError(f"W&B accepts no data: {plain(found)}")

    def _lasting(self) -> str | None:
        """Return an error that has lasted for over a second, or None."""
        found = self._trouble()
        if found is None:
            self._since = None
        elif self._since is None:
            self._since = time.monotonic()
        elif time.monotonic() - self._since > _PASSING:
            return found
        return None

    def _trouble(self) -> str | None:
        if helper.can_tell(self._run):
            return helper.trouble(self._run)
        if self._work is not None and (waited := time.monotonic() - self._begun) > _UNTOLD:
            return f"no answer for {waited:.0f} s"
        return None

    def _do(self, work: Callable[[], None]) -> None:
        try:
            with isolation.apart_for(self._run):
                work()
        except Exception as error:  # noqa: BLE001 - raised by wait()
            self._error = error
