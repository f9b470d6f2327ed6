"""Read the lineage graph of one or several journals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from multitrack.lineage.graph import Graph, RunReferences, graph_of, references_of
from multitrack.reading.recorded_run import RecordedRun


class Journal(Protocol):
    """The reader of one journal or several."""

    def runs(self) -> Iterator[RecordedRun]:
        """Iterate over the runs."""


def read_graph(journal: Journal, progress: Callable[[int], None] = lambda _: None) -> Graph:
    """Read the graph of one journal or several.

    Args:
        journal: The reader.
        progress: Called with the number of runs read so far.
    """
    found: list[RunReferences] = []
    for run in journal.runs():
        found.append(references_of(run))
        progress(len(found))
    return graph_of(sorted(found, key=lambda run: run.node.started))
