"""The part of a run that the modules use which handle all runs of a process."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from multitrack.config import Settings
from multitrack.courier.hosts import Delivery
from multitrack.journal.manifest import Manifest
from multitrack.records import Status


class OpenRun(Protocol):
    """See :class:`~multitrack.recording.run.Run`."""

    manifest: Manifest
    directory: Path | None
    settings: Settings
    delivery: Delivery

    def end(self, status: Status = "finished") -> object:
        """End the run."""

    def after_fork(self) -> None:
        """Called in a forked child."""
