"""Read the delivery of a run from the state files of its lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from multitrack.delivery.lane_state import LaneState, state_of
from multitrack.delivery.progress import wait
from multitrack.delivery.report import DeliveryReport, report_run
from multitrack.delivery.waiting import Settling
from multitrack.journal.manifest import BackendEntry
from multitrack.recording.run_journal import RunJournal


class RunLanes:
    """The lanes of one run.

    Args:
        directory: The run's directory; ``None`` if the run records nothing.
        backends: The run's backends.

    Attributes:
        keys: Run directory and backend name of each lane.
        gave_up: Lanes that had already given up when this run was opened, with the ``updated`` time of their state.
    """

    def __init__(self, directory: Path | None, backends: Sequence[BackendEntry]) -> None:
        self.keys = [] if directory is None else [(directory, entry.name) for entry in backends]
        self.gave_up = {lane: state.updated for lane in self.keys if (state := state_of(*lane)).stopped}

    def states(self) -> dict[str, LaneState]:
        """Read the current state of each lane, by backend."""
        return {name: state_of(directory, name) for directory, name in self.keys}

    def report(self, journal: RunJournal, redacted: int) -> DeliveryReport:
        """Report the delivered, pending and set-aside records.

        Args:
            journal: The run's journal.
            redacted: Number of values redacted in the manifest.
        """
        if journal.directory is None:
            return DeliveryReport({})
        past = journal.past
        return report_run(
            self.states(), past.count, ended=journal.status != "running", lost=journal.lost,
            mistakes=journal.mistakes, redacted=past.redacted + redacted,
            skipped_epochs=past.skipped_epochs, skipped_batches=past.skipped_batches,
        )  # fmt: skip


def settle(members: Sequence[tuple[RunJournal, RunLanes]], nudge: Callable[[], bool]) -> None:
    """Wait for the lanes of runs that have ended, with progress, as long as records move.

    Args:
        members: The journal and the lanes of each run.
        nudge: Callback called regularly to restart a courier that died; returns False if there is none.
    """
    counts = {journal.directory: journal.past.count for journal, _ in members if journal.directory is not None}
    keys = [key for _, lanes in members for key in lanes.keys]
    gave_up = {key: when for _, lanes in members for key, when in lanes.gave_up.items()}
    wait(Settling(keys, gave_up=gave_up), counts, None, nudge=nudge)
