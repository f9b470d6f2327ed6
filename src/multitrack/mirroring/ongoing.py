"""A tracker's runs while their program still writes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from multitrack.sources.run import SourceRun
from multitrack.sources.source import Gap, Source, SourceRecord


class Ongoing:
    """A source without its gaps: the end of a file is torn until the rest is written. The last import tells them.

    Args:
        source: The source. Runs of TensorBoard and Neptune, whose files tell no end, count as running.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._read: SourceRun | None = None  # the run as the source gave it, by which it knows its records
        self.tracker = source.tracker
        self.address = source.address

    @property
    def notes(self) -> Sequence[str]:
        """Those of the source."""
        return self._source.notes

    def runs(self) -> Iterator[SourceRun | Gap]:
        """Yield the runs of the source."""
        for run in self._source.runs():
            self._read = run if isinstance(run, SourceRun) else None
            if isinstance(run, SourceRun) and self.tracker in ("neptune", "tensorboard") and run.status == "finished":
                yield msgspec.structs.replace(run, status="running")
            else:
                yield run

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        """Yield the records of the run that was yielded last."""
        return (record for record in self._source.records(self._read or run) if not isinstance(record, Gap))

    def close(self) -> None:
        """Close the source."""
        self._source.close()
