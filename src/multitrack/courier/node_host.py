"""The node host: one courier for the processes of a user on this machine that agree on what it needs."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Final

from multitrack.courier.group import group_of
from multitrack.courier.hosts import Delivery, log
from multitrack.courier.node_link import NodeLink
from multitrack.courier.process_host import ProcessHost
from multitrack.environment.interpreter import interpreter

#: Maximum number of shared couriers of one process. Runs of more different groups go to a courier of its own.
GROUPS: Final = 4


class NodeHost:
    """Shared couriers, one for each group of this process's runs, and a courier of its own where sharing is impossible.

    Args:
        journal: The journal's directory, for the log of a courier of its own.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._links: list[NodeLink] = []
        self._own: ProcessHost | None = None

    def add(self, directory: Path, delivery: Delivery) -> None:
        """Add a run to deliver; joins or starts the courier of its group."""
        with self._lock:
            executable = interpreter()
            if executable is None or not sys.platform.startswith("linux"):
                self._alone().add(directory, delivery)  # which says what is wrong
                return
            group = group_of(directory, delivery)
            link = next((link for link in self._links if link.group == group), None)
            if link is None and len(self._links) == GROUPS:
                self._alone().add(directory, delivery)
                return
            if link is None:
                link = NodeLink(group, executable)
                self._links.append(link)
            link.add(directory, delivery)
            self._look(link)

    def nudge(self) -> bool:
        """Deliver pending records now; return False if there is no courier."""
        with self._lock:
            if self._pid != os.getpid():
                return False
            found = [link.nudge() or self._look(link) for link in self._links]
            if self._own is not None:
                found.append(self._own.nudge())
            return any(found)

    def hurry(self) -> bool:
        """Deliver now; a courier that other processes starve is replaced by one with normal priority.

        A shared one only if no other process needs it.
        """
        with self._lock:
            for link in self._links:
                link.hurry()
            alive = self.nudge()
            return (self._own.hurry() if self._own is not None else False) or alive

    def look(self) -> None:
        """Join or start another courier if one died. The check costs a ``poll`` for each."""
        with self._lock:
            if self._pid != os.getpid():
                return
            for link in self._links:
                link.alive()
                self._look(link)
            if self._own is not None:
                self._own.look()

    def stop(self, limit: float) -> None:
        """Let the couriers finish within ``limit`` seconds, without waiting for them."""
        with self._lock:
            if self._pid != os.getpid():
                return
            for link in self._links:
                if not link.stop(limit):
                    self._take_over(link)
            self._links.clear()
            if self._own is not None:
                self._own.stop(limit)

    def after_fork(self) -> None:
        """In a forked child, close the connections, so that the couriers notice when the parent exits."""
        self._lock = threading.RLock()
        for link in self._links:
            link.let_go()
        self._links.clear()
        if self._own is not None:
            self._own.after_fork()

    def _look(self, link: NodeLink) -> bool:
        """Take the runs of a link that has no shared courier; return True if this process has a courier of its own."""
        if link.problem is None or not link.runs:
            return False
        self._take_over(link)
        return True

    def _take_over(self, link: NodeLink) -> None:
        own = self._alone(lowered=not link.starved)
        if link.problem is not None and link.final:
            own.refuse(link.problem)
        elif link.problem is not None and not link.starved:
            log.warning("multitrack: no shared courier (%s); this process starts its own", link.problem)
        link.give_up()
        own.take(link.runs)
        link.runs = {}

    def _alone(self, *, lowered: bool = True) -> ProcessHost:
        if self._own is None:
            self._own = ProcessHost(self._journal, lowered=lowered)
        return self._own
