"""One run as a page shows it, in one pass over its journal and flat memory; and on from there as it grows."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from multitrack._text import clean_text
from multitrack.delivery.report import LaneReport, report_run
from multitrack.journal.cursor import Cursor
from multitrack.journal.segments import is_live
from multitrack.page.schema import BackendDelivery, LogLines, PageRun, Points, Reference, param_to_json, points_of
from multitrack.query.cells import origin_of
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import (
    DATA,
    ArtifactRef,
    Lines,
    ListMetric,
    Lost,
    Metric,
    Mistake,
    Params,
    Tags,
    Trained,
    number_to_json,
    typed_params,
)
from multitrack.summaries.cache import Stamp, stamp_of
from multitrack.summaries.curves import Curves, curves_of
from multitrack.summaries.downsample import Thinned, Thinner
from multitrack.summaries.series import read_lines
from multitrack.summaries.summary import Statistics, Summary, Tally

#: Characters of a log line in a page; ``multitrack logs`` prints all.
LINE: Final = 2000
#: Numbers gathered before they are looked at, so that Python's own loops do it.
_STRETCH: Final = 4096
_FIRST_LINES: Final = 200
#: Colours, the cursor's moves, and titles or links, as terminals are told them.
_CONTROLS: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


class Tables(msgspec.Struct):
    """What many runs share, each once: contexts, and the packages of contexts."""

    contexts: list[dict[str, Any]] = []
    packages: list[dict[str, str]] = []

    def place(self, run: RecordedRun) -> int | None:
        """Where the run's context is, put there if it is new."""
        if run.context is None:
            return None
        context: dict[str, Any] = msgspec.to_builtins(run.context)
        context["packages"] = _place(self.packages, context.get("packages", {}))
        return _place(self.contexts, context)


def _place(table: list[Any], value: Any) -> int:
    if value not in table:
        table.append(value)
    return table.index(value)


class _Curve:
    """A series or list as it comes."""

    def __init__(self, points: int) -> None:
        self.tally = Tally()
        self.thinner = Thinner(points)
        self.steps: list[int] = []
        self.times: list[int] = []
        self.values: list[int | float] = []

    def add(self, step: int, time: int, value: float) -> None:
        self.steps.append(step)
        self.times.append(time)
        self.values.append(value)
        if len(self.values) >= _STRETCH:
            self.settle()

    def extend(self, time: int, values: Sequence[int | float]) -> None:
        start = self.thinner.count + len(self.values)
        self.steps += range(start, start + len(values))
        self.times += [time] * len(values)
        self.values += values
        if len(self.values) >= _STRETCH:
            self.settle()

    def settle(self) -> None:
        """Take in what was gathered."""
        self.tally.waiting = self.values[:]
        self.tally.count()
        self.thinner.extend(self.steps, self.times, self.values)
        self.steps, self.times, self.values = [], [], []


class _AtRest(msgspec.Struct, frozen=True):
    """What is kept of a run that nobody writes, and what its files were like."""

    stamp: Stamp
    summary: Summary
    curves: Curves


class Collected:
    """What a page shows of one run.

    Args:
        run: The run.
        points: Points of each series at most; longer ones are thinned.
        lines: Log lines at most: the first and the last.
    """

    def __init__(self, run: RecordedRun, points: int = 1200, lines: int = 2000) -> None:
        self.run = run
        self._points = points
        self._most_lines = lines
        self._begin()

    def _begin(self) -> None:
        self._rest: _AtRest | None = None
        self._cursor = Cursor(self.run.directory, resolved=False)
        self._params: dict[str, Any] = {}
        self._sources: dict[str, str] = {}
        self._objects: dict[str, str] = {}
        self._simple: dict[str, int | float] = {}
        self._series: dict[str, _Curve] = {}
        self._lists: dict[str, _Curve] = {}
        self._tags: dict[str, str] = {}
        self._references: dict[str, ArtifactRef] = {}
        self._head_most = min(_FIRST_LINES, self._most_lines // 2)
        self._head: list[tuple[int, str, str]] = []
        self._tail: deque[tuple[int, str, str]] = deque(maxlen=max(0, self._most_lines - self._head_most))
        self._lines = self._records = self._mistakes = 0
        self._skipped_epochs = self._skipped_batches = 0
        self._redacted = self.run.manifest.redacted
        self._lost: dict[int, int] = {}

    def read_on(self) -> bool:
        """Read what is new; whether anything was. Of a run that nobody writes, by what is kept of it, where that is."""
        stamp = stamp_of(self.run.directory)
        if self._rest is not None:
            if self._rest.stamp == stamp:
                return False
            self._begin()  # it was resumed
        elif self._cursor.position == 0 and self._find_at_rest(stamp):
            return True
        before = self._cursor.position
        while stretch := self._cursor.read():
            for record in stretch:
                if type(record) is Metric and record.step is not None:  # nearly all are
                    self._records += 1
                    for name, value in record.numbers.items():
                        curve = self._series.get(name)
                        if curve is None:
                            curve = self._series[name] = _Curve(self._points)
                        curve.add(record.step, record.time, value)
                else:
                    self._take(record)
        return self._cursor.position > before

    def _find_at_rest(self, stamp: Stamp) -> bool:
        """Whether nobody writes the run, so that its summary and its curves say all but its lines."""
        directory = self.run.directory
        if is_live(directory):
            return False
        summary = self.run.summary()
        if summary.status == "running":
            return False
        curves = curves_of(directory, self._points)
        for record in read_lines(directory) if summary.lines else ():
            self._take_lines(record)
        if stamp_of(directory) != stamp:  # resumed meanwhile
            self._begin()
            return False
        self._rest = _AtRest(stamp, summary, curves)
        return True

    def _take(self, record: Any) -> None:
        self._records += isinstance(record, DATA)
        self._redacted += getattr(record, "redacted", 0)
        match record:
            case Metric():
                self._simple.update(record.numbers)
            case Params():
                self._params.update(typed_params(record))
                self._sources.update(dict.fromkeys(record.values, record.source))
                self._objects.update({name: kept.type for name, kept in record.objects.items()})
            case ListMetric():
                if record.name not in self._lists:
                    self._lists[record.name] = _Curve(self._points)
                self._lists[record.name].extend(record.time, record.numbers)
            case Tags():
                self._tags.update(record.values)
            case ArtifactRef():
                self._references[record.name] = record
            case Lines():
                self._take_lines(record)
            case Mistake():
                self._mistakes += 1
            case Trained():
                self._skipped_epochs += record.skipped_epochs
                self._skipped_batches += record.skipped_batches
            case Lost():
                self._lost[self._cursor.segment] = record.total

    def _take_lines(self, record: Lines) -> None:
        self._lines += len(record.lines)
        for text in record.lines:
            text = _as_seen(text)
            cut = text if len(text) <= LINE else f"{text[:LINE]}… ({len(text)} characters)"
            line = (record.time, record.stream, cut)
            if len(self._head) < self._head_most:
                self._head.append(line)
            else:
                self._tail.append(line)

    def _so_far(self) -> tuple[Summary, Curves]:
        """What was read."""
        if self._rest is not None:
            return self._rest.summary, self._rest.curves
        ended = self._cursor.ended
        for curve in (*self._series.values(), *self._lists.values()):
            curve.settle()
        summary = Summary(
            status=ended.status if ended is not None else "killed" if self._cursor.at_end() else "running",
            ended=ended.time if ended is not None else self._cursor.last_time, params=self._params,
            sources=self._sources, objects=self._objects, simple=self._simple, tags=self._tags,
            artifacts=list(self._references.values()),
            series={name: curve.tally.result() for name, curve in self._series.items()},
            lists={name: curve.tally.result() for name, curve in self._lists.items()},
            lines=self._lines, records=self._records, mistakes=self._mistakes, lost=sum(self._lost.values()),
            damaged=len(self._cursor.damaged), redacted=self._redacted,
            skipped_epochs=self._skipped_epochs, skipped_batches=self._skipped_batches,
        )  # fmt: skip
        return summary, Curves(
            {name: curve.thinner.thinned() for name, curve in self._series.items()},
            {name: curve.thinner.thinned() for name, curve in self._lists.items()},
        )

    def page_run(self, tables: Tables) -> PageRun:
        """The run as far as it was read."""
        manifest, (found, curves) = self.run.manifest, self._so_far()
        report = report_run(self.run.lanes(), found.records, ended=found.status != "running", lost=found.lost)
        counts = {
            "records": found.records, "wrong calls": found.mistakes, "lost": found.lost, "redacted": found.redacted,
            "damaged": found.damaged, "epochs trained again": found.skipped_epochs,
            "batches trained again": found.skipped_batches,
        }  # fmt: skip
        started = manifest.created
        return PageRun(
            id=self.run.id, name=manifest.name, project=manifest.project, status=found.status, started=started,
            ended=self.run.ended(found), last=max(found.ended, started),
            parent=manifest.parent, group=manifest.group, notes=manifest.notes,
            directory=clean_text(str(self.run.directory)), tags=found.tags,
            params={name: param_to_json(value) for name, value in found.params.items()},
            sources={name: origin_of(found, name) for name in found.params},
            metrics={name: number_to_json(value) for name, value in found.simple.items()},
            series=_points(found.series, curves.series, started), lists=_points(found.lists, curves.lists, started),
            references=[Reference(r.name, r.uri, r.kind, r.role, r.digest, r.size) for r in found.artifacts],
            lines=LogLines(found.lines, len(self._head), [*self._head, *self._tail]),
            counts={name: count for name, count in counts.items() if count},
            delivery=[BackendDelivery(name, _state(lane), lane.id, lane.url) for name, lane in report.items()],
            context=tables.place(self.run),
        )  # fmt: skip


def _points(statistics: dict[str, Statistics], curves: dict[str, Thinned], started: int) -> dict[str, Points]:
    """Series or lists as the page has them; of damaged lines, what both readers take for numbers."""
    return {name: points_of(statistics[name], curve, started) for name, curve in curves.items() if name in statistics}


def _as_seen(text: str) -> str:
    """A line as a terminal would leave it: without colours, and of a progress bar what was drawn last."""
    if "\x1b" in text:
        text = _CONTROLS.sub("", text)
    return next((part for part in reversed(text.split("\r")) if part), "") if "\r" in text else text


def _state(lane: LaneReport) -> str:
    state = "delivered" if lane.complete else f"{lane.pending} pending" if lane.pending else "open"
    state += f", {lane.set_aside} set aside" if lane.set_aside else ""
    return f"{state}: {lane.problem}" if lane.problem else state
