"""The summary of a run: everything but the points of its series, the numbers of its lists and its lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from multitrack.records import KERAS, ArtifactRef, Lines, ListMetric, Metric, ModelVersion, Status, typed_param
from multitrack.summaries.builder import SummaryBuilder
from multitrack.summaries.statistics import STRETCH, RunningStatistics, Statistics


class Summary(msgspec.Struct, frozen=True, gc=False):
    """A run without the points of its series, the numbers of its lists and its lines.

    Attributes:
        status: ``running``, ``finished``, ``failed`` or ``killed``.
        ended: The end time of the run (ms), or the time of its last record if it has no end.
        params: The params, typed and flat.
        sources: The source of each param.
        objects: The type of each param that was an object and is recorded as text.
        simple: The last value of each simple metric.
        series: Statistics of each series.
        lists: Statistics of each list metric.
        tags: The last value of each tag.
        artifacts: The last reference of each name.
        lines: Number of log lines.
        records: Number of data records.
        mistakes: Number of invalid calls set aside.
        lost: Number of records that could not be written to the journal (a full disk).
        damaged: Number of journal lines that are not valid records.
        redacted: Number of values redacted before they reached the journal; those of the manifest are added by the
            cache.
        skipped_epochs: Number of epochs that were trained a second time and not recorded again.
        skipped_batches: Number of batch points skipped likewise.
        gaps: Number of things that an import could not bring exactly.
        models: The version of each model that the run wrote, by name; known once the run has ended.
    """

    status: Status
    ended: int
    params: dict[str, Any]
    sources: dict[str, str]
    objects: dict[str, str]
    simple: dict[str, int | float]
    series: dict[str, Statistics]
    lists: dict[str, Statistics]
    tags: dict[str, str]
    artifacts: list[ArtifactRef]
    lines: int
    records: int
    mistakes: int
    lost: int
    damaged: int
    redacted: int
    skipped_epochs: int = 0
    skipped_batches: int = 0
    gaps: int = 0
    models: dict[str, ModelVersion] = {}

    @property
    def metrics(self) -> dict[str, int | float]:
        """The simple metrics, and the last value of each series and list whose name is not a simple metric's."""
        last = {name: found.last for name, found in (*self.series.items(), *self.lists.items())}
        return {**last, **self.simple}

    @property
    def given(self) -> dict[str, Any]:
        """The params without those that the Keras callback and the tuners read from a fit or search."""
        return {name: value for name, value in self.params.items() if self.sources.get(name) != KERAS}

    @property
    def lengths(self) -> dict[str, int]:
        """Number of points of each series, and number of values of each list metric."""
        return {name: found.count for name, found in (*self.series.items(), *self.lists.items())}

    @classmethod
    def of(cls, directory: Path) -> Summary:
        """Create the summary of the run in ``directory`` from its journal."""
        return cls.with_rest(directory)[0]

    @classmethod
    def with_rest(cls, directory: Path) -> tuple[Summary, bool, bool]:
        """Create the summary from the journal.

        Returns:
            The summary; True if the journal is closed and fully read, so that the summary can be cached; and True if
            the journal has the run's end.
        """
        statistics = MetricStatistics()
        builder = SummaryBuilder(directory, statistics)
        builder.read_on()
        summary, at_rest = cls.built(builder, statistics.series, statistics.lists)
        return summary, at_rest, builder.cursor.ended is not None

    @classmethod
    def built(
        cls,
        builder: SummaryBuilder,
        series: dict[str, RunningStatistics],
        lists: dict[str, RunningStatistics],
    ) -> tuple[Summary, bool]:
        """Create the summary of all records that a builder has read.

        Args:
            builder: The builder.
            series: The statistics of series from its collector.
            lists: The statistics of lists from its collector.

        Returns:
            The summary, and True if the journal is closed and fully read.
        """
        at_end = builder.at_end()
        summary = cls(
            status=builder.status(at_end), ended=builder.ended(),
            params={name: typed_param(value, kind) for name, (kind, value) in builder.params.items()},
            sources=builder.sources, objects=builder.objects, simple=builder.simple,
            series={name: statistics.result() for name, statistics in series.items()},
            lists={name: statistics.result() for name, statistics in lists.items()},
            tags=builder.tags, artifacts=list(builder.artifacts.values()), lines=builder.lines,
            records=builder.records, mistakes=builder.mistakes, gaps=builder.gaps, lost=builder.lost,
            damaged=len(builder.cursor.damaged), redacted=builder.redacted,
            skipped_epochs=builder.skipped_epochs, skipped_batches=builder.skipped_batches,
            models=builder.models(),
        )  # fmt: skip
        return summary, at_end


class MetricStatistics:
    """A collector that computes the statistics of each series and list, in constant memory."""

    def __init__(self) -> None:
        self.series: dict[str, RunningStatistics] = {}
        self.lists: dict[str, RunningStatistics] = {}

    def add_points(self, records: Sequence[Metric]) -> None:
        """Count the points of series."""
        series = self.series
        for record in records:
            for name, value in record.numbers.items():
                statistics = series.get(name)
                if statistics is None:
                    statistics = series[name] = RunningStatistics()
                statistics.waiting.append(value)
                if len(statistics.waiting) >= STRETCH:
                    statistics.count()

    def add_list(self, record: ListMetric) -> None:
        """Count the numbers of a list."""
        statistics = self.lists.setdefault(record.name, RunningStatistics())
        statistics.waiting += record.numbers
        statistics.count()

    def add_lines(self, record: Lines) -> None:
        """Ignore log lines."""
