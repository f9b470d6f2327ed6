"""Where this training process's courier runs: a process of its own, or a thread.

A host only passes orders on; whatever became of them is read from the lanes' state files.
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from multitrack.journal.manifest import BackendEntry

if TYPE_CHECKING:
    pass

log = logging.getLogger("multitrack")


@dataclasses.dataclass
class Delivery:
    """Where a run is delivered.

    Attributes:
        entries: The backends, as the manifest has them.
        options: Their options with secrets, by name.
        objects: Those that are objects of this process, by name.
        environment: The environment variables that they need, as they were at the run's start.
        interval: Seconds between deliveries while the run goes on.
    """

    entries: list[BackendEntry] = dataclasses.field(default_factory=list)
    options: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    objects: dict[str, object] = dataclasses.field(default_factory=dict)
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    interval: float = 1.0


class Host(Protocol):
    """What a run needs of its courier; every method returns at once."""

    def add(self, directory: Path, delivery: Delivery) -> None:
        """Take on a run."""

    def nudge(self) -> bool:
        """Deliver now what is there; whether anybody will."""

    def hurry(self) -> bool:
        """The same where training has ended and waits: see that the courier gets its share of the processor."""

    def look(self) -> None:
        """See that the courier lives."""

    def stop(self, limit: float) -> None:
        """Finish within ``limit`` seconds and go."""
