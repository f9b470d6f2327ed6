"""Collect one run's page in one pass over its journal, with constant memory, and continue as the run grows."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from multitrack._text import clean_text
from multitrack.dataset.cache import is_copy
from multitrack.delivery.report import LaneReport, report_run
from multitrack.journal.segments import is_live
from multitrack.lineage.graph import RunReferences
from multitrack.page.lineage import page_references
from multitrack.page.schema import BackendDelivery, LogLines, PageRun, Points, Reference, param_to_json, points_of
from multitrack.query.cells import origin_of
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import Lines, ListMetric, Metric, number_to_json
from multitrack.summaries.builder import SummaryBuilder
from multitrack.summaries.cache import Stamp, stamp_of
from multitrack.summaries.curves import Curves, curves_of
from multitrack.summaries.downsample import Thinned, Thinner
from multitrack.summaries.series import read_lines
from multitrack.summaries.statistics import STRETCH, RunningStatistics, Statistics
from multitrack.summaries.summary import Summary

#: Maximum number of characters of a log line in a page; ``multitrack logs`` prints all.
LINE: Final = 2000
_FIRST_LINES: Final = 200
#: Terminal escape sequences for colours, cursor moves, titles and links.
_CONTROLS: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


class Tables(msgspec.Struct):
    """Values that many runs share, each stored once: contexts, and the packages of contexts."""

    contexts: list[dict[str, Any]] = []
    packages: list[dict[str, str]] = []

    def place(self, run: RecordedRun) -> int | None:
        """Return the index of the run's context, which is added if it is new."""
        if run.context is None:
            return None
        # the page shows neither, and says no more of the source than it needs to
        shown = msgspec.structs.replace(run.context, code=None, hardware=None)
        context: dict[str, Any] = msgspec.to_builtins(shown)
        context["packages"] = _place(self.packages, context.get("packages", {}))
        return _place(self.contexts, context)


def _place(table: list[Any], value: Any) -> int:
    if value not in table:
        table.append(value)
    return table.index(value)


class _Curve:
    """One series or list: its statistics, and its thinned points."""

    def __init__(self, points: int) -> None:
        self.statistics = RunningStatistics()
        self.thinner = Thinner(points)
        self.steps: list[int] = []
        self.times: list[int] = []
        self.values: list[int | float] = []

    def add(self, step: int, time: int, value: float) -> None:
        self.steps.append(step)
        self.times.append(time)
        self.values.append(value)
        if len(self.values) >= STRETCH:
            self.settle()

    def extend(self, time: int, values: Sequence[int | float]) -> None:
        start = self.thinner.count + len(self.values)
        self.steps += range(start, start + len(values))
        self.times += [time] * len(values)
        self.values += values
        if len(self.values) >= STRETCH:
            self.settle()

    def settle(self) -> None:
        """Count and thin the points gathered so far."""
        self.statistics.waiting = self.values[:]
        self.statistics.count()
        self.thinner.extend(self.steps, self.times, self.values)
        self.steps, self.times, self.values = [], [], []


class _Drawn:
    """A collector of the curves and log lines that the page shows.

    Args:
        points: Maximum number of points per curve.
        lines: Maximum number of log lines.
    """

    def __init__(self, points: int, lines: int) -> None:
        self._points = points
        self.series: dict[str, _Curve] = {}
        self.lists: dict[str, _Curve] = {}
        self._head_most = min(_FIRST_LINES, lines // 2)
        self.head: list[tuple[int, str, str]] = []
        self.tail: deque[tuple[int, str, str]] = deque(maxlen=max(0, lines - self._head_most))

    def add_points(self, records: Sequence[Metric]) -> None:
        series = self.series
        for record in records:
            step: Any = record.step
            for name, value in record.numbers.items():
                curve = series.get(name)
                if curve is None:
                    curve = series[name] = _Curve(self._points)
                curve.add(step, record.time, value)

    def add_list(self, record: ListMetric) -> None:
        if record.name not in self.lists:
            self.lists[record.name] = _Curve(self._points)
        self.lists[record.name].extend(record.time, record.numbers)

    def add_lines(self, record: Lines) -> None:
        for text in record.lines:
            text = _as_seen(text)
            cut = text if len(text) <= LINE else f"{text[:LINE]}… ({len(text)} characters)"
            line = (record.time, record.stream, cut)
            if len(self.head) < self._head_most:
                self.head.append(line)
            else:
                self.tail.append(line)

    def settle(self) -> None:
        for curve in (*self.series.values(), *self.lists.values()):
            curve.settle()


class _AtRest(msgspec.Struct, frozen=True):
    """The cached parts of a run that no process writes, and the stamp of its files."""

    stamp: Stamp
    summary: Summary
    curves: Curves


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
        self._drawn = _Drawn(self._points, self._most_lines)
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

    def _find_at_rest(self, stamp: Stamp) -> bool:
        """Use the run's summary and curves from the caches; return False if a process writes the run."""
        directory = self.run.directory
        if is_live(directory):
            return False
        summary = self.run.summary()
        if summary.status == "running" and not is_copy(directory):
            return False
        curves = curves_of(directory, self._points)
        for record in read_lines(directory) if summary.lines else ():
            self._drawn.add_lines(record)
        if stamp_of(directory) != stamp:  # resumed meanwhile
            self._begin()
            return False
        self._rest = _AtRest(stamp, summary, curves)
        return True

    def _so_far(self) -> tuple[Summary, Curves]:
        """Return the summary and the curves of the records read so far."""
        if self._rest is not None:
            return self._rest.summary, self._rest.curves
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
        return self._so_far()[0]

    def references(self) -> RunReferences:
        """Return the run's references read so far, for the lineage."""
        return page_references(self.run, self.summary())

    def page_run(self, tables: Tables) -> PageRun:
        """Return the run with the records read so far."""
        manifest, (found, curves) = self.run.manifest, self._so_far()
        report = report_run(self.run.lanes(), found.records, ended=found.status != "running", lost=found.lost)
        counts = {
            "records": found.records, "wrong calls": found.mistakes, "not imported exactly": found.gaps,
            "lost": found.lost, "redacted": found.redacted, "damaged": found.damaged,
            "epochs trained again": found.skipped_epochs, "batches trained again": found.skipped_batches,
        }  # fmt: skip
        started = manifest.created
        return PageRun(
            id=self.run.id, name=manifest.name, project=manifest.project, status=found.status, started=started,
            ended=self.run.ended(found), last=max(found.ended, started),
            parent=self.run.parent, group=manifest.group, notes=manifest.notes,
            directory=clean_text(str(self.run.directory)), tags=found.tags,
            models={name: model.version for name, model in found.models.items()},
            params={name: param_to_json(value) for name, value in found.params.items()},
            sources={name: origin_of(found, name) for name in found.params},
            metrics={name: number_to_json(value) for name, value in found.simple.items()},
            series=_points(found.series, curves.series, started), lists=_points(found.lists, curves.lists, started),
            references=[Reference(r.name, r.uri, r.kind, r.role, r.digest, r.version, r.size) for r in found.artifacts],
            lines=LogLines(found.lines, len(self._drawn.head), [*self._drawn.head, *self._drawn.tail]),
            counts={name: count for name, count in counts.items() if count},
            delivery=[BackendDelivery(name, _state(lane), lane.id, lane.url) for name, lane in report.items()],
            context=tables.place(self.run),
        )  # fmt: skip


def _points(statistics: dict[str, Statistics], curves: dict[str, Thinned], started: int) -> dict[str, Points]:
    """Return series or lists for the page; in a damaged journal, those that both readers found."""
    return {name: points_of(statistics[name], curve, started) for name, curve in curves.items() if name in statistics}


def _as_seen(text: str) -> str:
    """Return a line as a terminal shows it: without escape sequences, and with the last state of a progress bar."""
    if "\x1b" in text:
        text = _CONTROLS.sub("", text)
    return next((part for part in reversed(text.split("\r")) if part), "") if "\r" in text else text


def _state(lane: LaneReport) -> str:
    state = "delivered" if lane.complete else f"{lane.pending} pending" if lane.pending else "open"
    state += f", {lane.set_aside} set aside" if lane.set_aside else ""
    return f"{state}: {lane.problem}" if lane.problem else state
