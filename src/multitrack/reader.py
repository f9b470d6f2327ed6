"""Runs and series back out of a journal, without any tracker.

Everything is read from the disk when asked for, in plain Python values; a run that is being written may be
read at any time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from multitrack.config import load_config
from multitrack.errors import JournalError, RunError
from multitrack.journal import Cursor
from multitrack.lanestate import LaneState, state_of
from multitrack.manifest import Context, Manifest, context_of, is_run_id, read_manifest, run_directories, runs_directory
from multitrack.records import (
    DATA,
    ArtifactRef,
    Lines,
    ListMetric,
    Lost,
    Metric,
    Mistake,
    Params,
    Record,
    Status,
    Tags,
    typed_params,
)
from multitrack.report import DeliveryReport, report_run

log = logging.getLogger("multitrack")


class Point(msgspec.Struct, frozen=True):
    """One point of a series: its step, its value, and when it was logged (ms since the epoch)."""

    step: int
    value: float
    time: int


class Line(msgspec.Struct, frozen=True):
    """One line of text, its stream (``stdout``, ``stderr`` or ``log``), and when it was logged (ms)."""

    time: int
    stream: str
    text: str


class RecordedRun:
    """One run of a journal, read when something is asked for.

    Args:
        directory: The run's directory.

    Attributes:
        manifest: What the run is.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.manifest: Manifest = read_manifest(directory)

    @property
    def id(self) -> str:
        """The run's id."""
        return self.manifest.id

    @property
    def context(self) -> Context | None:
        """Where it came from: its own context, or its parent's."""
        return context_of(self.directory, self.manifest)

    def records(self) -> Iterator[Record]:
        """Every record, in the run's order."""
        cursor = Cursor(self.directory)
        while stretch := cursor.read():
            yield from stretch

    def summary(self) -> Summary:
        """Everything but the series' points and the lines, in one pass over the journal."""
        return Summary.of(self)

    def lanes(self) -> dict[str, LaneState]:
        """How far each backend is."""
        return {entry.name: state_of(self.directory, entry.name) for entry in self.manifest.backends}

    def get_params(self) -> dict[str, Any]:
        """The params, flat, with the types they were logged with."""
        return self.summary().params

    def get_metrics(self, name: str | None = None) -> dict[str, list[Point]]:
        """The series, by name, in the order they were logged; or the one named."""
        series: dict[str, list[Point]] = {}
        for record in self.records():
            if isinstance(record, Metric) and record.step is not None:
                for key, value in record.numbers.items():
                    if name is None or key == name:
                        series.setdefault(key, []).append(Point(record.step, value, record.time))
        return series

    def get_list_metrics(self, name: str | None = None) -> dict[str, list[float]]:
        """The list metrics, by name; or the one named."""
        lists: dict[str, list[float]] = {}
        for record in self.records():
            if isinstance(record, ListMetric) and name in (None, record.name):
                lists.setdefault(record.name, []).extend(record.numbers)
        return lists

    def get_lines(
        self, from_time: int | None = None, to_time: int | None = None, limit: int | None = None
    ) -> Iterator[Line]:
        """The log lines between two times (ms since the epoch, both included), at most ``limit``."""
        left = limit
        for record in self.records():
            if not isinstance(record, Lines):
                continue
            if (from_time is not None and record.time < from_time) or (to_time is not None and record.time > to_time):
                continue
            for text in record.lines:
                if left == 0:
                    return
                yield Line(record.time, record.stream, text)
                left = None if left is None else left - 1


class Summary(msgspec.Struct, frozen=True):
    """What a run is and holds, without the points of its series.

    Attributes:
        status: ``running``, ``finished``, ``failed`` or ``killed``.
        ended: When it ended (ms), or when its last record was written.
        params: Typed, flat.
        sources: Where each param came from.
        metrics: Simple metrics: their last value. A series: its last point, where no simple metric is of its name.
        lengths: Points of each series and list metric.
        tags: The last value each.
        artifacts: The references; of several under one name, the last.
        lines: How many log lines.
        records: How many data records.
        mistakes: Wrong calls set aside.
        lost: Records that the machine did not take (a full disk).
        damaged: Journal lines that are no records.
        redacted: Values that were redacted before they reached the journal.
    """

    status: Status
    ended: int
    params: dict[str, Any]
    sources: dict[str, str]
    metrics: dict[str, float]
    lengths: dict[str, int]
    tags: dict[str, str]
    artifacts: list[ArtifactRef]
    lines: int
    records: int
    mistakes: int
    lost: int
    damaged: int
    redacted: int

    @classmethod
    def of(cls, run: RecordedRun) -> Summary:
        """Read a run's journal once."""
        params: dict[str, Any] = {}
        sources: dict[str, str] = {}
        simple: dict[str, float] = {}
        last: dict[str, float] = {}
        lengths: dict[str, int] = {}
        tags: dict[str, str] = {}
        artifacts: dict[str, ArtifactRef] = {}
        lines = records = mistakes = 0
        lost: dict[int, int] = {}
        redacted = run.manifest.redacted
        cursor = Cursor(run.directory)
        while stretch := cursor.read():
            for record in stretch:
                records += isinstance(record, DATA)
                redacted += getattr(record, "redacted", 0)
                if isinstance(record, Params):
                    params.update(typed_params(record))
                    sources.update(dict.fromkeys(record.values, record.source))
                elif isinstance(record, Metric):
                    (simple if record.step is None else last).update(record.numbers)
                    for key in record.values if record.step is not None else ():
                        lengths[key] = lengths.get(key, 0) + 1
                elif isinstance(record, ListMetric):
                    lengths[record.name] = record.index + len(record.values)
                    last[record.name] = record.numbers[-1]
                elif isinstance(record, Tags):
                    tags.update(record.values)
                elif isinstance(record, ArtifactRef):
                    artifacts[record.name] = record
                elif isinstance(record, Lines):
                    lines += len(record.lines)
                elif isinstance(record, Mistake):
                    mistakes += 1
                elif isinstance(record, Lost):
                    lost[cursor.segment] = record.total
        status: Status = "running"
        if cursor.ended is not None:
            status = cursor.ended.status
        elif cursor.at_end():
            status = "killed"  # nobody writes it any more, and it never said that it ended
        ended = cursor.ended.time if cursor.ended is not None else cursor.last_time
        return cls(
            status=status, ended=ended, params=params, sources=sources, metrics={**last, **simple}, lengths=lengths,
            tags=tags, artifacts=list(artifacts.values()), lines=lines, records=records, mistakes=mistakes,
            lost=sum(lost.values()), damaged=len(cursor.damaged), redacted=redacted,
        )  # fmt: skip


class JournalReader:
    """All runs of a journal; made by :func:`open_journal`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def runs(self, project: str | None = None) -> Iterator[RecordedRun]:
        """The runs, oldest first; a run whose manifest is damaged is said and passed over."""
        for directory in run_directories(self.directory):
            try:
                run = RecordedRun(directory)
            except JournalError as error:
                log.warning("multitrack: %s", error)
                continue
            if project in (None, run.manifest.project):
                yield run

    def run(self, run_id: str) -> RecordedRun:
        """One run by its id, an unambiguous beginning of it, or its name where only one has it.

        Raises:
            RunError: There is none, or several.
        """
        if is_run_id(run_id):  # "..", say, is none
            directory = runs_directory(self.directory) / run_id
            if (directory / "manifest.json").is_file():
                return RecordedRun(directory)
        found = [run for run in self.runs() if run.id.startswith(run_id) or run.manifest.name == run_id]
        if len(found) == 1:
            return found[0]
        known = ", ".join(run.id for run in found[:5]) or f"`multitrack runs --journal {self.directory}` lists them"
        raise RunError(f"{'several runs are' if found else 'no run is'} called {run_id!r} in {self.directory}: {known}")


def open_journal(path: str | Path | None = None) -> JournalReader:
    """Open a journal for reading.

    Args:
        path: Its directory; default: the config's.

    Raises:
        JournalError: There is none.
    """
    directory = Path(load_config().settings.journal if path is None else path).absolute()
    if not runs_directory(directory).is_dir():
        raise JournalError(f"no journal in {directory}; name one with --journal, or start a run")
    return JournalReader(directory)


def report_of(run: RecordedRun, summary: Summary | None = None) -> DeliveryReport:
    """What each backend of a recorded run holds, and what is pending.

    Args:
        run: The run.
        summary: Its summary, where that was read already.
    """
    summary = summary or run.summary()
    return report_run(
        run.lanes(), summary.records, ended=summary.status != "running", lost=summary.lost, mistakes=summary.mistakes,
        redacted=summary.redacted,
    )  # fmt: skip
