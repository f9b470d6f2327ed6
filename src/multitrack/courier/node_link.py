"""A process's connection to the courier that it shares with others."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from multitrack.courier.group import Group
from multitrack.courier.hosts import Delivery, log
from multitrack.courier.orders import BYE, YOURS, line_of, order_of, own_path
from multitrack.environment.forks import in_background, without_fork
from multitrack.environment.interpreter import STARTED_BY
from multitrack.environment.starvation import Starvation

#: Maximum number of deaths of the shared courier within this many seconds. A record on which an SDK crashes comes to
#: each new courier again, so each process then has a courier of its own.
DEATHS: Final = 3
_WITHIN: Final = 300.0
#: Seconds after the end of a courier in which the next one is not asked to give way: the other processes of the one
#: before may still come. It keeps each until its steps are done (``Session._hand_over``), some 15 s at most.
PATIENCE: Final = 20.0
#: Maximum seconds for a stop to be sent to a courier that does not read.
_SEND_LIMIT: Final = 5.0


class NodeLink:
    """Sends orders to the shared courier of a group, and joins another one if it ends.

    The connection is made first, so that orders can be sent at once; a thread then hands its other end to the courier.
    Only one thread at a time may use this.

    Args:
        group: The runs' group.
        executable: The interpreter to start a courier with.

    Attributes:
        runs: The runs, by directory.
        problem: Why there is no shared courier; None while there may be one.
        final: True if this process can start no courier of its own either.
        starved: True if it gave way because other processes starved it.
    """

    def __init__(self, group: Group, executable: str) -> None:
        self.group = group
        self.runs: dict[Path, Delivery] = {}
        self.problem: str | None = None
        self.final = self.starved = False
        self._executable = executable
        self._ours: socket.socket | None = None
        self._theirs: socket.socket | None = None  # until the courier has it
        self._backlog = bytearray()
        self._starter: threading.Thread | None = None
        self._courier = 0  # its pid, once it has our orders
        self._deaths: list[float] = []
        self._starvation: Starvation | None = None
        self._asked = False  # whether the courier was asked to give way
        self._patient_until = 0.0

    def add(self, directory: Path, delivery: Delivery) -> None:
        """Add a run to deliver."""
        self.runs[directory] = delivery
        self._asked, self._starvation = False, None  # training goes on
        before = self._ours
        if self.alive() and self._ours is before:  # a new courier gets the orders for all runs anyway
            self._send(order_of(directory, delivery))

    def nudge(self) -> bool:
        """Deliver pending records now; return False if there is no shared courier any more."""
        alive = self.alive()
        if alive:
            self._send({"nudge": True})
        return alive

    def hurry(self) -> None:
        """Ask a courier that other processes starve to give way; it does unless it delivers for others, too."""
        if not self.alive() or not self._courier or time.monotonic() < self._patient_until:
            return
        if self._starvation is None:
            self._starvation = Starvation(self._courier)
        elif self._starvation.look():
            self._asked = True
            self._send({"replace": True})

    def alive(self) -> bool:
        """Return True if a courier has our orders or is being joined; join another one if it ended."""
        if self.problem is not None:
            return False
        if self._ours is not None:
            if not self._at_end(self._ours):
                return True
            self._join()
            said = self._last_word(self._ours)
            self.starved = self._asked and said == YOURS  # not if it ends for another reason than that we asked
            self.let_go()
            if self.starved:
                self.problem = "other processes keep it waiting"
                return False
            if not said and not self._died():
                return False
            self._patient_until = time.monotonic() + PATIENCE
        if self.problem is None:
            self._begin()
        return self.problem is None

    def stop(self, limit: float) -> bool:
        """Let the courier finish within ``limit`` seconds; return False if it does not know the runs."""
        if self._ours is None:
            return not self.runs
        self._join()
        ours = self._ours
        self._backlog += line_of({"stop": limit})
        try:
            ours.settimeout(_SEND_LIMIT)
            ours.sendall(self._backlog)
        except OSError as error:
            log.debug("the courier was gone before it was stopped: %s", error)
            self._courier = 0
        known = self._courier > 0
        self.let_go()
        return known

    def give_up(self) -> None:
        """Tell a courier that may have the runs after all that another one delivers them."""
        if self._ours is not None:
            self._send({"stop": 0})
        self.let_go()

    def let_go(self) -> None:
        """Close the connection."""
        for end in (self._ours, self._theirs):
            if end is not None:
                end.close()
        self._ours = self._theirs = self._starvation = None
        self._courier = 0
        self._backlog.clear()

    def _begin(self) -> None:
        try:
            with without_fork:
                self._ours, self._theirs = socket.socketpair()
        except OSError as error:
            self.problem = str(error)
            return
        self._ours.setblocking(False)
        self._asked = False
        self._send({"path": self.group.path})
        for directory, delivery in self.runs.items():
            self._send(order_of(directory, delivery))
        environment = self.group.environment | {
            STARTED_BY: str(os.getpid()), "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": own_path(),
        }  # fmt: skip
        self._starter = in_background(partial(self._start, self._theirs, environment), "multitrack-start")

    def _start(self, theirs: socket.socket, environment: Mapping[str, str]) -> None:
        """Join the courier; runs in a thread and takes no lock but ``without_fork``."""
        from multitrack.courier.joining import Joining, NoSharedCourierError  # noqa: PLC0415 - subprocess and others
        from multitrack.courier.place import place_of  # noqa: PLC0415

        try:
            place = place_of(self.group.facts())
            joining = Joining(place, self.group.journal, self._executable, environment, self.group.cwd)
            self._courier = joining.join(theirs)
        except (OSError, NoSharedCourierError) as error:
            self.final = getattr(error, "final", False)
            self.problem = str(error)
        with without_fork:
            theirs.close()

    def _join(self) -> None:
        if self._starter is not None:
            self._starter.join()
            self._starter = None

    def _died(self) -> bool:
        """Note a death of the courier; return True if it may be started again."""
        now = time.monotonic()
        self._deaths = [*(when for when in self._deaths if now - when < _WITHIN), now]
        if len(self._deaths) <= DEATHS:
            log.warning("multitrack: the shared courier died; going on with another one")
            return True
        self.problem = f"it died {len(self._deaths)} times within {_WITHIN:.0f} s"
        return False

    def _at_end(self, ours: socket.socket) -> bool:
        """Return True if nobody holds the other end any more."""
        poll = select.poll()
        poll.register(ours, 0)  # a hangup is always told
        return bool(poll.poll(0))

    def _last_word(self, ours: socket.socket) -> bytes:
        """The courier's last word; nothing if it died."""
        with contextlib.suppress(OSError):
            word = ours.recv(len(BYE))
            return word if word in (BYE, YOURS) else b""
        return b""

    def _send(self, order: dict[str, Any]) -> None:
        """Send an order without blocking: if the connection is full, the rest is sent with the next order."""
        self._backlog += line_of(order)
        try:
            while self._backlog and self._ours is not None:
                del self._backlog[: self._ours.send(self._backlog)]
        except BlockingIOError:
            return
        except OSError:
            log.debug("the courier is gone; the next order joins another")
