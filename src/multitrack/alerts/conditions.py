"""Evaluate the condition of a rule in one group, record by record, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from multitrack.alerts.rules import Compared, FarFromBest, NotFinite, Rule, Silence
from multitrack.alerts.windows import Window
from multitrack.query.columns import Column
from multitrack.query.literals import compares
from multitrack.records import ListMetric, Metric, Record
from multitrack.summaries.doubles import is_finite

Number = int | float


class Outcome(NamedTuple):
    """Whether a condition holds from a time on, and the value that decided it."""

    holds: bool
    time: int
    value: Number | None = None


class Condition(Protocol):
    """The condition of one rule in one group of runs."""

    def feed(self, time: int, record: Record) -> Iterator[Outcome]:
        """Yield an outcome for each value of the record that concerns the condition."""

    def pass_time(self, now: int) -> Outcome | None:
        """Return the outcome if the condition changes because no record came until ``now``."""

    def spent(self, now: int) -> bool:
        """Return True if the condition remembers nothing that matters any more."""


def condition_of(rule: Rule) -> Condition:
    """Create the condition of a rule for one group."""
    match rule.test:
        case Compared():
            return _Comparison(rule.test)
        case FarFromBest():
            return _Best(rule.test)
        case NotFinite():
            return _Finite(rule.test)
        case Silence():
            return _Silent(rule.test)


def values_of(metric: Column | None, record: Record) -> Iterator[tuple[str, Number]]:
    """Yield the numbers that a record has of a metric, or of all metrics and lists, each with its name."""
    if type(record) is Metric:
        if metric is None:
            yield from record.numbers.items()
        elif metric.group == "metrics" and metric.name in record.values:
            yield metric.name, record.numbers[metric.name]
    elif type(record) is ListMetric and (metric is None or (metric.group, metric.name) == ("lists", record.name)):
        for number in record.numbers:
            yield record.name, number


class _Metric:
    """What the conditions on metrics have in common: time alone changes nothing."""

    def pass_time(self, now: int) -> Outcome | None:  # noqa: ARG002 - the protocol's
        return None

    def spent(self, now: int) -> bool:  # noqa: ARG002 - the protocol's
        return False


class _Comparison(_Metric):
    def __init__(self, test: Compared) -> None:
        self._test = test
        self._window = None if test.window is None else Window(test.window, test.metric.reduction or "last")
        self._false = 0  # comparisons in a row

    def feed(self, time: int, record: Record) -> Iterator[Outcome]:
        test, window = self._test, self._window
        for _, value in values_of(test.metric, record):
            reduced = value if window is None else window.add(time, value)
            if window is not None and len(window) < test.least:
                self._false = 0
                continue  # too few to say anything: the alert stays as it is
            holds = reduced is not None and compares(test.sign, reduced, test.number)
            self._false = 0 if holds else self._false + 1
            # Near the number, each value might resolve the alert and fire it again.
            if holds or self._false >= test.least:
                yield Outcome(holds, time, reduced)

    def spent(self, now: int) -> bool:
        return self._window is None or self._window.newest + (self._test.window or 0) < now


class _Best(_Metric):
    def __init__(self, test: FarFromBest) -> None:
        self._test = test
        self._lowest = test.sign.startswith(">")
        self._best: Number | None = None

    def feed(self, time: int, record: Record) -> Iterator[Outcome]:
        test = self._test
        for _, value in values_of(test.metric, record):
            best = self._best
            # A factor of zero or of a negative number says nothing about far and near.
            far = best is not None and best > 0 and compares(test.sign, value, _times(test.factor, best))
            if is_finite(value) and (best is None or (value < best if self._lowest else value > best)):
                self._best = value
            yield Outcome(far, time, value)


def _times(factor: Number, best: Number) -> Number:
    try:
        return factor * best
    except OverflowError:  # an integer beyond the doubles
        return math.inf


class _Finite(_Metric):
    def __init__(self, test: NotFinite) -> None:
        self._test = test
        self._broken: set[str] = set()

    def feed(self, time: int, record: Record) -> Iterator[Outcome]:
        values = list(values_of(self._test.metric, record))
        if not values:
            return
        broken = {name: value for name, value in values if isinstance(value, float) and not math.isfinite(value)}
        self._broken.difference_update(name for name, _ in values)
        self._broken.update(broken)
        yield Outcome(bool(self._broken), time, next(iter(broken.values()), values[-1][1]))

    def spent(self, now: int) -> bool:  # noqa: ARG002 - the protocol's
        return not self._broken


class _Silent:
    def __init__(self, test: Silence) -> None:
        self._limit = test.limit
        self._newest: int | None = None
        self._silent = False

    def feed(self, time: int, record: Record) -> Iterator[Outcome]:  # noqa: ARG002 - any record breaks the silence
        if (outcome := self.pass_time(time)) is not None:
            yield outcome  # even if nobody looked in the meantime, it is an alert
        self._newest, self._silent = max(time, self._newest or 0), False
        yield Outcome(holds=False, time=time)

    def pass_time(self, now: int) -> Outcome | None:
        if self._newest is None or self._silent or now - self._newest <= self._limit:
            return None
        self._silent = True
        return Outcome(holds=True, time=self._newest + self._limit)

    def spent(self, now: int) -> bool:  # noqa: ARG002 - the protocol's
        return False
