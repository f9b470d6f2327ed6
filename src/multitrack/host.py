"""Where this training process's courier runs: a process of its own, or a thread.

A host only passes orders on; whatever became of them is read from the lanes' state files.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import site
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from multitrack.background import in_background, without_fork

if TYPE_CHECKING:
    import subprocess

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

    Its pipe is there before it is: orders go in at once, and a thread starts the process that will read them.

    Args:
        journal: The journal's directory, for the courier's log.
        interval: Seconds between deliveries.
    """

    def __init__(self, journal: Path, interval: float) -> None:
        self._journal = journal
        self._interval = interval
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._runs: dict[Path, dict[str, Any]] = {}
        self._starts = 0
        self._starter: threading.Thread | None = None
        self._failed = False  # no process can be started here
        self._process: subprocess.Popen[bytes] | None = None  # None with a pipe: it is being started
        self._orders = self._pipe = -1  # the pipe's ends: the courier's, until it has it, and ours
        self._backlog = bytearray()

    def add(self, directory: Path, options: dict[str, dict[str, Any]], objects: dict[str, object]) -> None:
        """Take on a run; starts the process if there is none."""
        del objects  # refused at start_run
        with self._lock:
            order = self._runs[directory] = {"add": str(directory), "options": options}
            starts = self._starts
            if self._alive() and self._starts == starts:  # one that was just begun has been told of all runs
                self._send(order)

    def nudge(self) -> bool:
        """Deliver now what is there; starts the process again if it died, and says whether there is one.

        One that is being started is waited for, some milliseconds.
        """
        with self._lock:
            alive = self._alive()
            if alive:
                self._send({"nudge": True})
                self._join()
            return alive and not self._failed

    def look(self) -> None:
        """Start the process again if it died. A look costs a ``waitpid``, some microseconds."""
        with self._lock:
            if self._pipe >= 0:
                self._alive()

    def stop(self, limit: float) -> None:
        """Let the process finish within ``limit`` seconds and go; it is not waited for."""
        with self._lock:
            if self._pipe < 0 or self._pid != os.getpid():
                return
            self._join()
            self._backlog += _line({"stop": limit})
            try:
                os.set_blocking(self._pipe, True)
                self._write()
            except OSError:
                log.debug("the courier was gone before it was stopped")
            self._let_go()

    def after_fork(self) -> None:
        """In a forked child: let go of the pipe, so that the courier sees the parent's end when it comes."""
        self._lock = threading.RLock()
        self._let_go()

    def _let_go(self) -> None:
        for end in (self._orders, self._pipe):
            if end >= 0:
                os.close(end)
        self._orders = self._pipe = -1
        if self._process is not None:
            self._process.returncode = 0  # it goes on by itself; no ResourceWarning for not waiting for it
        self._process = None

    def _alive(self) -> bool:
        """Whether there is a courier to talk to, or on its way; starts one where it is due."""
        if self._pid != os.getpid() or self._failed:
            return False
        if self._pipe >= 0:
            if self._process is None or self._process.poll() is None:
                return True
            self._join()
            self._let_go()
            again = self._starts <= RESTARTS
            log.warning(
                "multitrack: the courier process died%s",
                "; starting it again" if again else f" {self._starts} times; run `multitrack sync` later",
            )
        if self._starts > RESTARTS:
            return False
        self._starts += 1
        return self._begin()

    def _begin(self) -> bool:
        """Open the pipe, and have a thread start the process, where and with the variables that hold now."""
        try:
            with without_fork:
                self._orders, self._pipe = os.pipe()
        except OSError as error:
            self._fail(error)
            return False
        os.set_blocking(self._pipe, False)
        self._backlog.clear()
        self._send({"path": sys.path})
        for order in self._runs.values():
            self._send(order)
        self._starter = in_background(partial(self._start, dict(os.environ), _cwd()), "multitrack-start")
        return True

    def _join(self) -> None:
        if self._starter is not None:
            self._starter.join()
            self._starter = None

    def _start(self, variables: dict[str, str], cwd: str | None) -> None:
        """Start the process; in a thread, which takes no lock but that against forks."""
        environment = {key: value for key, value in variables.items() if key not in _HIDDEN}
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
        root = str(Path(__file__).parent.parent)
        if root not in {*site.getsitepackages(), site.getusersitepackages()}:
            path = environment.get("PYTHONPATH")
            environment["PYTHONPATH"] = f"{path}{os.pathsep}{root}" if path else root
        # -P: what lies in the current directory must not shadow a module
        command = [sys.executable, "-P", "-m", "multitrack.courier", str(self._journal), str(self._interval)]
        with without_fork:
            import subprocess  # noqa: PLC0415 - 4 ms, which the training thread does not need

            try:
                self._process = subprocess.Popen(
                    command, cwd=cwd, stdin=self._orders, stdout=subprocess.DEVNULL, env=environment, process_group=0
                )
            except (OSError, ValueError) as error:
                self._fail(error)
            finally:
                os.close(self._orders)
                self._orders = -1

    def _fail(self, error: Exception) -> None:
        self._failed = True
        log.warning("multitrack: cannot start the courier (%s); run `multitrack sync` later", error)

    def _send(self, order: dict[str, Any]) -> None:
        """Pass an order on without ever blocking: what the pipe does not take now goes with the next."""
        self._backlog += _line(order)
        try:
            self._write()
        except BlockingIOError:
            return
        except OSError:
            log.debug("the courier is gone; the next order starts another")

    def _write(self) -> None:
        while self._backlog:
            written = os.write(self._pipe, self._backlog)
            del self._backlog[:written]


def _cwd() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - a string
    except OSError:
        return None  # it was deleted; the process is in the same place then


def _line(order: dict[str, Any]) -> bytes:
    return json.dumps(order).encode() + b"\n"
