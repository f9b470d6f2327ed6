"""The values of one run: the last one of each metric, and how many there were of which size.

How often a batch is delivered, and where it is cut, changes nothing: records of a kind come in their order, and those
that were seen are skipped by their ordinal.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from multitrack.hookspecs import RunInfo
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Record, Status, Tags
from multitrack_prometheus.kept import Kept, Last, Observed, read_kept, write_kept
from multitrack_prometheus.labels import DEPLOYMENT, LONGEST, identity, label_of_tag, shortened
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


class RunValues:
    """The values of one run. Hooks write them, and the thread of a server reads them, each under ``lock``.

    Args:
        run: The run.

    Attributes:
        run: The run.
        identity: Its labels ``run`` and ``journal``.
        kept: What its records say.
        bounds: Bounds of the buckets of each metric that has some.
        status: The run's status.
        ended: The run's end time (ms).
        lanes: The delivery of the run to all its backends.
        lock: Held while the attributes are read or written.
    """

    def __init__(self, run: RunInfo) -> None:
        self.run = run
        self.identity = identity(run)
        self.status = "running"
        self.ended: int | None = None
        self.lanes = Lanes(run)
        self.lock = threading.Lock()
        self._start = self.lanes.lines()  # lines of the journal when this courier opened the run
        new = Kept(run.options, run.created, dict.fromkeys(NAMES, 0))
        self.kept = read_kept(run.directory, new, self._start)
        self.bounds: dict[str, list[float]] = run.options.bounds

    @property
    def caught_up(self) -> bool:
        """True if nothing is shown that is older than what an earlier courier may have shown."""
        return self.ended is not None or self.kept.position >= self._start

    @property
    def superseded(self) -> bool:
        """True if another courier has delivered more of this run, or ended it."""
        return self.lanes.is_ahead(self.kept.position, ended=self.ended is not None)

    def save(self, position: int) -> None:
        """Save what the records below ``position`` say, all of which were taken.

        Raises:
            OSError: The file cannot be written.
        """
        with self.lock:
            self.kept.position = position
            content = msgspec.msgpack.encode(self.kept)
        write_kept(self.run.directory, content)

    def lane_counts(self) -> dict[str, LaneCounts]:
        """The delivery of the run to each of its backends, by name."""
        return self.lanes.counts(self._taken)

    @property
    def _taken(self) -> int:
        return sum(self.kept.records.values())

    @property
    def observed(self) -> dict[tuple[str, str], Observed]:
        """All values of simple and list metrics, by kind and name, of those that are shown so.

        These are the metrics of a deployment, which are written again and again, and those that are named in the option
        ``histograms``. For a simple metric that a training writes once, the last value is enough.
        """
        deployed = bool(self.kept.tags.get(DEPLOYMENT))
        return {key: found for key, found in self.kept.observed.items() if deployed or key[1] in self.bounds}

    def log_metric(self, records: Sequence[Metric]) -> list[str]:
        """Take the points of series, and simple metrics."""
        said: list[str] = []
        with self.lock:
            for record in self._new("metric", records):
                kind = "simple" if record.step is None else "series"
                for name, value in record.numbers.items():
                    self._take("metric", kind, name, value, record.step, said)
                    if record.step is None:
                        self._observe(kind, name, (value,), said)
        return said

    def log_list_metric(self, records: Sequence[ListMetric]) -> list[str]:
        """Take the last number of each list."""
        said: list[str] = []
        with self.lock:
            for record in self._new("list", records):
                if record.values:
                    step = record.index + len(record.values) - 1
                    self._take("list metric", "list", record.name, record.numbers[-1], step, said)
                    self._observe("list", record.name, record.numbers, said)
        return said

    def set_tags(self, records: Sequence[Tags]) -> list[str]:
        """Take the chosen tags as labels."""
        said: list[str] = []
        with self.lock:
            for record in self._new("tags", records):
                for key, value in record.values.items():
                    if key in self.run.options.labelled:
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
        new = [record for record in records if record.ordinal >= self.kept.following.get(kind, 0)]
        if new:
            self.kept.following[kind] = new[-1].ordinal + 1
            self.kept.records[kind] += len(new)
            self.kept.last_record = max(self.kept.last_record, new[-1].time)
        return new

    def _take(self, what: str, kind: str, name: str, value: float, step: int | None, said: list[str]) -> None:
        key = (kind, name)
        kept = self.kept
        if key not in kept.metrics:
            # Lists and other metrics come by different hooks, in no order; so each have a maximum of their own.
            if kept.shown.get(what, 0) >= self.run.options.max_metrics:
                rest = f"{what}s beyond the first {self.run.options.max_metrics} (max_metrics) are counted, not shown"
                self._omit("metrics", f"{kind} {name}", rest, said)
                return
            kept.shown[what] = kept.shown.get(what, 0) + 1
        shown = as_double(value)
        if shown != value and value == value:
            self._mention(f"inexact {what}", f"{what} {name}: {_brief(value)} is no double, shown as {shown!r}", said)
        kept.metrics[key] = Last(shown, None if step is None else float(step))

    def _observe(self, kind: str, name: str, values: Sequence[float], said: list[str]) -> None:
        key = (kind, name)
        if key not in self.kept.metrics:  # beyond max_metrics
            return
        bounds = self.bounds.get(name, ())
        found = self.kept.observed.get(key)
        if found is None:
            found = self.kept.observed[key] = Observed([0] * (len(bounds) + 1))
        for value in values:
            found.add(as_double(value), bounds)
        if found.negative:
            sentence = f"{kind} metric {name}: values below 0 are counted without a sum, which has to grow"
            self._mention(f"negative {kind} {name}", sentence, said)

    def _label(self, key: str, value: str, said: list[str]) -> None:
        text = shortened(value)
        if text != value:
            long = f"tag {key}: values above {LONGEST} characters, or with NUL, are shortened"
            self._omit("tag values", f"{key} {text}", long, said)
        known = self.kept.tag_values.setdefault(key, set())
        if text not in known and len(known) >= TAG_VALUES:
            rest = f"tag {key}: values beyond the first {TAG_VALUES} are counted, and shown as {OTHER}"
            self._omit("tag values", f"{key} {text}", rest, said)
            text = OTHER
        else:
            known.add(text)
        self.kept.tags[label_of_tag(key)] = text

    def _omit(self, what: str, name: str, sentence: str, said: list[str]) -> None:
        names = self.kept.left_out[what]
        if len(names) < COUNTED:
            names.add(name)
        self._mention(sentence, sentence, said)

    def _mention(self, subject: str, sentence: str, said: list[str]) -> None:
        """Say something once per subject. It depends on the journal alone, so it is the same after a restart."""
        if subject not in self.kept.mentioned:
            self.kept.mentioned.add(subject)
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
