"""What was acknowledged, against what a journal and a tracker hold: nothing missing, nothing twice, all in order.

A call whose return was noted was acknowledged. One that had begun and was not noted may be there whole or not at all,
and whichever it is in the journal, it is in every tracker.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import calls
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Record, Segment, Tags, typed_params
from multitrack.testing import Capabilities, NativeRun


@dataclasses.dataclass
class Misses:
    """What is wrong, counted and told."""

    lost: int = 0
    twice: int = 0
    out_of_order: int = 0
    other: int = 0
    told: list[str] = dataclasses.field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.told)

    def add(self, other: Misses) -> None:
        for field in ("lost", "twice", "out_of_order", "other"):
            setattr(self, field, getattr(self, field) + getattr(other, field))
        self.told += other.told

    def sequence(self, what: str, expected: Sequence[Hashable], found: Sequence[Hashable]) -> None:
        """Compare what should stand there, in this order, with what does."""
        if list(expected) == list(found):
            return
        lost, twice = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
        self.lost += lost.total()
        self.twice += twice.total()
        if not lost and not twice:
            self.out_of_order += 1
        shown = ", ".join(map(repr, [*lost][:3])), ", ".join(map(repr, [*twice][:3]))
        self.told.append(
            f"{what}: {len(expected)} expected, {len(found)} found; {lost.total()} lost ({shown[0]}), "
            f"{twice.total()} not expected ({shown[1]}){'' if lost or twice else '; out of order'}"
        )

    def wrong(self, text: str) -> None:
        self.other += 1
        self.told.append(text)


@dataclasses.dataclass
class Noted:
    """One call as a training process noted it; ``returned`` is ``None`` where it was killed in it."""

    what: int | str
    begun: int
    returned: int | None = None


def read_notes(path: Path) -> list[Noted]:
    """The notes of one process, in order; a last line may be torn."""
    noted: list[Noted] = []
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
        if not line.endswith(b"\n"):
            break
        note = json.loads(line)
        if "begun" in note:
            noted.append(Noted(note["begun"], note["time"]))
        else:
            assert noted[-1].what == note["returned"]
            noted[-1].returned = note["time"]
    return noted


@dataclasses.dataclass(frozen=True)
class Training:
    """One process of the run: its notes, and what determined its calls."""

    pid: int
    first: int
    long_at: int
    noted: list[Noted]


@dataclasses.dataclass
class Expected:
    """What a run holds, in the form of the trackers' readers; times are the journal's."""

    params: dict[str, Any] = dataclasses.field(default_factory=dict)
    series: dict[str, list[tuple[int, float | str, int]]] = dataclasses.field(default_factory=dict)
    simple: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    artifacts: dict[str, str] = dataclasses.field(default_factory=dict)
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    lines: list[str] = dataclasses.field(default_factory=list)
    acknowledged: int = 0

    def take(self, record: Record) -> None:
        """Add what one record of the journal says."""
        if isinstance(record, Params):
            self.params.update(typed_params(record))
        elif isinstance(record, Metric) and record.step is not None:
            for name, value in record.numbers.items():
                self.series.setdefault(name, []).append((record.step, _plain(value), record.time))
        elif isinstance(record, Metric):
            for name, value in record.numbers.items():
                self.simple.setdefault(name, []).append(value)
        elif isinstance(record, ListMetric):
            points = self.series.setdefault(record.name, [])
            points += [(len(points) + i, _plain(value), record.time) for i, value in enumerate(record.numbers)]
        elif isinstance(record, ArtifactRef):
            self.artifacts[record.name] = record.uri
        elif isinstance(record, Tags):
            self.tags.update(record.values)
        elif isinstance(record, Lines):
            self.lines += record.lines


def compare_journal(run: RecordedRun, seed: int, trainings: Sequence[Training]) -> tuple[Expected, Misses]:
    """Compare the journal with what the processes noted; what it holds is what every tracker must hold."""
    misses, expected = Misses(), Expected()
    by_pid: dict[int, list[Record]] = {}
    pid = 0
    for record in run.records():
        if isinstance(record, Segment):
            pid = record.pid
        elif isinstance(record, (Params, Metric, ListMetric, ArtifactRef, Tags, Lines)):
            by_pid.setdefault(pid, []).append(record)
            expected.take(record)
    params_known = False
    for training in trainings:
        found = _joined(by_pid.pop(training.pid, []))
        wanted: list[tuple[Noted, calls.Call]] = []
        for noted in training.noted:
            if noted.what == "start":
                wanted.append((noted, calls.Call("set_tags", (calls.start_tags(training.first),))))
                if not params_known:
                    wanted.append((noted, calls.Call("log_params", (calls.PARAMS,))))
            elif isinstance(noted.what, int):
                wanted.append((noted, calls.call(seed, noted.what, long_at=training.long_at)))
        params_known = params_known or any(isinstance(record, Params) for record in found)
        expected.acknowledged += sum(noted.returned is not None for noted, _ in wanted)
        while wanted and wanted[-1][0].returned is None and len(wanted) > len(found):
            wanted.pop()  # had not returned, and is not there
        where = f"journal, process {training.pid}"
        misses.sequence(where, [shape_of_call(call) for _, call in wanted], [shape_of(record) for record in found])
        if not misses:
            _compare_times(misses, where, [noted for noted, _ in wanted], found)
    if by_pid:
        misses.wrong(f"the journal has records of processes that nobody started: {sorted(by_pid)}")
    return expected, misses


def _compare_times(misses: Misses, where: str, noted: Sequence[Noted], found: Sequence[Record]) -> None:
    """Each record's time lies within its call; a repeat's is moved behind the one before it, by a millisecond."""
    repeated = 0
    for call, record in zip(noted, found, strict=True):
        latest = math.inf if call.returned is None else call.returned
        if isinstance(record, Metric) and "plateau" in record.values:
            latest = repeated = max(latest, repeated + 1)
        if not call.begun <= record.time <= latest:
            misses.wrong(f"{where}, call {call.what}: its time is {record.time}, not in {call.begun}..{latest}")


def compare_tracker(native: NativeRun, expected: Expected, capabilities: Capabilities) -> Misses:
    """Compare what a tracker's own reader gives with what the run holds."""
    misses = Misses()
    for name, points in expected.series.items():
        found = [(point.step, _plain(point.value), point.time) for point in native.series.get(name, [])]
        wanted: list[tuple[int, float | str, int | None]] = list(points if capabilities.history else points[-1:])
        if not capabilities.point_times:
            wanted = [(step, value, None) for step, value, _ in wanted]
        misses.sequence(f"series {name}", wanted, found)
    for name, written in expected.simple.items():
        if native.metrics.get(name) != written[-1]:
            misses.lost += 1
            misses.told.append(f"metric {name} is {native.metrics.get(name)}, not {written[-1]}")
        # A tracker that keeps each value has them under another name beside a series of this one.
        kept_as = f"{name}/summary" if name in expected.series else name
        if kept_as in native.series:
            misses.sequence(f"metric {name}", written, [point.value for point in native.series[kept_as]])
    summaries = {f"{name}/summary" for name in expected.simple.keys() & expected.series.keys()}
    alien = native.series.keys() - expected.series.keys() - expected.simple.keys() - summaries
    if alien:
        misses.wrong(f"series that nobody logged: {sorted(alien)}")
    misses.sequence("lines", expected.lines if capabilities.lines else [], native.lines)
    typed = capabilities.typed_params
    kept = expected.params if capabilities.params else {}
    params = {key: _typed(value) if typed else str(value) for key, value in kept.items()}
    _compare_mapping(misses, "params", params, {k: _typed(v) if typed else v for k, v in native.params.items()})
    _compare_mapping(misses, "artifacts", expected.artifacts if capabilities.artifacts else {}, native.artifacts)
    tags = {key: value for key, value in native.tags.items() if key in expected.tags}  # trackers have tags of their own
    _compare_mapping(misses, "tags", expected.tags if capabilities.tags else {}, tags)
    return misses


def _compare_mapping(misses: Misses, what: str, expected: dict[str, Any], found: dict[str, Any]) -> None:
    misses.sequence(what, sorted(expected.items()), sorted(found.items()))


def _joined(records: Sequence[Record]) -> list[Record]:
    """The records with the parts of a list made one again."""
    joined: list[Record] = []
    for record in records:
        if isinstance(record, ListMetric) and record.part > 1:
            whole = joined.pop()
            assert isinstance(whole, ListMetric) and whole.part == record.part - 1
            joined.append(
                ListMetric(
                    time=whole.time, name=whole.name, values=[*whole.values, *record.values], part=record.part,
                    parts=record.parts, ordinal=whole.ordinal, index=whole.index,
                )
            )  # fmt: skip
        else:
            joined.append(record)
    return joined


def shape_of(record: Record) -> Hashable:
    """A record without its time, as something to compare and to show; types count."""
    match record:
        case Params():
            return "log_params", tuple((key, _typed(value)) for key, value in typed_params(record).items())
        case Metric():
            return "log_metrics", tuple((key, _typed(value)) for key, value in record.numbers.items()), record.step
        case ListMetric():
            return "log_list_metric", record.name, tuple(map(_typed, record.numbers))
        case ArtifactRef():
            return "log_artifact_ref", record.name, record.uri, record.kind
        case Lines():
            return "log_lines", tuple(record.lines), record.stream
        case Tags():
            return "set_tags", tuple(record.values.items())
    raise TypeError(type(record).__name__)


def shape_of_call(call: calls.Call) -> Hashable:
    """The same of a call."""
    match call.method, call.args:
        case "log_params", (values,):
            return "log_params", tuple((key, _typed(value)) for key, value in _flat(values))
        case "log_metric", (name, value):
            return "log_metrics", ((name, _typed(value)),), None
        case "log_metric", (name, value, step):
            return "log_metrics", ((name, _typed(value)),), step
        case "log_metrics", (values, step):
            return "log_metrics", tuple((key, _typed(value)) for key, value in values.items()), step
        case "log_list_metric", (name, values):
            return "log_list_metric", name, tuple(map(_typed, values))
        case "log_lines", (lines, stream):
            return "log_lines", tuple(lines), stream
        case "set_tags", (values,):
            return "set_tags", tuple(values.items())
        case method, args:
            return method, *args


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for key, value in values.items():
        flat += _flat(value, f"{prefix}{key}/") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return flat


def _typed(value: Any) -> tuple[str, Any]:
    return type(value).__name__, _plain(value)


def _plain(value: Any) -> Any:
    """A value that equals itself."""
    return "NaN" if isinstance(value, float) and math.isnan(value) else value
