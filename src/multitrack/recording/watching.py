"""What a run has looked after while it records: its courier, and its right to write where leases are used."""

from __future__ import annotations

from collections.abc import Callable

from multitrack.courier.hosts import Delivery, Host
from multitrack.journal.fsync import keep_durable
from multitrack.recording.run_journal import RunJournal


def watch(journal: RunJournal, host: Host | None, delivery: Callable[[], Delivery]) -> None:
    """Look after a run from now on.

    Args:
        journal: The run's journal.
        host: Its courier's host, if it has one.
        delivery: Returns what that needs.
    """
    if host is not None:
        journal.watch(host.look)

    def go_on() -> None:
        """Go on in a new segment if another machine has taken this process for dead; called on another thread."""
        with journal.lock:
            writer = None if journal.writer is None else journal.writer.succeed()
            if writer is None:
                return
            journal.writer = writer  # which is not among the run's own segments: no state is cached any more
            keep_durable(writer, journal.settings.fsync)
        if host is not None and journal.alive is not None and journal.directory is not None:  # not in a forked child
            host.add(journal.directory, delivery())  # the lanes may be done, as the run had ended

    journal.on_loss = go_on
    if journal.writer is not None:
        journal.writer.on_loss = go_on
