"""Where this training process's courier runs: a process of its own, or a thread.

A host only passes orders on; whatever became of them is read from the lanes' state files.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import site
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

log = logging.getLogger("multitrack")

#: How often a courier process that died is started again.
RESTARTS: Final = 3
#: Variables that would make a tracker's SDK attach the courier to a run of somebody else.
_HIDDEN: Final = (
    "WANDB_RUN_ID", "WANDB_RESUME", "WANDB_MODE", "WANDB_NAME", "WANDB_RUN_GROUP", "WANDB_SERVICE", "MLFLOW_RUN_ID",
)  # fmt: skip


class Host(Protocol):
    """What a run needs of its courier; every method returns at once."""

    def add(self, directory: Path, options: dict[str, dict[str, Any]], objects: dict[str, object]) -> None:
        """Take on a run."""

    def nudge(self) -> bool:
        """Deliver now what is there; whether anybody will."""

    def look(self) -> None:
        """See that the courier lives."""

    def stop(self, limit: float) -> None:
        """Finish within ``limit`` seconds and go."""


class ThreadHost:
    """The courier as a daemon thread of this process. Trackers' SDKs are imported here and cost it time."""

    def __init__(self, interval: float) -> None:
        # Not at the top: the courier process imports this package on its way to running that module as its main one.
        from multitrack.courier import Courier  # noqa: PLC0415

        self._stopped = threading.Event()
        self._leaving = False
        self._courier = Courier(interval, self._say, self._keep_last)
        self._thread = threading.Thread(
            target=self._courier.run, args=(self._stopped.is_set,), name="multitrack-courier", daemon=True
        )
        self._thread.start()
        self._known: set[str] = set()
        self.at_exit: Callable[[], None] | None = None

    def add(self, directory: Path, options: dict[str, dict[str, Any]], objects: dict[str, object]) -> None:
        """Take on a run."""
        self._courier.add(directory, options, objects)

    def nudge(self) -> bool:
        """Deliver now what is there."""
        self._courier.nudge()
        return True

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


class ProcessHost:
    """The courier as a child process, in the same session but a process group of its own.

    Args:
        journal: The journal's directory, for the courier's log.
        interval: Seconds between deliveries.
    """

    def __init__(self, journal: Path, interval: float) -> None:
        self._journal = journal
        self._interval = interval
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.RLock()
        self._backlog = bytearray()
        self._starts = 0
        self._runs: dict[Path, dict[str, Any]] = {}
        self._pid = os.getpid()

    def add(self, directory: Path, options: dict[str, dict[str, Any]], objects: dict[str, object]) -> None:
        """Take on a run; starts the process if there is none."""
        del objects  # refused at start_run
        with self._lock:
            order = {"add": str(directory), "options": options}
            self._runs[directory] = order
            if self._alive():
                self._send(order)

    def nudge(self) -> bool:
        """Deliver now what is there; starts the process again if it died, and says whether there is one."""
        with self._lock:
            alive = self._alive()
            if alive:
                self._send({"nudge": True})
            return alive

    def look(self) -> None:
        """Start the process again if it died. A look costs a ``waitpid``, some microseconds."""
        with self._lock:
            if self._process is not None:
                self._alive()

    def stop(self, limit: float) -> None:
        """Let the process finish within ``limit`` seconds and go; it is not waited for."""
        with self._lock:
            process, self._process = self._process, None
            if process is None or process.stdin is None or self._pid != os.getpid():
                return
            self._backlog += _line({"stop": limit})
            try:
                os.set_blocking(process.stdin.fileno(), True)
                process.stdin.write(self._backlog)
            except OSError:
                log.debug("the courier was gone before it was stopped")
            finally:
                process.stdin.close()
            process.returncode = 0  # it goes on by itself; no ResourceWarning for not waiting for it

    def after_fork(self) -> None:
        """In a forked child: let go of the pipe, so that the courier sees the parent's end when it comes."""
        if self._process is not None and self._process.stdin is not None:
            os.close(self._process.stdin.fileno())
            self._process.stdin = None
            self._process.returncode = 0
        self._process = None
        self._lock = threading.RLock()

    def _alive(self) -> bool:
        """Whether there is a courier to talk to; starts one where it is due."""
        if self._pid != os.getpid():
            return False
        if self._process is not None:
            if self._process.poll() is None:
                return True
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None
            again = self._starts <= RESTARTS
            log.warning(
                "multitrack: the courier process died%s",
                "; starting it again" if again else f" {self._starts} times; run `multitrack sync` later",
            )
        if self._starts > RESTARTS:
            return False
        self._starts += 1
        self._backlog.clear()
        try:
            self._process = self._start()
        except OSError as error:
            log.warning("multitrack: cannot start the courier (%s); run `multitrack sync` later", error)
            self._starts = RESTARTS + 1
            return False
        self._send({"path": sys.path})
        for order in self._runs.values():
            self._send(order)
        return True

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {key: value for key, value in os.environ.items() if key not in _HIDDEN}
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
        root = str(Path(__file__).parent.parent)
        if root not in {*site.getsitepackages(), site.getusersitepackages()}:
            path = environment.get("PYTHONPATH")
            environment["PYTHONPATH"] = f"{path}{os.pathsep}{root}" if path else root
        process = subprocess.Popen(
            # -P: what lies in the current directory must not shadow a module
            [sys.executable, "-P", "-m", "multitrack.courier", str(self._journal), str(self._interval)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, process_group=0, bufsize=0,
        )  # fmt: skip
        assert process.stdin is not None  # noqa: S101 - it is a PIPE
        os.set_blocking(process.stdin.fileno(), False)
        return process

    def _send(self, order: dict[str, Any]) -> None:
        """Pass an order on without ever blocking: what the pipe does not take now goes with the next."""
        assert self._process is not None and self._process.stdin is not None  # noqa: S101 - alive
        self._backlog += _line(order)
        try:
            while self._backlog:
                written = os.write(self._process.stdin.fileno(), self._backlog)
                del self._backlog[:written]
        except BlockingIOError:
            return
        except OSError:
            log.debug("the courier is gone; the next order starts another")


def _line(order: dict[str, Any]) -> bytes:
    return json.dumps(order).encode() + b"\n"
