"""Collect one run's page in one pass over its journal, with constant memory, and continue as the run grows."""

from __future__ import annotations

from typing import Any

import msgspec

from multitrack._text import clean_text
from multitrack.dataset.cache import is_copy
from multitrack.delivery.report import LaneReport, report_run
from multitrack.journal.manifest import Context
from multitrack.journal.segments import is_held, segment_path
from multitrack.lineage.graph import RunReferences
from multitrack.page.drawn import Drawn
from multitrack.page.lineage import page_references
from multitrack.page.sampling import sampled
from multitrack.page.schema import (
    BackendDelivery,
    Counted,
    LogLines,
    PageRun,
    Points,
    Reference,
    param_to_json,
    points_of,
    statistics_of,
)
from multitrack.query.cells import origin_of
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import number_to_json
from multitrack.summaries.builder import SummaryBuilder
from multitrack.summaries.cache import Stamp, stamp_of
from multitrack.summaries.curves import Curves, curves_of
from multitrack.summaries.downsample import Thinned
from multitrack.summaries.series import read_lines
from multitrack.summaries.statistics import Statistics
from multitrack.summaries.summary import Summary


class Tables:
    """Values that many runs share, each stored once: contexts, and the packages of contexts.

    Attributes:
        contexts: The contexts; ``packages`` of each is an index into the packages.
        packages: The versions of packages, by name.
    """

    def __init__(self) -> None:
        self.contexts: list[dict[str, Any]] = []
        self.packages: list[dict[str, str]] = []
        self._places: dict[bytes, int] = {}

    def place(self, context: Context | None) -> int | None:
        """Return the index of a context, which is added if it is new."""
        if context is None:
            return None
        # the page shows none of these, and says no more of the source than it needs to
        shown = msgspec.structs.replace(context, code=None, hardware=None, packages={}, urls={})
        found: dict[str, Any] = msgspec.to_builtins(shown)
        found["packages"] = self._place(self.packages, context.packages)
        return self._place(self.contexts, found)

    def _place(self, table: list[Any], value: Any) -> int:
        key = msgspec.json.encode([table is self.contexts, value])
        place = self._places.setdefault(key, len(table))
        if place == len(table):
            table.append(value)
        return place


class _AtRest(msgspec.Struct):
    """The cached parts of a run that no process writes, and the stamp of its files; curves are read when needed."""

    stamp: Stamp
    summary: Summary
    curves: Curves | None = None


class Collected:
    """The contents of one run's page.

    Args:
        run: The run.
        points: Maximum number of points per series; longer ones are thinned.
        lines: Maximum number of log lines: the first and the last ones.
    """

    def __init__(self, run: RecordedRun, points: int = 1200, lines: int = 2000) -> None:
        self.run = run
        self._points = points
        self._most_lines = lines
        self._begin()

    def _begin(self) -> None:
        self._rest: _AtRest | None = None
        self._drawn = Drawn(self._points, self._most_lines)
        self._builder = SummaryBuilder(self.run.directory, self._drawn)

    def read_on(self) -> bool:
        """Read new records, or the caches of a run that no process writes; return True if anything was new."""
        stamp = stamp_of(self.run.directory)
        if self._rest is not None:
            if self._rest.stamp == stamp:
                return False
            self._begin()  # the run was resumed
        elif self._builder.cursor.position == 0 and self._find_at_rest(stamp):
            return True
        return self._builder.read_on()

    @property
    def is_at_rest(self) -> bool:
        """True if no process wrote the run when it was read, and nothing of it is held here."""
        return self._rest is not None

    def _find_at_rest(self, stamp: Stamp) -> bool:
        """Use the run's summary and curves from the caches; return False if a process writes the run."""
        directory = self.run.directory
        if any(is_held(segment_path(directory, number)) for number in range(1, len(stamp))):
            return False
        summary = self.run.summary()
        if summary.status == "running" and not is_copy(directory):
            return False
        if stamp_of(directory) != stamp:  # resumed meanwhile
            return False
        self._rest = _AtRest(stamp, summary)
        return True

    def _at_rest(self) -> tuple[Summary, Curves] | None:
        """Return the summary and the curves, with the lines read, of a run that no process writes; else None."""
        rest, directory = self._rest, self.run.directory
        if rest is None:
            return None
        if rest.curves is None:
            curves = curves_of(directory, self._points)
            for record in read_lines(directory) if rest.summary.lines and self._most_lines else ():
                self._drawn.add_lines(record)
            if stamp_of(directory) != rest.stamp:  # resumed meanwhile
                self._begin()
                self._builder.read_on()
                return None
            rest.curves = curves
        return rest.summary, rest.curves

    def _so_far(self) -> tuple[Summary, Curves]:
        """Return the summary and the curves of the records read so far."""
        if (found := self._at_rest()) is not None:
            return found
        series, lists = self._drawn.series, self._drawn.lists
        self._drawn.settle()
        summary, _ = Summary.built(
            self._builder,
            {name: curve.statistics for name, curve in series.items()},
            {name: curve.statistics for name, curve in lists.items()},
        )
        summary = msgspec.structs.replace(summary, redacted=summary.redacted + self.run.manifest.redacted)
        return summary, Curves(
            {name: curve.thinner.thinned() for name, curve in series.items()},
            {name: curve.thinner.thinned() for name, curve in lists.items()},
        )

    def summary(self) -> Summary:
        """Return the summary of the records read so far."""
        return self._so_far()[0] if self._rest is None else self._rest.summary

    def references(self) -> RunReferences:
        """Return the run's references read so far, for the lineage."""
        return page_references(self.run, self.summary())

    def page_run(self, tables: Tables, sample: int | None = None) -> PageRun:
        """Return the run with the records read so far.

        Args:
            tables: The values that runs share.
            sample: Maximum number of points of a sampled curve; None for curves that are not sampled.
        """
        found, curves = self._so_far()
        if sample is not None:
            curves = sampled(curves, sample)
        report = report_run(self.run.lanes(), found.records, ended=found.status != "running", lost=found.lost)
        started = self.run.facts.created
        return msgspec.structs.replace(
            self._listed(found), listed=False, directory=clean_text(str(self.run.directory)),
            series=_points(found.series, curves.series, started), lists=_points(found.lists, curves.lists, started),
            lines=LogLines(found.lines, len(self._drawn.head), [*self._drawn.head, *self._drawn.tail]),
            delivery=[BackendDelivery(name, _state(lane), lane.id, lane.url) for name, lane in report.items()],
            context=tables.place(self.run.context),
        )  # fmt: skip

    def points(self, group: str, name: str) -> Points | None:
        """Return one series, or one list if the group is ``lists``; None if the run does not have it."""
        found, curves = self._so_far()
        known, drawn = (found.lists, curves.lists) if group == "lists" else (found.series, curves.series)
        return _points(known, {name: drawn[name]}, self.run.facts.created).get(name) if name in drawn else None

    def listed_run(self, tables: Tables) -> PageRun:
        """Return the run with the data of the table alone; no curve is read of a run that no process writes."""
        listed = self._listed(self.summary())
        return msgspec.structs.replace(listed, context=tables.place(self.run.origin))

    def _listed(self, found: Summary) -> PageRun:
        manifest = self.run.facts
        counts = {
            "records": found.records, "wrong calls": found.mistakes, "not imported exactly": found.gaps,
            "lost": found.lost, "redacted": found.redacted, "damaged": found.damaged,
            "epochs trained again": found.skipped_epochs, "batches trained again": found.skipped_batches,
        }  # fmt: skip
        return PageRun(
            id=self.run.id, name=manifest.name, project=manifest.project, status=found.status, started=manifest.created,
            ended=self.run.ended(found), last=max(found.ended, manifest.created),
            parent=self.run.parent, group=manifest.group, notes=manifest.notes, directory="", tags=found.tags,
            models={name: model.version for name, model in found.models.items()},
            params={name: param_to_json(value) for name, value in found.params.items()},
            sources={name: origin_of(found, name) for name in found.params},
            metrics={name: number_to_json(value) for name, value in found.simple.items()},
            series={name: Counted(statistics_of(each), each.count) for name, each in found.series.items()},
            lists={name: Counted(statistics_of(each), each.count) for name, each in found.lists.items()},
            references=[Reference(r.name, r.uri, r.kind, r.role, r.digest, r.version, r.size) for r in found.artifacts],
            lines=LogLines(found.lines, 0, []), counts={name: count for name, count in counts.items() if count},
            delivery=[], context=None, listed=True,
        )  # fmt: skip


def _points(statistics: dict[str, Statistics], curves: dict[str, Thinned], started: int) -> dict[str, Points]:
    """Return series or lists for the page; in a damaged journal, those that both readers found."""
    return {name: points_of(statistics[name], curve, started) for name, curve in curves.items() if name in statistics}


def _state(lane: LaneReport) -> str:
    state = "delivered" if lane.complete else f"{lane.pending} pending" if lane.pending else "open"
    state += f", {lane.set_aside} set aside" if lane.set_aside else ""
    return f"{state}: {lane.problem}" if lane.problem else state
