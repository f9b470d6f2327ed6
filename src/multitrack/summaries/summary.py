"""What a run holds, in a few kilobytes: all but the points of its series, the numbers of its lists and its lines.

One pass over the journal makes it, in flat memory however long the series are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from multitrack.journal.cursor import Cursor
from multitrack.records import (
    DATA,
    KERAS,
    ArtifactRef,
    Lines,
    ListMetric,
    Lost,
    Metric,
    Mistake,
    Params,
    Status,
    Tags,
    Trained,
    typed_params,
)
from multitrack.summaries.doubles import as_double, finite, total

Reduction = Literal["last", "first", "min", "max", "mean", "median", "count", "best"]
REDUCTIONS: Final = ("last", "first", "min", "max", "mean", "median", "count", "best")

#: Numbers of a series that its median is taken of, at least half of it; a longer one is thinned evenly.
KEPT: Final = 1 << 16
#: Numbers gathered before they are counted, so that Python's own loops do it.
_STRETCH: Final = 4096


class Statistics(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a series or a list comes down to, in the order it was logged.

    ``count``, ``first`` and ``last`` are of all numbers; ``min``, ``max``, ``mean`` and ``median`` of those that are
    finite doubles, and ``None`` where there is none. The median of more than 65,536 numbers is that of an even choice
    of them.
    """

    count: int
    first: int | float
    last: int | float
    min: int | float | None
    max: int | float | None
    mean: float | None
    median: float | None

    def reduce(self, name: str, best: Literal["min", "max"] | None = None) -> int | float | None:
        """One of them by its name.

        Args:
            name: One of :data:`REDUCTIONS`.
            best: Which of them ``best`` is.

        Raises:
            ValueError: There is no such reduction, or ``best`` without saying which that is.
        """
        if name == "best":
            if best is None:
                raise ValueError("which value is the best one, min or max?")
            name = best
        if name not in REDUCTIONS:
            raise ValueError(f"no reduction {name!r}; there are {', '.join(REDUCTIONS)}")
        value: int | float | None = getattr(self, name)
        return value


class Summary(msgspec.Struct, frozen=True, gc=False):
    """What a run is and holds, without the points of its series.

    Attributes:
        status: ``running``, ``finished``, ``failed`` or ``killed``.
        ended: When it ended (ms), or when its last record was written.
        params: Typed, flat.
        sources: Where each param came from.
        objects: The types of those params that were objects, and are told by texts.
        simple: Simple metrics: their last value.
        series: What each series comes down to.
        lists: What each list metric comes down to.
        tags: The last value each.
        artifacts: The references; of several under one name, the last.
        lines: How many log lines.
        records: How many data records.
        mistakes: Wrong calls set aside.
        lost: Records that the machine did not take (a full disk).
        damaged: Journal lines that are no records.
        redacted: Values that were redacted before they reached the journal; a run adds its manifest's.
        skipped_epochs: Epochs that were trained a second time and not recorded again.
        skipped_batches: The same of points of batches.
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

    @property
    def metrics(self) -> dict[str, int | float]:
        """Simple metrics; and the last number of each series and list that no simple metric shares its name with."""
        last = {name: found.last for name, found in (*self.series.items(), *self.lists.items())}
        return {**last, **self.simple}

    @property
    def given(self) -> dict[str, Any]:
        """The params but those that the Keras callback and the tuners read off, which follow from the rest."""
        return {name: value for name, value in self.params.items() if self.sources.get(name) != KERAS}

    @property
    def lengths(self) -> dict[str, int]:
        """Points of each series, numbers of each list metric."""
        return {name: found.count for name, found in (*self.series.items(), *self.lists.items())}

    @classmethod
    def of(cls, directory: Path) -> Summary:
        """Read the journal of the run in ``directory`` once."""
        return cls.with_rest(directory)[0]

    @classmethod
    def with_rest(cls, directory: Path) -> tuple[Summary, bool]:
        """The same, and whether nobody writes the run any more, so that it stays as it is until it is resumed."""
        return _read(directory)


class Tally:
    """Counts the numbers of one series."""

    def __init__(self) -> None:
        self.waiting: list[int | float] = []
        self._count = self._finite = 0
        self._first: int | float = 0
        self._last: int | float = 0
        self._min: int | float | None = None
        self._max: int | float | None = None
        self._sum: int | float = 0.0
        self._even: list[int | float] = []  # every n-th finite number
        self._stride = 1

    def count(self) -> None:
        """Take in what is waiting."""
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        if not self._count:
            self._first = waiting[0]
        self._last = waiting[-1]
        self._count += len(waiting)
        known = finite(waiting)
        if not known:
            return
        least, most = min(known), max(known)
        self._min = least if self._min is None else min(least, self._min)
        self._max = most if self._max is None else max(most, self._max)
        self._sum = total((self._sum, total(known)))
        self._even += known[-self._finite % self._stride :: self._stride]
        self._finite += len(known)
        while len(self._even) > KEPT:
            self._even = self._even[::2]
            self._stride *= 2

    def result(self) -> Statistics:
        """What came out."""
        self.count()
        mean = median = None
        if self._finite:
            mean, median = self._sum / self._finite, _median(self._even)
        return Statistics(self._count, self._first, self._last, self._min, self._max, mean, median)


def _median(numbers: list[int | float]) -> float:
    ordered = sorted(numbers)
    low, high = map(as_double, (ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]))
    return low if low == high else low / 2 + high / 2


def _read(directory: Path) -> tuple[Summary, bool]:
    params: dict[str, Any] = {}
    sources: dict[str, str] = {}
    objects: dict[str, str] = {}
    simple: dict[str, int | float] = {}
    series: dict[str, Tally] = {}
    lists: dict[str, Tally] = {}
    tags: dict[str, str] = {}
    artifacts: dict[str, ArtifactRef] = {}
    lines = records = mistakes = redacted = skipped_epochs = skipped_batches = 0
    lost: dict[int, int] = {}
    cursor = Cursor(directory, resolved=False)
    while stretch := cursor.read():
        for record in stretch:
            if isinstance(record, Metric) and record.step is not None:  # nearly all are
                records += 1
                for name, value in record.numbers.items():
                    tally = series.get(name)
                    if tally is None:
                        tally = series[name] = Tally()
                    tally.waiting.append(value)
                    if len(tally.waiting) >= _STRETCH:
                        tally.count()
                continue
            records += isinstance(record, DATA)
            redacted += getattr(record, "redacted", 0)
            if isinstance(record, Metric):
                simple.update(record.numbers)
            elif isinstance(record, Params):
                params.update(typed_params(record))
                sources.update(dict.fromkeys(record.values, record.source))
                objects.update({name: kept.type for name, kept in record.objects.items()})
            elif isinstance(record, ListMetric):
                tally = lists.setdefault(record.name, Tally())
                tally.waiting += record.numbers
                tally.count()
            elif isinstance(record, Tags):
                tags.update(record.values)
            elif isinstance(record, ArtifactRef):
                artifacts[record.name] = record
            elif isinstance(record, Lines):
                lines += len(record.lines)
            elif isinstance(record, Mistake):
                mistakes += 1
            elif isinstance(record, Trained):
                skipped_epochs += record.skipped_epochs
                skipped_batches += record.skipped_batches
            elif isinstance(record, Lost):
                lost[cursor.segment] = record.total
    try:
        at_rest = cursor.at_end()
    except FileNotFoundError:  # no segment yet
        at_rest = False
    status: Status = "running"
    if cursor.ended is not None:
        status = cursor.ended.status
    elif at_rest:
        status = "killed"  # nobody writes it any more, and it never said that it ended
    summary = Summary(
        status=status, ended=cursor.ended.time if cursor.ended is not None else cursor.last_time, params=params,
        sources=sources, objects=objects, simple=simple,
        series={name: tally.result() for name, tally in series.items()},
        lists={name: tally.result() for name, tally in lists.items()}, tags=tags,
        artifacts=list(artifacts.values()), lines=lines, records=records, mistakes=mistakes,
        lost=sum(lost.values()), damaged=len(cursor.damaged), redacted=redacted,
        skipped_epochs=skipped_epochs, skipped_batches=skipped_batches,
    )  # fmt: skip
    return summary, at_rest
