"""Fold a run's records, in their order, into the contents of a summary.

The one place that decides how records add up: summaries, the page of runs and resumed runs all use it.
They need different numbers and lines, and give the builder a collector for those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from multitrack.journal.cursor import Cursor
from multitrack.records import (
    DATA,
    ArtifactRef,
    Compacted,
    Lines,
    ListMetric,
    Lost,
    Metric,
    Mistake,
    ModelVersion,
    Params,
    ParamType,
    Record,
    Status,
    Tags,
    Trained,
    number_of,
)


class Collector(Protocol):
    """Takes the numbers of series and lists, and the log lines."""

    def add_points(self, records: Sequence[Metric]) -> None:
        """Add metric records with a step."""

    def add_list(self, record: ListMetric) -> None:
        """Add numbers of a list metric."""

    def add_lines(self, record: Lines) -> None:
        """Add log lines."""


class MetricKinds:
    """A collector of only the kinds of metrics: series or lists."""

    def __init__(self) -> None:
        self.kinds: dict[str, Literal["series", "list", "simple"]] = {}

    def add_points(self, records: Sequence[Metric]) -> None:
        """Note the names of series."""
        kinds = self.kinds
        for record in records:
            for name in record.values:
                kinds[name] = "series"

    def add_list(self, record: ListMetric) -> None:
        """Note the name of a list."""
        self.kinds[record.name] = "list"

    def add_lines(self, record: Lines) -> None:
        """Ignore log lines."""


class SummaryBuilder:
    """Reads a run's journal, also as it grows, and adds up its records.

    It imports no more than a journal does and leaves statistics to its collector, because training processes use it to
    resume runs.

    Args:
        directory: The run's directory.
        collector: Collects numbers and lines.
        segment: The 1-based number of the segment to begin with; the earlier ones are left out.
        offset: The byte in this segment to begin with, at the start of a line.

    Attributes:
        cursor: The cursor in the journal.
        params: Type and JSON value of each param; the type is ``None`` if a damaged record has none.
        trainings: Number of trainings of Keras models.
        writes_models: True if the run wrote a model, also where another artifact has taken its name since.

    The other attributes are those of :class:`~multitrack.summaries.summary.Summary`.
    """

    def __init__(self, directory: Path, collector: Collector, segment: int = 1, offset: int = 0) -> None:
        self.cursor = Cursor(directory, resolved=False, first=segment, offset=offset)
        self.collector = collector
        self.params: dict[str, tuple[ParamType | None, Any]] = {}
        self.sources: dict[str, str] = {}
        self.objects: dict[str, str] = {}
        self.simple: dict[str, int | float] = {}
        self.tags: dict[str, str] = {}
        self.artifacts: dict[str, ArtifactRef] = {}
        self.lines = self.records = self.mistakes = self.gaps = self.redacted = 0
        self.trainings = self.skipped_epochs = self.skipped_batches = 0
        self.writes_models = False
        self._lost: dict[int, int] = {}  # the latest total of each segment

    def read_on(self) -> bool:
        """Add all records since the last call; return True if the journal had more lines."""
        cursor = self.cursor
        before = cursor.position
        while records := cursor.read():
            self.add(records)
        return cursor.position > before

    def add(self, records: Iterable[Record]) -> None:
        """Add some records of one segment.

        Takes many at once, because nearly all are points: one call for each would read a long run 15 % slower.
        """
        points = []
        for record in records:
            if type(record) is Metric and record.step is not None:
                points.append(record)
            else:
                self._add(record)
        if points:
            self.records += len(points)
            self.collector.add_points(points)

    def _add(self, record: Record) -> None:
        self.records += isinstance(record, DATA)
        match record:
            case Metric():
                self.simple.update(record.numbers)
            case Params():
                self.redacted += record.redacted
                types: dict[str, Any] = record.types
                self.params.update({name: (types.get(name), value) for name, value in record.values.items()})
                self.sources.update(dict.fromkeys(record.values, record.source))
                self.objects.update({name: text.type for name, text in record.objects.items()})
            case ListMetric():
                self.collector.add_list(record)
            case Tags():
                self.redacted += record.redacted
                self.tags.update(record.values)
            case ArtifactRef():
                self.redacted += record.redacted
                self.artifacts[record.name] = record
                self.writes_models |= record.model is not None
            case Lines():
                self.redacted += record.redacted
                self.lines += len(record.lines)
                self.collector.add_lines(record)
            case Mistake():
                self.redacted += record.redacted
                self.gaps += record.is_gap
                self.mistakes += not record.is_gap
            case Trained():
                self.trainings = max(self.trainings, record.training)
                self.skipped_epochs += record.skipped_epochs
                self.skipped_batches += record.skipped_batches
            case Compacted():
                self.records += record.records
                self.simple.update({name: number_of(digest.last) for name, digest in record.metrics.items()})
                self.lines += record.lines
            case Lost():
                self._lost[self.cursor.segment] = record.total

    @property
    def lost(self) -> int:
        """Number of records that could not be written to the journal (a full disk)."""
        return sum(self._lost.values())

    def at_end(self) -> bool:
        """Return True if no process writes the run and everything was read."""
        try:
            return self.cursor.at_end()
        except FileNotFoundError:  # no segment yet
            return False

    def status(self, at_end: bool) -> Status:
        """The run's status; a run that is closed without an end was killed.

        Args:
            at_end: The result of :meth:`at_end`, passed in so that all uses of it agree.
        """
        if self.cursor.ended is not None:
            return self.cursor.ended.status
        return "killed" if at_end else "running"

    def models(self) -> dict[str, ModelVersion]:
        """The version of each model that the run wrote, by name, as its end has them."""
        end = self.cursor.ended
        return {} if end is None else {model.name: model for model in end.models}

    def ended(self) -> int:
        """The end time of the run (ms), or the time of its last record if it has no end."""
        return self.cursor.last_time if self.cursor.ended is None else self.cursor.ended.time
