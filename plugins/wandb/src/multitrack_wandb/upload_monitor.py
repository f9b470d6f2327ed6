"""Whether uploading works: the SDK's helper process tries again for hours, and tells nobody who does not ask."""

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

#: Seconds that a trouble may last before it is one: the SDK's own next try may get through.
_PASSING: Final = 1.0
#: Seconds that work may take where the helper process cannot be asked for its requests.
_UNTOLD: Final = 60.0
_LOOK_EVERY: Final = 0.25


class Uploads:
    """Works on one of the SDK's runs in a thread, and watches meanwhile whether the server takes what it is sent.

    Many of the SDK's calls wait for the server without end and without a word: logging an artifact, finishing a run.

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
        """Whether work has begun that :meth:`wait` has not seen the end of."""
        return self._work is not None

    def begin(self, work: Callable[[], None]) -> None:
        """Begin to do something, which is to be waited for."""
        self._error = None
        self._begun = time.monotonic()
        self._work = threading.Thread(target=self._do, args=(work,), name="multitrack-wandb", daemon=True)
        self._work.start()

    def wait(self) -> None:
        """Wait for the work, and look at the uploads; called again after a trouble, wait on.

        Raises:
            RetryableError: For some seconds now, the server has not been taking what it is sent. The work goes on.
            Exception: What ended the work.
        """
        while self._work is not None:
            self._work.join(_LOOK_EVERY)
            if not self._work.is_alive():
                self._work = None
            elif (found := self._lasting()) is not None:
                raise RetryableError(f"W&B takes no data: {plain(found)}")
        if self._error is not None:
            raise self._error

    def check(self) -> None:
        """Look at the uploads, without waiting.

        Raises:
            RetryableError: As :meth:`wait`.
        """
        if (found := self._lasting()) is not None:
            raise RetryableError(f"W&B takes no data: {plain(found)}")

    def _lasting(self) -> str | None:
        """A trouble that has lasted for a while."""
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
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error
