"""The thread host: lanes driven by a thread of the training process."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from multitrack.courier.hosts import Delivery, log


class ThreadHost:
    """The courier as a daemon thread of this process. Trackers' SDKs are imported here and cost it time."""

    def __init__(self) -> None:
        # Not at the top: the courier process imports this package on its way to running that module as its main one.
        from multitrack.courier.loop import Courier  # noqa: PLC0415

        self._stopped = threading.Event()
        self._leaving = False
        self._courier = Courier(self._say, self._keep_last)
        self._thread = threading.Thread(
            target=self._courier.run, args=(self._stopped.is_set,), name="multitrack-courier", daemon=True
        )
        self._thread.start()
        self._known: set[str] = set()
        self.at_exit: Callable[[], None] | None = None

    def add(self, directory: Path, delivery: Delivery) -> None:
        """Take on a run."""
        self._courier.add(directory, delivery.options, delivery.objects, delivery.interval)

    def nudge(self) -> bool:
        """Deliver now what is there."""
        self._courier.nudge()
        return True

    def hurry(self) -> bool:
        """The same: a thread has its process's priority."""
        return self.nudge()

    def look(self) -> None:
        """Nothing: a thread does not die alone."""

    def let_go(self) -> set[Path]:
        """At the interpreter's exit: give up what is not open yet, and say whose runs that concerns.

        No SDK can be imported any more then: the standard library's thread pools refuse to be.
        """
        self._leaving = True
        return self._courier.let_go()

    def _say(self, text: str) -> None:
        log.log(logging.DEBUG if self._leaving else logging.WARNING, "multitrack: %s", text)

    def stop(self, limit: float) -> None:
        """End the loop; lanes still pending are left to ``multitrack sync``."""
        del limit  # a thread ends with its process
        self._stopped.set()
        self._courier.nudge()
        self._thread.join(1.0)
        self._courier.close()

    def _keep_last(self) -> None:
        # SDKs register exit hooks that end their runs. Hooks run last in, first out: ours must be the last in.
        hooks = {name for name in ("wandb", "neptune", "mlflow") if name in sys.modules}
        if self.at_exit is not None and not hooks <= self._known:
            self._known |= hooks
            atexit.unregister(self.at_exit)
            atexit.register(self.at_exit)
