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
    """The courier as a daemon thread of this process, which imports the trackers' SDKs and is slowed by them."""

    def __init__(self) -> None:
        # Imported here: a training process whose courier is a process does not need it.
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
        """Add a run to deliver."""
        self._courier.add(directory, delivery.options, delivery.objects, delivery.interval)
        if delivery.alerts:
            self._courier.watch(directory, delivery.alerts, delivery.interval)
        if delivery.compact:
            self._courier.compact(directory, delivery.compact)

    def nudge(self) -> bool:
        """Deliver pending records now; always return True."""
        self._courier.nudge()
        return True

    def hurry(self) -> bool:
        """Like :meth:`nudge`: a thread has its process's priority."""
        return self.nudge()

    def look(self) -> None:
        """Do nothing: a thread does not die alone."""

    def let_go(self) -> set[Path]:
        """At interpreter exit, abandon the runs that are not opened yet; return their directories.

        SDKs can no longer be imported then, because the standard library's thread pools refuse to be.
        """
        self._leaving = True
        return self._courier.let_go()

    def _say(self, text: str) -> None:
        log.log(logging.DEBUG if self._leaving else logging.WARNING, "multitrack: %s", text)

    def stop(self, limit: float) -> None:
        """End the loop; lanes still pending are left to ``multitrack sync``."""
        self._courier.finish_alerts(limit)
        self._stopped.set()
        self._courier.nudge()
        self._thread.join(1.0)
        self._courier.close()

    def after_fork(self) -> None:
        """Do nothing: a thread is not in the child."""

    def _keep_last(self) -> None:
        # SDKs register exit hooks that end their runs. Hooks run last in, first out, so ours must be registered last.
        hooks = {name for name in ("wandb", "neptune", "mlflow") if name in sys.modules}
        if self.at_exit is not None and not hooks <= self._known:
            self._known |= hooks
            atexit.unregister(self.at_exit)
            atexit.register(self.at_exit)
