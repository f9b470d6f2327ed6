"""What a run has from its relatives: its context from an ancestor, and its end from descendants if it was killed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from multitrack.errors import JournalError
from multitrack.journal.manifest import Context, Manifest
from multitrack.reading.relatives import RelativesOf

if TYPE_CHECKING:  # imported on first use: training code opens no journal
    from multitrack.summaries.summary import Summary


class Relative(Protocol):
    """A recorded run: :class:`~multitrack.reading.recorded_run.RecordedRun`."""

    @property
    def directory(self) -> Path:
        """The run's directory."""

    @property
    def own_id(self) -> str:
        """The run's id in its journal."""

    @property
    def facts(self) -> Manifest:
        """The run's manifest."""

    @property
    def relatives(self) -> RelativesOf[Self]:
        """Lookup of the run's parents and children."""

    def summary(self) -> Summary:
        """The run's summary."""


def nearest_context(run: Relative) -> Context | None:
    """The run's own context, or its nearest ancestor's; None if an ancestor cannot be read."""
    one, seen = run, set[str]()
    while one.facts.context is None:
        parent = one.facts.parent
        if parent is None or parent in seen:
            return None
        seen.add(parent)
        try:
            one = run.relatives.run(run.relatives.directory(parent))
        except JournalError:
            return None
    return one.facts.context


def end_of(run: Relative, summary: Summary, seen: set[str]) -> int | None:
    """The end time of a run (ms), or of its last descendant if it was killed; None if one of them is running.

    Args:
        run: The run.
        summary: Its summary.
        seen: Ids of runs that are not looked at again: damaged manifests may form a cycle.
    """
    if summary.status == "running":
        return None
    ended = max(summary.ended, run.facts.created)
    seen.add(run.own_id)
    if summary.status == "killed":
        for child in run.relatives.children(run.own_id):
            if child.own_id not in seen:
                of_child = end_of(child, child.summary(), seen)
                if of_child is None:
                    return None
                ended = max(ended, of_child)
    return ended
