"""Compare the metrics of a reproduction with those of the original, metric by metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec

from multitrack.summaries.statistics import Statistics
from multitrack.summaries.summary import Summary

#: Default of the relative tolerance.
TOLERANCE: Final = 1e-6
#: Metrics that multitrack's Keras callback measures with a clock, and every metric below these groups. They differ each
#: time.
TIMINGS: Final = ("epoch_seconds", "steps_per_second", "samples_per_second")
TIMING_GROUPS: Final = ("system",)

Kind = Literal["simple", "series", "list"]
Verdict = Literal["reproduced", "differs", "missing", "new", "not compared"]


class Compared(msgspec.Struct, frozen=True):
    """One number of a metric in both runs.

    Attributes:
        what: ``value`` of a simple metric; ``points``, ``last``, ``min`` or ``max`` of a series or list.
        original: The number in the original; None if it has none.
        reproduced: The number in the reproduction; None if it has none.
        difference: The difference relative to the larger of both; None if one is missing.
    """

    what: str
    original: float | None
    reproduced: float | None
    difference: float | None


class MetricOutcome(msgspec.Struct, frozen=True):
    """A metric of the original, and whether it was reproduced.

    Attributes:
        name: The metric.
        kind: ``simple``, ``series`` or ``list``.
        verdict: ``reproduced``: all numbers are equal within the tolerance; ``differs``; ``missing``: the reproduction
            does not have it; ``new``: only the reproduction has it; ``not compared``: it is a timing, or was not asked
            for.
        values: The numbers.
    """

    name: str
    kind: Kind
    verdict: Verdict
    values: list[Compared] = []

    @property
    def decisive(self) -> Compared | None:
        """The number with the largest difference, of equal ones the last value; None if there are no numbers."""
        order = ("points", "min", "max", "last", "value")
        return max(
            self.values, default=None,
            key=lambda one: (math.inf if one.difference is None else one.difference, order.index(one.what)),
        )  # fmt: skip


def compare_metrics(
    original: Summary, reproduced: Summary, *, tolerance: float = TOLERANCE, patterns: Sequence[str] = ()
) -> list[MetricOutcome]:
    """Compare all metrics of two runs.

    Args:
        original: The original run.
        reproduced: The reproduction.
        tolerance: Largest difference of equal numbers, relative to the larger of both.
        patterns: Names or shell patterns of the metrics to compare; default: all but timings.
    """
    was, now = _numbers(original), _numbers(reproduced)
    outcomes = []
    for kind, name in [*was, *(key for key in now if key not in was)]:
        values = _compared(was.get((kind, name), {}), now.get((kind, name), {}))
        verdict: Verdict = "reproduced"
        if not _is_compared(name, patterns):
            verdict = "not compared"
        elif (kind, name) not in now:
            verdict = "missing"
        elif (kind, name) not in was:
            verdict = "new"
        elif not all(_is_equal(one, tolerance) for one in values):
            verdict = "differs"
        outcomes.append(MetricOutcome(name, kind, verdict, values))
    return outcomes


def is_reproduced(outcomes: Sequence[MetricOutcome]) -> bool:
    """Return True if metrics of the original were compared, and all of them were reproduced."""
    verdicts = {outcome.verdict for outcome in outcomes} - {"not compared", "new"}
    return verdicts == {"reproduced"}


def is_any_named(summary: Summary, patterns: Sequence[str]) -> bool:
    """Return True if a metric of a run has one of these names, or matches one of these patterns."""
    return any(_is_compared(name, patterns) for name in summary.metrics)


def _is_equal(one: Compared, tolerance: float) -> bool:
    return one.difference is not None and one.difference <= (0 if one.what == "points" else tolerance)


def _is_compared(name: str, patterns: Sequence[str]) -> bool:
    if patterns:
        return any(fnmatchcase(name, pattern) for pattern in patterns)
    group, slash, _ = name.partition("/")
    return name.rpartition("/")[2] not in TIMINGS and not (slash and group in TIMING_GROUPS)


def _numbers(summary: Summary) -> dict[tuple[Kind, str], dict[str, float | None]]:
    """The numbers that are compared, of each metric."""
    found: dict[tuple[Kind, str], dict[str, float | None]] = {}
    for name, statistics in summary.series.items():
        found["series", name] = _of_many(statistics)
    for name, statistics in summary.lists.items():
        found["list", name] = _of_many(statistics)
    for name, value in summary.simple.items():
        found["simple", name] = {"value": value}
    return found


def _of_many(statistics: Statistics) -> dict[str, float | None]:
    """The best value is the smallest or the largest one; the direction is not known, so both are compared."""
    return {"points": statistics.count, "last": statistics.last, "min": statistics.min, "max": statistics.max}


def _compared(was: dict[str, float | None], now: dict[str, float | None]) -> list[Compared]:
    return [
        Compared(what, was.get(what), now.get(what), _difference(was.get(what), now.get(what))) for what in was | now
    ]


def _difference(a: float | None, b: float | None) -> float | None:
    """The difference relative to the larger number; 0 for equal ones, also for two NaN; None if one is missing."""
    if a is None or b is None:
        return 0.0 if a is b else None
    if a == b or (a != a and b != b):
        return 0.0
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    return float(abs(a - b) / max(abs(a), abs(b)))
