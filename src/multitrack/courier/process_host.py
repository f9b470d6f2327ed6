"""The process host: the courier as a child process, with orders sent through a pipe."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from multitrack.courier.hosts import Delivery, log
from multitrack.courier.orders import line_of, order_of, own_path
from multitrack.environment.allowed import BASE, allowed
from multitrack.environment.directory import current_or_none
from multitrack.environment.forks import in_background, without_fork
from multitrack.environment.interpreter import NO_COURIER, PROGRAM, STARTED_BY, WRONG_USAGE, interpreter
from multitrack.environment.starvation import Starvation

if TYPE_CHECKING:
    import subprocess


#: Maximum number of restarts of a courier process that died.
RESTARTS: Final = 3
#: Maximum seconds for a courier to exit when another one replaces it.
HANDOVER: Final = 3.0


class ProcessHost:
    """The courier as a child process, in the same session but in its own process group.

    The pipe is opened first, so orders can be sent at once; a thread then starts the process that reads them.

    Args:
        journal: The journal's directory, for the courier's log.
        lowered: False to start the courier with this process's priority.
    """

    def __init__(self, journal: Path, *, lowered: bool = True) -> None:
        self._journal = journal
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._runs: dict[Path, Delivery] = {}
        self._lowered = lowered  # the courier's priority
        self._starvation: Starvation | None = None  # the courier's, while the end of a run waits
        self._starts = 0
        self._starter: threading.Thread | None = None
        self._failed = False  # no courier can be started here
        self._process: subprocess.Popen[bytes] | None = None  # None with an open pipe: being started
        self._orders = self._pipe = -1  # the pipe's read end, until the courier has it, and our write end
        self._backlog = bytearray()

    def add(self, directory: Path, delivery: Delivery) -> None:
        """Add a run to deliver; starts the process if there is none."""
        with self._lock:
            if self._pipe >= 0:
                self._lower()
            self.take({directory: delivery})

    def take(self, runs: Mapping[Path, Delivery]) -> None:
        """Add runs, without lowering the priority of a process that is there."""
        with self._lock:
            self._runs.update(runs)
            starts = self._starts
            if self._alive() and self._starts == starts:  # a new process gets the orders for all runs anyway
                for directory, delivery in runs.items():
                    self._send(order_of(directory, delivery))

    def nudge(self) -> bool:
        """Deliver pending records now; restart the process if it died. Return False if there is none.

        Waits some milliseconds for a process that is being started.
        """
        with self._lock:
            alive = self._alive()
            if alive:
                self._send({"nudge": True})
                self._join()
            return alive and not self._failed

    def hurry(self) -> bool:
        """Deliver now; replace a courier that other processes starve by one with normal priority.

        Without privileges, the priority of a running process cannot be raised.
        """
        with self._lock:
            alive = self.nudge()
            if alive and self._lowered and self._process is not None:
                if self._starvation is None:
                    self._starvation = Starvation(self._process.pid)
                elif self._starvation.look():
                    return self._replace()
            return alive

    def _replace(self) -> bool:
        """Let the courier finish its steps and exit, else kill it, which is safe; start one with normal priority."""
        import subprocess  # noqa: PLC0415 - as in _start

        process = self._process
        if process is not None:
            self._send({"stop": 0})
            os.close(self._pipe)
            self._pipe = -1
            try:
                process.wait(HANDOVER)
            except subprocess.TimeoutExpired:  # it may be importing an SDK, or waiting for a tracker
                process.kill()
                process.wait()
        self._let_go()
        log.info("multitrack: other processes keep the courier waiting; it continues at normal priority")
        return self._begin(lowered=False)

    def _lower(self) -> None:
        """Lower the courier's priority again, as training goes on."""
        if not self._lowered:
            self._lowered = True
            self._send({"lower": True})

    def look(self) -> None:
        """Restart the process if it died. The check costs a ``waitpid``, some microseconds."""
        with self._lock:
            if self._pipe >= 0 and self._alive():
                self._lower()

    def stop(self, limit: float) -> None:
        """Let the process finish within ``limit`` seconds and exit, without waiting for it."""
        with self._lock:
            if self._pipe < 0 or self._pid != os.getpid():
                return
            self._join()
            self._backlog += line_of({"stop": limit})
            try:
                os.set_blocking(self._pipe, True)
                self._write()
            except OSError:
                log.debug("the courier was gone before it was stopped")
            self._let_go()

    def after_fork(self) -> None:
        """In a forked child, close the pipe, so that the courier notices when the parent exits."""
        self._lock = threading.RLock()
        self._let_go()

    def _let_go(self) -> None:
        for end in (self._orders, self._pipe):
            if end >= 0:
                os.close(end)
        self._orders = self._pipe = -1
        if self._process is not None:
            self._process.returncode = 0  # it goes on by itself; avoids a ResourceWarning
        self._process = self._starvation = None

    def _alive(self) -> bool:
        """Return True if a courier runs or is being started; start one if needed."""
        if self._pid != os.getpid() or self._failed:
            return False
        if self._pipe >= 0:
            if self._process is None or self._process.poll() is None:
                return True
            self._join()
            status = self._process.returncode
            self._let_go()
            if status in (NO_COURIER, WRONG_USAGE):  # another start would fail in the same way
                self.refuse(f"{sys.executable!r} did not start a courier; see its own message")
                return False
            again = self._starts <= RESTARTS
            log.warning(
                "multitrack: the courier process died%s",
                "; starting it again" if again else f" {self._starts} times; run `multitrack sync` later",
            )
        if self._starts > RESTARTS:
            return False
        self._starts += 1
        return self._begin(lowered=self._lowered)

    def _begin(self, *, lowered: bool = True) -> bool:
        """Open the pipe, and start the process on a thread, with the present directory and environment."""
        executable = interpreter()
        if executable is None:
            self.refuse(
                f"{sys.executable!r} is a program and not a Python interpreter: runs are recorded but not delivered; "
                'set delivery = "thread" to deliver them'
            )
            return False
        self._lowered = lowered
        try:
            with without_fork:
                self._orders, self._pipe = os.pipe()
        except OSError as error:
            self.refuse(str(error))
            return False
        os.set_blocking(self._pipe, False)
        self._backlog.clear()
        self._send({"path": sys.path})
        environment = allowed(BASE)
        for directory, delivery in self._runs.items():
            environment |= delivery.environment
            self._send(order_of(directory, delivery))
        environment |= {STARTED_BY: str(self._pid), "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": own_path()}
        command = [executable, "-P", "-c", PROGRAM, "-m", "multitrack.courier", str(self._journal), str(int(lowered))]
        cwd = current_or_none() or str(self._journal)  # SDKs ask for the current directory, and fail if it was deleted
        self._starter = in_background(partial(self._start, command, environment, cwd), "multitrack-start")
        return True

    def _join(self) -> None:
        if self._starter is not None:
            self._starter.join()
            self._starter = None

    def _start(self, command: list[str], environment: dict[str, str], cwd: str) -> None:
        """Start the process; runs in a thread and takes no lock but ``without_fork``."""
        with without_fork:
            import subprocess  # noqa: PLC0415 - 4 ms, which the training thread does not need

            try:
                self._process = subprocess.Popen(
                    command, cwd=cwd, stdin=self._orders, stdout=subprocess.DEVNULL, env=environment, process_group=0
                )
            except (OSError, ValueError) as error:
                self.refuse(str(error))
            finally:
                os.close(self._orders)
                self._orders = -1

    def refuse(self, reason: str) -> None:
        """Start no courier from now on, and say why, once."""
        if not self._failed:
            log.warning("multitrack: cannot start the courier (%s); run `multitrack sync` later", reason)
        self._failed = True

    def _send(self, order: dict[str, Any]) -> None:
        """Send an order without blocking: if the pipe is full, the rest is sent with the next order."""
        self._backlog += line_of(order)
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
