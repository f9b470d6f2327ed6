"""Whether uploading works: the SDK's helper process tries again for hours, and tells nobody who does not ask."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from multitrack.errors import RetryableError
from multitrack_wandb import internals, sdk

if TYPE_CHECKING:
    import wandb

#: Seconds that a trouble may last before it is one: the SDK's own next try may get through.
_PASSING: Final = 1.0
#: Seconds that a request may take before it counts as unanswered.
_UNANSWERED: Final = 15.0
_ASK_TIMEOUT: Final = 5.0
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

    @property
    def busy(self) -> bool:
        """Whether work has begun that :meth:`wait` has not seen the end of."""
        return self._work is not None

    def begin(self, work: Callable[[], None]) -> None:
        """Begin to do something, which is to be waited for."""
        self._error = None
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
                raise RetryableError(f"W&B takes no data: {sdk.plain(found)}")
        if self._error is not None:
            raise self._error

    def check(self) -> None:
        """Look at the uploads, without waiting.

        Raises:
            RetryableError: As :meth:`wait`.
        """
        if (found := self._lasting()) is not None:
            raise RetryableError(f"W&B takes no data: {sdk.plain(found)}")

    def _lasting(self) -> str | None:
        """A trouble that has lasted for a while."""
        found = _trouble(self._run)
        if found is None:
            self._since = None
        elif self._since is None:
            self._since = time.monotonic()
        elif time.monotonic() - self._since > _PASSING:
            return found
        return None

    def _do(self, work: Callable[[], None]) -> None:
        try:
            with internals.apart():
                work()
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error


def _trouble(run: wandb.Run) -> str | None:
    """What the helper process says of requests that fail or are not answered; ``None`` where all is well."""
    protocol = importlib.import_module("wandb.proto.wandb_internal_pb2")
    interface: Any = run._interface  # of several kinds, not all of which can be asked
    if interface is None:
        return None
    ask = protocol.Record(request=protocol.Request(operations=protocol.OperationStatsRequest()))
    try:
        answer = interface._deliver(ask).wait_or(timeout=_ASK_TIMEOUT)
    except Exception:  # noqa: BLE001 - whoever uses the run next is told why
        return None
    for operation in answer.response.operations_response.operation_stats.operations:
        if operation.error_status:
            return f"{operation.desc}: {operation.error_status}"
        if operation.runtime_seconds > _UNANSWERED:
            return f"{operation.desc}: not answered for {operation.runtime_seconds:.0f} s"
    return None
