"""One run as a page shows it, in one pass over its journal and flat memory; and on from there as it grows."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from multitrack.journal import Cursor
from multitrack.page.data import Delivery, LogLines, PageRun, Points, Reference, param_to_json, points_of
from multitrack.page.thin import Thinner
from multitrack.reader import RecordedRun
from multitrack.records import (
    DATA,
    ArtifactRef,
    Lines,
    ListMetric,
    Lost,
    Metric,
    Mistake,
    Params,
    Status,
    Tags,
    number_to_json,
    typed_params,
)
from multitrack.report import LaneReport, report_run
from multitrack.summary import Tally

#: Characters of a log line in a page; ``multitrack logs`` prints all.
LINE: Final = 2000
#: Numbers gathered before they are looked at, so that Python's own loops do it.
_STRETCH: Final = 4096
_FIRST_LINES: Final = 200


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

    def points(self, started: int) -> Points:
        self.settle()
        return points_of(self.tally.result(), self.thinner.thinned(), started)


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
        self._cursor = Cursor(run.directory, resolved=False)
        self._params: dict[str, Any] = {}
        self._sources: dict[str, str] = {}
        self._simple: dict[str, int | float] = {}
        self._series: dict[str, _Curve] = {}
        self._lists: dict[str, _Curve] = {}
        self._tags: dict[str, str] = {}
        self._references: list[Reference] = []
        self._head_most = min(_FIRST_LINES, lines // 2)
        self._head: list[tuple[int, str, str]] = []
        self._tail: deque[tuple[int, str, str]] = deque(maxlen=max(0, lines - self._head_most))
        self._lines = self._records = self._mistakes = 0
        self._redacted = run.manifest.redacted
        self._lost: dict[int, int] = {}

    def read_on(self) -> bool:
        """Read what is new; whether anything was."""
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

    def _take(self, record: Any) -> None:
        self._records += isinstance(record, DATA)
        self._redacted += getattr(record, "redacted", 0)
        match record:
            case Metric():
                self._simple.update(record.numbers)
            case Params():
                self._params.update(typed_params(record))
                self._sources.update(dict.fromkeys(record.values, record.source))
            case ListMetric():
                if record.name not in self._lists:
                    self._lists[record.name] = _Curve(self._points)
                self._lists[record.name].extend(record.time, record.numbers)
            case Tags():
                self._tags.update(record.values)
            case ArtifactRef():
                self._references.append(
                    Reference(record.name, record.uri, record.kind, record.role, record.digest, record.size)
                )
            case Lines():
                self._take_lines(record)
            case Mistake():
                self._mistakes += 1
            case Lost():
                self._lost[self._cursor.segment] = record.total

    def _take_lines(self, record: Lines) -> None:
        self._lines += len(record.lines)
        for text in record.lines:
            cut = text if len(text) <= LINE else f"{text[:LINE]}… ({len(text)} characters)"
            line = (record.time, record.stream, cut)
            if len(self._head) < self._head_most:
                self._head.append(line)
            else:
                self._tail.append(line)

    @property
    def status(self) -> Status:
        """How it ended, or that it runs."""
        if self._cursor.ended is not None:
            return self._cursor.ended.status
        return "killed" if self._cursor.at_end() else "running"

    def page_run(self, tables: Tables) -> PageRun:
        """The run as far as it was read."""
        manifest, ended, status = self.run.manifest, self._cursor.ended, self.status
        lost = sum(self._lost.values())
        report = report_run(self.run.lanes(), self._records, ended=status != "running", lost=lost)
        counts = {
            "records": self._records, "wrong calls": self._mistakes, "lost": lost, "redacted": self._redacted,
            "damaged": len(self._cursor.damaged),
        }  # fmt: skip
        started = manifest.created
        return PageRun(
            id=self.run.id, name=manifest.name, project=manifest.project, status=status, started=started,
            ended=ended.time if ended is not None else max(self._cursor.last_time, started), parent=manifest.parent,
            group=manifest.group, notes=manifest.notes, directory=str(self.run.directory), tags=self._tags,
            params={name: param_to_json(value) for name, value in self._params.items()}, sources=self._sources,
            metrics={name: number_to_json(value) for name, value in self._simple.items()},
            series={name: curve.points(started) for name, curve in self._series.items()},
            lists={name: curve.points(started) for name, curve in self._lists.items()},
            references=self._references, lines=LogLines(self._lines, len(self._head), [*self._head, *self._tail]),
            counts={name: count for name, count in counts.items() if count},
            delivery=[Delivery(name, _state(lane), lane.id, lane.url) for name, lane in report.items()],
            context=tables.place(self.run),
        )  # fmt: skip


def _state(lane: LaneReport) -> str:
    state = "delivered" if lane.complete else f"{lane.pending} pending" if lane.pending else "open"
    state += f", {lane.set_aside} set aside" if lane.set_aside else ""
    return f"{state}: {lane.problem}" if lane.problem else state
