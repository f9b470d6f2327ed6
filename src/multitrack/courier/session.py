"""One training process, as the shared courier serves it: with lanes, workers, limits and notices of its own."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from multitrack.courier.following import follow
from multitrack.courier.limits import CACHE_LIMIT, DEAD_LIMIT, EXIT_LIMIT, LISTEN_LIMIT
from multitrack.courier.loop import Courier
from multitrack.courier.orders import BYE, YOURS, Ending, line_of, parsed
from multitrack.courier.priority import lower_thread
from multitrack.delivery.waiting import Settling
from multitrack.security.redaction import Redactor
from multitrack.security.terminal import safe

#: Bytes that a pipe takes whole and without waiting, if it takes any (pipe(7)).
_AT_ONCE: Final = 4096


class Session:
    """Delivers the runs of one process until it has ended, and then the rest, within its limit.

    Args:
        orders: The connection that brings the process's orders.
        stderr: A file descriptor of its stderr, for notices; -1 for none.
        pid: The process.
        redactor: Takes the secrets of its runs' options.
        alone: Whether no other process needs this courier.
        ended: Called when the session is over.
        retire: Ends this courier in favour of another one.
        give_way: Does so for this process alone; returns False if another process needs this courier.

    Attributes:
        left: True if lanes are left that only this courier's end may give to others: a tracker's SDK has them open, or
            hangs.
        over: Set once the session has ended.
    """

    def __init__(
        self,
        orders: socket.socket,
        stderr: int,
        pid: int,
        redactor: Redactor,
        *,
        alone: Callable[[], bool],
        ended: Callable[[], None],
        retire: Callable[[], None],
        give_way: Callable[[], bool],
    ) -> None:
        self.left = False
        self.over = threading.Event()
        self._orders = orders
        self._stderr = stderr
        self._stderr_lock = threading.Lock()
        self._process = _Process(pid)
        self._redactor = redactor
        self._alone = alone
        self._retire = retire
        self._give_way = give_way
        self._tell_end = ended
        self._courier = Courier(self.say)
        self._ending = Ending(DEAD_LIMIT)
        self._stopped = False  # the process said how long to go on
        self._gave_way = False  # to a courier of the process's own
        self._deadline = float("inf")
        self._leaving = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="multitrack-listen", daemon=True)

    def start(self) -> None:
        """Begin to deliver, on threads of its own."""
        threading.Thread(target=self._run, name="multitrack-session", daemon=True).start()

    def leave(self) -> None:
        """Give the process's runs to another courier."""
        self._leaving.set()
        self._courier.nudge()

    def hasten(self, seconds: float) -> None:
        """If the process has ended, go on no longer than this."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)

    def say(self, text: str) -> None:
        """Write a sentence to the log and to the process's stderr, but never wait for its reader."""
        line = f"multitrack: {safe(text)}\n"
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(line)
            sys.stderr.flush()
        with self._stderr_lock, contextlib.suppress(OSError, ValueError):
            if self._stderr >= 0:
                poll = select.poll()
                poll.register(self._stderr, select.POLLOUT)
                if poll.poll(0):
                    os.write(self._stderr, line.encode(errors="backslashreplace")[:_AT_ONCE])

    def _run(self) -> None:
        lower_thread()
        try:
            self._listener.start()
            self._serve()
        except Exception as error:  # noqa: BLE001 - the other processes' sessions go on
            self.left = True
            self.say(f"the courier of process {self._process.pid} failed: {error!r}; run `multitrack sync` later")
        finally:
            self._close()
            if self.left:
                self._retire()
            self.over.set()
            self._tell_end()

    def _serve(self) -> None:
        self._courier.run(self._interrupted)
        if not self._has_ended():
            self._hand_over()
            return
        self._ending.closed.wait(LISTEN_LIMIT)  # the last orders may still be unread, new runs among them
        self._courier.nudge()
        settling = Settling([(lane.directory, lane.name) for lane in self._courier.lanes() if not lane.done])
        ended = time.monotonic()
        self._courier.run(lambda: settling.look() or self._leaving.is_set() or self._is_late(ended))
        if self._leaving.is_set() and settling.waiting and not self._is_late(ended):
            self._forward(max(1.0, self._ending.limit - (time.monotonic() - ended)))
            return
        self._courier.finish_alerts(EXIT_LIMIT)
        self.left = any((lane.opened or lane.busy) and not lane.done for lane in self._courier.lanes())
        if not self.left:
            self._courier.close()
        self._close()
        from multitrack.summaries.cached_runs import cache_ended_runs  # noqa: PLC0415 - not needed before

        cache_ended_runs(self._ending.runs, CACHE_LIMIT)  # no process waits for this one any more

    def _listen(self) -> None:
        lower_thread()
        with contextlib.suppress(OSError), self._orders.makefile("r", encoding="utf-8", errors="replace") as lines:
            for order in parsed(lines):
                try:
                    follow(order, self._courier, self._ending, self._redactor)
                except Exception as error:  # noqa: BLE001 - the next orders may be for other runs
                    self.say(f"an order was not followed: {error!r}; run `multitrack sync` later")
                self._stopped = self._stopped or "stop" in order
        self._ending.closed.set()
        self._courier.nudge()

    def _interrupted(self) -> bool:
        if self._ending.replace.is_set():
            self._ending.replace.clear()
            self._gave_way = self._give_way() or self._gave_way
        return self._leaving.is_set() or self._has_ended()

    def _has_ended(self) -> bool:
        return self._ending.closed.is_set() or self._process.gone()

    def _is_late(self, ended: float) -> bool:
        """Return True if the limit has passed; while other processes need this courier, going on costs nothing."""
        limit, now = self._ending.limit, time.monotonic()
        if limit > 0 and not self._alone():
            limit = max(limit, DEAD_LIMIT)
        return now > self._deadline or now > ended + limit

    def _hand_over(self) -> None:
        """Let the live process join another courier, or start its own."""
        self._come_to_rest()
        with contextlib.suppress(OSError):
            self._orders.shutdown(socket.SHUT_RD)  # what it sends from now on fails, so that it knows
        self._listener.join(LISTEN_LIMIT)
        if self._stopped:  # it is ending, and has gone without looking
            self._forward(self._ending.limit)
            return
        with contextlib.suppress(OSError):
            self._orders.send(YOURS if self._gave_way else BYE, socket.MSG_DONTWAIT)

    def _forward(self, limit: float) -> None:
        """Give the runs of a process that has ended to another courier."""
        from multitrack.courier.joining import NoSharedCourierError, successor  # noqa: PLC0415 - seldom

        self._come_to_rest()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ending = self._ending
            orders = b"".join(map(line_of, [{"path": ending.path}, *ending.runs.values(), {"stop": limit}]))
            sender = threading.Thread(target=self._send_all, args=(ours, orders), daemon=True)
            sender.start()  # more than the connection holds is read by the other courier
            try:
                successor().join(theirs)
                sender.join(EXIT_LIMIT)
            except NoSharedCourierError as error:
                self.say(f"nobody goes on delivering ({error}); run `multitrack sync` later")

    def _send_all(self, ours: socket.socket, orders: bytes) -> None:
        with contextlib.suppress(OSError):
            ours.sendall(orders)

    def _come_to_rest(self) -> None:
        self.left = True  # the locks are released by the end of this courier's process
        self._courier.come_to_rest(EXIT_LIMIT)
        self._courier.finish_alerts(LISTEN_LIMIT, look=False)

    def _close(self) -> None:
        with self._stderr_lock:
            if self._stderr >= 0:
                os.close(self._stderr)
            self._stderr = -1
        with contextlib.suppress(OSError):
            self._orders.shutdown(socket.SHUT_RDWR)  # which also ends the listener
        self._orders.close()
        self._process.close()


class _Process:
    """A process that may end; its number may then be another process's, but the descriptor stays its own."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = -1
        self._gone = False
        self._lock = threading.Lock()
        if pid > 0:  # else it is in another container; its connection tells
            try:
                self._fd = os.pidfd_open(pid)
            except ProcessLookupError:
                self._gone = True
            except OSError:
                pass  # an old kernel, or no file descriptor is left

    def gone(self) -> bool:
        """Return True if the process has ended."""
        with self._lock:
            if self._fd >= 0 and not self._gone:
                poll = select.poll()
                poll.register(self._fd, select.POLLIN)
                self._gone = bool(poll.poll(0))
            return self._gone

    def close(self) -> None:
        """Close the descriptor."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1
