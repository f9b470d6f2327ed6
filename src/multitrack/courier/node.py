"""The courier that several processes share: it serves each in a session of its own, and ends with the last one.

Sessions share the process with its imported SDKs, and nothing else: each has its lanes, its workers for each backend
and its limits, so that a call of an SDK that hangs keeps only the session's own lanes. Lanes that a session leaves open
in an SDK, or in a call that hangs, keep their locks; the courier then *retires*: it makes its place free for another
one, tells the live processes to join that, gives it the runs of those that have ended, and exits.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Final

from multitrack.courier import joining
from multitrack.courier.limits import CACHE_LIMIT, EXIT_LIMIT, LISTEN_LIMIT
from multitrack.courier.output import redirect, show_alerts
from multitrack.courier.place import Place, peer_of
from multitrack.courier.priority import begin_session
from multitrack.courier.session import Session
from multitrack.security.redaction import Redactor

#: Seconds to wait for the first process.
_FIRST: Final = 30.0
#: Maximum seconds for a process to say who it is.
_HELLO_LIMIT: Final = 2.0
#: Seconds that ended processes' runs are delivered after SIGTERM.
_TERM_LIMIT: Final = 10.0


def main(arguments: list[str]) -> None:
    """Serve processes until none is left; called in the process that another one starts, which soon goes on without it.

    Args:
        arguments: The journal's directory, for the log; the place's directory and name; its lock's file descriptor.
    """
    journal, directory, name, fd = arguments
    lock = int(fd)
    os.set_inheritable(lock, False)  # not for the helper processes of SDKs
    place = Place(Path(directory), name)
    listener = place.listen()
    if os.fork():  # nobody's child: no training has to wait for it
        os._exit(0)
    begin_session()
    os.dup2(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    joining.succeed_with(place, journal)
    redactor = Redactor()
    redirect(Path(journal), redactor)
    node = Node(place, listener, lock, redactor)
    show_alerts(node.say)
    signal.signal(signal.SIGTERM, lambda *_: node.terminate())
    os.register_at_fork(after_in_child=node.in_child)
    place.sweep()
    node.serve()
    # SDKs clean up when the interpreter exits; one that hangs there must not keep the process alive
    guard = threading.Timer(EXIT_LIMIT, os._exit, (0,))
    guard.daemon = True
    guard.start()
    if node.left:
        os._exit(0)


class Node:
    """Takes processes in, and ends when the last session is over.

    The main thread keeps its priority, as it does next to nothing but answer; sessions lower that of their own threads.

    Args:
        place: The place, whose lock this process has.
        listener: Its socket.
        lock: The lock's file descriptor.
        redactor: Takes the secrets in all runs' options, for the log.

    Attributes:
        left: True if lanes are left whose SDK must not clean up.
    """

    def __init__(self, place: Place, listener: socket.socket, lock: int, redactor: Redactor) -> None:
        self.left = False
        self._place = place
        self._listener = listener
        self._lock = lock
        self._redactor = redactor
        self._sessions: list[Session] = []
        self._retiring = self._terminated = False
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Serve until no process is left, or this courier retires."""
        first = time.monotonic() + _FIRST
        served = False
        self._listener.setblocking(False)
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while not self._retiring:
            poll.poll(None if served else _FIRST * 1000)
            with contextlib.suppress(BlockingIOError):
                os.read(self._woken, 4096)
            served = self._accept() or served
            self._forget()
            if not self._sessions and (served or time.monotonic() > first):
                break
        self._leave()

    def say(self, text: str) -> None:
        """Tell one of the processes: an alert is told once."""
        for session in self._sessions[:1]:
            session.say(text)

    def terminate(self) -> None:
        """End soon, as SIGTERM asks: live processes join another courier."""
        self._terminated = self._retiring = True

    def in_child(self) -> None:
        """In a process that an SDK forks, hold neither the place nor its lock."""
        self._listener.close()
        with contextlib.suppress(OSError):
            os.close(self._lock)

    def _accept(self) -> bool:
        """Begin a session for each process that waits; return True if there was one."""
        taken = False
        while True:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return taken
            except OSError:  # no file descriptor is left: take them later
                time.sleep(0.5)
                return taken
            with connection, contextlib.suppress(OSError):
                pid, user = peer_of(connection)
                if user != os.geteuid():
                    continue
                connection.settimeout(_HELLO_LIMIT)
                orders, stderr = joining.receive(connection)
                # A session begins once its process knows: one that does not joins again, with the same runs.
                connection.sendall(b"%d" % os.getpid())
                session = Session(
                    orders, stderr, pid, self._redactor,
                    alone=self._is_alone, ended=self._wake_up, retire=self._retire, give_way=self._give_way,
                )  # fmt: skip
                self._sessions.append(session)
                session.start()
                taken = True

    def _forget(self) -> None:
        over = [session for session in self._sessions if session.over.is_set()]
        self.left = self.left or any(session.left for session in over)
        self._sessions = [session for session in self._sessions if session not in over]

    def _is_alone(self) -> bool:
        return sum(not session.over.is_set() for session in self._sessions) <= 1

    def _retire(self) -> None:
        """Leave the place to another courier; called on a session's thread."""
        self._retiring = True
        self._wake_up()

    def _give_way(self) -> bool:
        """Retire for the only process, which then starts a courier of its own; called on its session's thread."""
        # In this order: once this courier retires, sessions end, and the last one is no longer proof of anything.
        if not self._is_alone() or self._retiring:
            return False
        self._retire()
        return True

    def _wake_up(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake, b"!")

    def _leave(self) -> None:
        """Make the place free, and end the sessions that there are."""
        self._place.leave(self._lock)
        self._listener.close()
        os.close(self._lock)
        for session in self._sessions:
            session.leave()
            if self._terminated:
                session.hasten(_TERM_LIMIT)
        deadline = time.monotonic() + CACHE_LIMIT + 2 * EXIT_LIMIT + LISTEN_LIMIT + joining.JOIN_LIMIT
        for session in self._sessions:
            session.over.wait(max(0.0, deadline - time.monotonic()))
            self.left = self.left or session.left or not session.over.is_set()
