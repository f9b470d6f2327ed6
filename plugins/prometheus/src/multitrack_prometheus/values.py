"""The last values of one run, kept in memory and made anew from the journal by every courier.

How often a batch is delivered, and where it is cut, changes nothing: records of a kind come in their order, and those
that were seen are skipped by their ordinal.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Sequence
from typing import Final, TypeVar

from multitrack.hookspecs import RunInfo
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Record, Status, Tags
from multitrack_prometheus.labels import LONGEST, identity, label_of_tag, shortened
from multitrack_prometheus.lanes import LaneCounts, Lanes

#: The kinds of records, as in the label ``kind``, with their names in sentences.
NAMES: Final = {
    "params": "params", "metric": "metrics", "list": "list metrics", "artifact": "artifact references",
    "lines": "lines", "tags": "tags",
}  # fmt: skip
#: Maximum number of values that one tag of a run has as a label; later ones become :data:`OTHER`.
TAG_VALUES: Final = 20
OTHER: Final = "(other)"
#: Maximum number of left-out metrics of a run that are counted.
COUNTED: Final = 10_000

_Record = TypeVar("_Record", bound=Record)


@dataclasses.dataclass
class Last:
    """The last value of a metric.

    Attributes:
        value: The value; NaN and ±inf are kept.
        step: The step of a series or the index of a list metric; ``None`` for simple metrics.
    """

    value: float
    step: float | None


class RunValues:
    """The last values of one run. Hooks write them, and the thread of a server reads them, each under ``lock``.

    Args:
        run: The run.

    Attributes:
        run: The run.
        identity: Its labels ``run`` and ``journal``.
        metrics: The last value of each metric, by kind (``series``, ``simple`` or ``list``) and name.
        tags: The values of the chosen tags, by label.
        records: Number of records, by kind.
        last_record: Time of the last record (ms); the start time if there is none.
        status: The run's status.
        ended: The run's end time (ms).
        lanes: The delivery of the run to all its backends.
        lock: Held while the attributes are read or written.
    """

    def __init__(self, run: RunInfo) -> None:
        self.run = run
        self.identity = identity(run)
        self.metrics: dict[tuple[str, str], Last] = {}
        self.tags: dict[str, str] = {}
        self.records = dict.fromkeys(NAMES, 0)
        self.last_record = run.created
        self.status = "running"
        self.ended: int | None = None
        self.lanes = Lanes(run)
        self.lock = threading.Lock()
        self._start = self.lanes.records()  # records of the journal when this courier opened the run
        self._shown: dict[str, int] = {}  # number of metrics that are shown, by hook
        self._next: dict[str, int] = {}  # the ordinal after the last record, by kind
        self._left_out: dict[str, set[str]] = {"metrics": set(), "tag values": set()}
        self._tag_values: dict[str, set[str]] = {}
        self._mentioned: set[str] = set()

    @property
    def caught_up(self) -> bool:
        """True if nothing is shown that is older than what an earlier courier may have shown."""
        return self.ended is not None or self._taken >= self._start

    @property
    def superseded(self) -> bool:
        """True if another courier has delivered more of this run, or ended it."""
        return self.lanes.is_ahead(self._taken, ended=self.ended is not None)

    def lane_counts(self) -> dict[str, LaneCounts]:
        """The delivery of the run to each of its backends, by name."""
        return self.lanes.counts(self._taken)

    @property
    def _taken(self) -> int:
        return sum(self.records.values())

    @property
    def left_out(self) -> dict[str, int]:
        """Number of different metrics and tag values that are not shown as they are, at most :data:`COUNTED`."""
        return {what: len(names) for what, names in self._left_out.items()}

    def log_metric(self, records: Sequence[Metric]) -> list[str]:
        """Take the points of series, and simple metrics."""
        said: list[str] = []
        with self.lock:
            for record in self._new("metric", records):
                kind = "simple" if record.step is None else "series"
                for name, value in record.numbers.items():
                    self._take("metric", kind, name, value, record.step, said)
        return said

    def log_list_metric(self, records: Sequence[ListMetric]) -> list[str]:
        """Take the last number of each list."""
        said: list[str] = []
        with self.lock:
            for record in self._new("list", records):
                if record.values:
                    step = record.index + len(record.values) - 1
                    self._take("list metric", "list", record.name, record.numbers[-1], step, said)
        return said

    def set_tags(self, records: Sequence[Tags]) -> list[str]:
        """Take the chosen tags as labels."""
        said: list[str] = []
        with self.lock:
            for record in self._new("tags", records):
                for key, value in record.values.items():
                    if key in self.run.options.tags:
                        self._label(key, value, said)
                    else:
                        self._mention("tags", "tags are shown only if the option tags names them", said)
        return said

    def count(self, kind: str, records: Sequence[Params | ArtifactRef | Lines]) -> list[str]:
        """Count records that Prometheus cannot hold."""
        said: list[str] = []
        with self.lock:
            for _ in self._new(kind, records):
                self._mention(kind, f"{NAMES[kind]} are counted, not kept: Prometheus holds numbers only", said)
        return said

    def end(self, status: Status, time: int) -> None:
        """End the run."""
        with self.lock:
            self.status, self.ended = status, time

    def _new(self, kind: str, records: Sequence[_Record]) -> list[_Record]:
        """Return the records that were not taken yet, and count them."""
        new = [record for record in records if record.ordinal >= self._next.get(kind, 0)]
        if new:
            self._next[kind] = new[-1].ordinal + 1
            self.records[kind] += len(new)
            self.last_record = max(self.last_record, new[-1].time)
        return new

    def _take(self, what: str, kind: str, name: str, value: float, step: int | None, said: list[str]) -> None:
        key = (kind, name)
        if key not in self.metrics:
            # Lists and other metrics come by different hooks, in no order; so each have a maximum of their own.
            if self._shown.get(what, 0) >= self.run.options.max_metrics:
                rest = f"{what}s beyond the first {self.run.options.max_metrics} (max_metrics) are counted, not shown"
                self._omit("metrics", f"{kind} {name}", rest, said)
                return
            self._shown[what] = self._shown.get(what, 0) + 1
        shown = as_double(value)
        if shown != value and value == value:
            self._mention(f"inexact {what}", f"{what} {name}: {_brief(value)} is no double, shown as {shown!r}", said)
        self.metrics[key] = Last(shown, None if step is None else float(step))

    def _label(self, key: str, value: str, said: list[str]) -> None:
        text = shortened(value)
        if text != value:
            long = f"tag {key}: values above {LONGEST} characters, or with NUL, are shortened"
            self._omit("tag values", f"{key} {text}", long, said)
        known = self._tag_values.setdefault(key, set())
        if text not in known and len(known) >= TAG_VALUES:
            rest = f"tag {key}: values beyond the first {TAG_VALUES} are counted, and shown as {OTHER}"
            self._omit("tag values", f"{key} {text}", rest, said)
            text = OTHER
        else:
            known.add(text)
        self.tags[label_of_tag(key)] = text

    def _omit(self, what: str, name: str, sentence: str, said: list[str]) -> None:
        names = self._left_out[what]
        if len(names) < COUNTED:
            names.add(name)
        self._mention(sentence, sentence, said)

    def _mention(self, subject: str, sentence: str, said: list[str]) -> None:
        """Say something once per subject. It depends on the journal alone, so it is the same after a restart."""
        if subject not in self._mentioned:
            self._mentioned.add(subject)
            said.append(sentence)


def as_double(value: float) -> float:
    """The double nearest to a number; ±inf beyond the largest."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _brief(value: float) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:20]}… ({len(text)} digits)"
