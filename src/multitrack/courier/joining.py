"""Join the shared courier of a group; start it if there is none."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Final

from multitrack.courier.place import Place
from multitrack.environment.directory import current_or_none
from multitrack.environment.forks import without_fork
from multitrack.environment.interpreter import NO_COURIER, PROGRAM, WRONG_USAGE

#: Maximum seconds until a courier has taken a process's orders. One that takes longer hangs; the process then starts a
#: courier of its own.
JOIN_LIMIT: Final = 30.0
#: Seconds between looks whether a courier that another process starts is there.
_LOOK: Final = 0.02
#: Number of times that a courier is started again if it was killed before it listened.
_KILLED: Final = 3
#: The message that brings the file descriptors.
_HELLO: Final = b"multitrack"


class NoSharedCourierError(Exception):
    """No shared courier can be had; the message says why.

    Attributes:
        final: True if a courier of the process's own could not be started either.
    """

    final = False


class NoCourierError(NoSharedCourierError):
    """The interpreter starts no courier at all."""

    final = True


@dataclasses.dataclass(frozen=True)
class Joining:
    """Everything that starting a courier needs.

    Attributes:
        place: Where it is found.
        journal: The journal's directory, for its log.
        executable: The interpreter.
        environment: Its environment, complete.
        cwd: Its current directory.
    """

    place: Place
    journal: str
    executable: str
    environment: Mapping[str, str]
    cwd: str
    _killed: list[int] = dataclasses.field(default_factory=list)

    def join(self, orders: socket.socket) -> int:
        """Hand over one end of a connection that brings orders; return the pid of the courier that has it.

        Raises:
            NoSharedCourierError: If there is none, and none can be started.
        """
        deadline = time.monotonic() + JOIN_LIMIT
        self._killed.clear()
        while time.monotonic() < deadline:
            try:
                connection = self.place.connect()
                if connection is None:
                    if not self._start():
                        time.sleep(_LOOK)  # another process has the lock: it starts a courier, or one is ending
                    continue
                with connection:
                    connection.settimeout(max(_LOOK, deadline - time.monotonic()))
                    pid = _hand_over(connection, orders)
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                raise NoSharedCourierError(str(error)) from error
            if pid is not None:
                return pid
            time.sleep(_LOOK)  # it was about to end
        raise NoSharedCourierError(f"it did not answer within {JOIN_LIMIT:.0f} s")

    def _start(self) -> bool:
        """Start a courier and wait until it listens; False if another process is about to."""
        # Forks wait: a child that has the lock would keep it while it lives.
        with without_fork:
            lock = self.place.lock()
            if lock is None:
                return False
            try:
                process = subprocess.Popen(
                    [
                        self.executable, "-P", "-c", PROGRAM, "-m", "multitrack.courier", "--node", self.journal,
                        str(self.place.directory), self.place.name, str(lock),
                    ],
                    cwd=self.cwd, env=dict(self.environment), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    pass_fds=[lock], process_group=0,
                )  # fmt: skip
            finally:
                os.close(lock)
        try:
            status = process.wait(JOIN_LIMIT)  # a child of its goes on, and is nobody's child
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        if status < 0 and len(self._killed) < _KILLED:  # by a user, or for want of memory
            self._killed.append(status)
            return False
        if status in (NO_COURIER, WRONG_USAGE):
            raise NoCourierError(f"{self.executable!r} did not start a courier; see its own message")
        if status:
            raise NoSharedCourierError(f"{self.executable!r} ended with status {status}; see its own message")
        return True


def _hand_over(connection: socket.socket, orders: socket.socket) -> int | None:
    """Send the connection of the orders, and this process's stderr for notices; None if the courier has just ended."""
    fds = [orders.fileno()]
    with contextlib.suppress(OSError):
        os.fstat(2)
        fds.append(2)
    try:
        socket.send_fds(connection, [_HELLO], fds)
        answer = connection.recv(32)
    except TimeoutError:
        raise
    except OSError:
        return None
    return int(answer) if answer else None


def receive(connection: socket.socket) -> tuple[socket.socket, int]:
    """Take what :func:`_hand_over` sends: the connection of the orders, and the file descriptor for notices, or -1.

    Raises:
        OSError: If it is something else, or does not come.
    """
    cloexec = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    _, fds, _, _ = socket.recv_fds(connection, len(_HELLO), 2, cloexec)
    if not fds:
        raise OSError("no file descriptor came")
    for fd in fds:
        os.set_inheritable(fd, False)
    return socket.socket(fileno=fds[0]), fds[1] if len(fds) > 1 else -1


_successor: list[Joining] = []


def succeed_with(place: Place, journal: str) -> None:
    """Note how this process, a courier, was started, as long as no SDK has changed its environment."""
    _successor[:] = [Joining(place, journal, sys.executable, dict(os.environ), current_or_none() or journal)]


def successor() -> Joining:
    """How this courier's sessions join the next courier of its group."""
    return _successor[0]
