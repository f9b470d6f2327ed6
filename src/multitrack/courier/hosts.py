"""The interface of courier hosts: a separate process, or a thread of the training process.

A host only passes orders on; their outcome is read from the lanes' state files.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Protocol

import msgspec

from multitrack.journal.manifest import BackendEntry

log = logging.getLogger("multitrack")


class Delivery(msgspec.Struct):
    """The backends of a run and everything that a courier needs for them.

    Attributes:
        entries: The backends' entries in the manifest.
        options: Their options with secrets, by name.
        objects: Backends that are objects of this process, by name.
        environment: The environment variables that the backends need, as set at the run's start.
        interval: Seconds between deliveries while the run goes on.
        alerts: The checked alerts of the run's config, as plain values; empty if it has none.
        compact: Seconds between looks for old records to compact; 0 for none.
    """

    entries: list[BackendEntry] = []
    options: dict[str, dict[str, Any]] = {}
    objects: dict[str, object] = {}
    environment: dict[str, str] = {}
    interval: float = 1.0
    alerts: dict[str, Any] = {}
    compact: float = 0.0


class Host(Protocol):
    """The interface of a courier for runs; the methods do not wait for delivery."""

    def add(self, directory: Path, delivery: Delivery) -> None:
        """Add a run to deliver."""

    def nudge(self) -> bool:
        """Deliver pending records now; return False if there is no courier."""

    def hurry(self) -> bool:
        """Like :meth:`nudge`, when training has ended and waits: also give the courier enough processor time."""

    def look(self) -> None:
        """Check that the courier lives."""

    def stop(self, limit: float) -> None:
        """Let the courier finish within ``limit`` seconds and exit."""

    def after_fork(self) -> None:
        """In a forked child, let go of the courier, which is the parent's."""
