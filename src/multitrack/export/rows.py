"""The rows of a run in the tables of a data set, from one pass over its journal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import msgspec

from multitrack.dataset.schema import ARTIFACTS, COMPACTED, LINES, METRICS, PARAMS, POINTS, RUNS, TAGS
from multitrack.journal.cursor import Cursor
from multitrack.lineage.identity import Identities
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import (
    ArtifactRef,
    Compacted,
    Lines,
    ListMetric,
    Metric,
    Params,
    Record,
    Segment,
    Tags,
    number_of,
)
from multitrack.summaries.builder import SummaryBuilder
from multitrack.summaries.statistics import Statistics
from multitrack.summaries.summary import MetricStatistics, Summary
from multitrack.tables.rows import line_rows, list_rows, metric_rows, param_rows, tag_rows
from multitrack.tables.schema import Row, TableSchema
from multitrack.tables.values import number_cells


class RunRows:
    """Reads one run, and makes its rows.

    Args:
        run: The run.
        key: Its value in the column ``run``.
        parent: Its value in the column ``parent``.
        journal: Its value in the column ``journal``.
        first: Position from which on rows of events are made; 0: all.

    Attributes:
        position: Number of records read; complete after :meth:`events`.
    """

    def __init__(self, run: RecordedRun, key: str, parent: str | None, journal: str, first: int = 0) -> None:
        self._run = run
        self._key = key
        self._parent = parent
        self._journal = journal
        self._first = first
        self._statistics = MetricStatistics()
        self._builder = SummaryBuilder(run.directory, self._statistics)
        self._builder.cursor = Cursor(run.directory)
        self._params: dict[str, Row] = {}
        self._tags: dict[str, Row] = {}
        self._refs: dict[str, ArtifactRef] = {}
        self._compacted = self._compacted_until = 0
        self._writer: tuple[int, str, int] | None = None

    @property
    def position(self) -> int:
        """Number of records read."""
        return self._builder.cursor.position

    def events(self) -> Iterator[tuple[TableSchema, list[Row]]]:
        """Read the run to its present end, and yield rows of points, log lines and compacted records."""
        cursor = self._builder.cursor
        while records := cursor.read():
            self._builder.add(records)
            rows: dict[TableSchema, list[Row]] = {POINTS: [], LINES: [], COMPACTED: []}
            for record in records:
                self._keep(record)
                if record.ordinal >= self._first:
                    for table, row in self._of_event(record):
                        rows[table].append(row)
            yield from rows.items()

    def _keep(self, record: Record) -> None:
        """Keep what the last record of each name says."""
        match record:
            case Params():
                self._params.update({str(row[1]): row for row in param_rows(self._key, record)})
            case Tags():
                self._tags.update({str(row[1]): row for row in tag_rows(self._key, record)})
            case ArtifactRef():
                self._refs[record.name] = record
            case Segment():
                self._writer = self._writer or (record.time, record.host, record.pid)
            case Compacted():
                self._compacted += record.records
                self._compacted_until = max(self._compacted_until, record.time)

    def _of_event(self, record: Record) -> Iterator[tuple[TableSchema, Row]]:
        match record:
            case Metric():
                yield from ((POINTS, self._placed(row)) for row in metric_rows(self._key, record))
            case ListMetric():
                yield from ((POINTS, self._placed(row)) for row in list_rows(self._key, record))
            case Lines():
                yield from ((LINES, self._placed(row)) for row in line_rows(self._key, record))
            case Compacted():
                yield from ((COMPACTED, row) for row in self._compacted_rows(record))

    def _placed(self, row: Row) -> Row:
        """Put the project behind the run."""
        return (row[0], self._run.facts.project, *row[1:])

    def _compacted_rows(self, record: Compacted) -> Iterator[Row]:
        """Yield a row for each metric of a window; the first one has the counts of the record."""
        head, counts = (self._key, self._run.facts.project), (record.records, record.lines)
        for name, digest in record.metrics.items():
            last, text = number_cells(number_of(digest.last))
            total, _ = number_cells(number_of(digest.sum))
            yield (
                *head, name, record.since, record.time, digest.count, digest.broken, total, digest.min, digest.max,
                last, text, _json(digest), *counts, record.ordinal,
            )  # fmt: skip
            counts = (0, 0)
        if not record.metrics:
            yield (*head, None, record.since or None, record.time, *[None] * 8, *counts, record.ordinal)

    def state(self) -> tuple[Summary, dict[TableSchema, list[Row]]]:
        """Return the run's summary, and the rows of its state; after :meth:`events`."""
        summary, _ = Summary.built(self._builder, self._statistics.series, self._statistics.lists)
        facts = self._run.facts
        summary = msgspec.structs.replace(summary, redacted=summary.redacted + facts.redacted)
        return summary, {
            RUNS: [self._run_row(summary)],
            PARAMS: [self._placed(row) for row in self._params.values()],
            TAGS: [self._placed(row) for row in self._tags.values()],
            METRICS: list(self._metric_rows(summary)),
            ARTIFACTS: list(self._artifact_rows(summary)),
        }

    def _run_row(self, summary: Summary) -> Row:
        run, facts = self._run, self._run.facts
        ended = run.ended(summary)
        context = run.origin
        git = None if context is None else context.git
        of_git = (None,) * 4 if git is None else (git.commit, git.branch, git.dirty, git.remote)
        of_context: tuple[Any, ...] = (None,) * 7
        if context is not None:
            of_context = (
                context.user, context.host, context.program, shlex.join(context.command), context.cwd, context.python,
                context.platform,
            )  # fmt: skip
        imported = (None, None) if facts.imported is None else (facts.imported.tracker, facts.imported.id)
        manifest = msgspec.structs.replace(run.manifest, backends=[], compact=None)
        return (
            self._key, facts.project, facts.id, self._journal, facts.name, summary.status, facts.created, ended,
            None if ended is None else max(0, ended - facts.created) / 1000, self._parent, facts.group, facts.notes,
            *of_context, *of_git, *imported, summary.records, summary.lines, summary.mistakes, summary.gaps,
            summary.lost, summary.damaged, summary.redacted, summary.skipped_epochs, summary.skipped_batches,
            self._compacted, self._compacted_until or None, _json(self._writer), _json(manifest),
        )  # fmt: skip

    def _metric_rows(self, summary: Summary) -> Iterator[Row]:
        head = self._key, self._run.facts.project
        for name, value in summary.simple.items():
            last, text = number_cells(value)
            yield (*head, name, "simple", None, None, last, None, None, None, None, None, text, None, None)
        for kind, every in (("series", summary.series), ("list", summary.lists)):
            for name, found in every.items():
                yield (*head, name, kind, *_statistics(found))

    def _artifact_rows(self, summary: Summary) -> Iterator[Row]:
        for ref in self._refs.values():
            model = summary.models.get(ref.name) if ref.role == "output" else None
            yield (
                self._key, self._run.facts.project, ref.name, ref.kind, ref.role, ref.uri, ref.digest, ref.version,
                ref.size, ref.time, Identities([ref]).of(ref).key, None if model is None else model.version,
                _json(model),
                None if ref.model is None else ref.model.objective,
                _json(ref.schema), ref.ordinal,
            )  # fmt: skip


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _statistics(found: Statistics) -> tuple[Any, ...]:
    values, texts = [], []
    for number in (found.first, found.last, found.min, found.max):
        value, text = (None, None) if number is None else number_cells(number)
        values.append(value)
        texts.append(text)
    return (found.count, *values, found.mean, found.median, *texts)
