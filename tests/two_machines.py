"""Two machines in one process, whose locks the other does not see, and a clock that a test moves."""

from __future__ import annotations

import fcntl
import os
import struct
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from multitrack.journal import leases, locks, segment_file, segments, signs


class TwoMachines:
    """The machine that the calls of a test are made on.

    Leases are renewed by :meth:`renew` alone: without it, a process hangs.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.here = "ada"
        self.now = 1000.0
        self.alive: set[str] = set()
        self.held: list[leases.Lease] = []
        plain = fcntl.flock

        def flock(file: Any, how: int) -> None:
            if self.here == "ada":
                return plain(file, how)
            kinds = {fcntl.LOCK_EX: fcntl.F_WRLCK, fcntl.LOCK_SH: fcntl.F_RDLCK, fcntl.LOCK_UN: fcntl.F_UNLCK}
            wanted = struct.pack("hhqqi", kinds[how & ~fcntl.LOCK_NB], os.SEEK_SET, 0, 0, 0)
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, wanted)
            return None

        monkeypatch.setattr(fcntl, "flock", flock)
        monkeypatch.setattr(signs, "_this_host", lambda: self.here)
        clock = types.SimpleNamespace(
            monotonic=lambda: self.now, monotonic_ns=time.monotonic_ns, sleep=self.sleep, time=time.time
        )
        for module in (signs, segments, segment_file):
            monkeypatch.setattr(module, "time", clock)
        told = os.uname()
        monkeypatch.setattr(os, "uname", lambda: os.uname_result((told.sysname, self.here, *told[2:])))
        monkeypatch.setattr(leases._renewals, "add", self.held.append)
        monkeypatch.setattr(locks, "uses_leases", lambda path: True)
        monkeypatch.setattr("multitrack.journal.segment_file.uses_leases", lambda path: True)

    @contextmanager
    def on(self, machine: str) -> Iterator[None]:
        """Make the calls of the block on another machine."""
        before, self.here = self.here, machine
        try:
            yield
        finally:
            self.here = before

    def sleep(self, seconds: float) -> None:
        """Let time pass, in which the machines in :attr:`alive` renew their leases."""
        self.now += seconds
        for lease in self.held:
            if lease._sign.host in self.alive:
                lease.renew()

    def renew(self) -> None:
        """Renew all leases that were created."""
        for lease in self.held:
            lease.renew()

    def silence(self, seconds: float = 2 * signs.LEASE) -> Iterator[float]:
        """Let time pass, a second each time that it is asked for."""
        for _ in range(round(seconds)):
            self.now += 1
            yield self.now


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> TwoMachines:
    return TwoMachines(monkeypatch)
