"""Figures of the values of a window of time, as compaction keeps them, and statistics of several such windows.

Counts, sums and extremes are exact. So is everything of a metric with few different values in a window, such as a score
of 0 or 1. Percentiles of other metrics come from a DDSketch, which are within 1 % of the value at that rank
(Masson, Rim, Lee: *DDSketch*, VLDB 2019). Bins of several windows add up to the bins of all their values, so the result
does not depend on how the values were cut into windows.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, cast

from multitrack._hints import to_install
from multitrack.errors import ConfigError
from multitrack.records import Digest, number_of, number_to_json
from multitrack.summaries.doubles import Number, as_double, finite, total

if TYPE_CHECKING:
    from ddsketch.ddsketch import BaseDDSketch
    from ddsketch.mapping import LogarithmicMapping

#: Length of a window in milliseconds; windows begin at multiples of it.
WINDOW: Final = 300_000
#: Maximum number of different values in a window that are kept as they are.
EXACT: Final = 32
#: Largest relative error of a percentile.
ACCURACY: Final = 0.01


def mapping() -> LogarithmicMapping:
    """The bins of the sketches.

    Raises:
        ConfigError: If ddsketch is not installed.
    """
    try:
        from ddsketch.mapping import LogarithmicMapping  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError(f"compacted runs need ddsketch: {to_install('compact')}") from None
    return LogarithmicMapping(ACCURACY)


def digest_of(values: Sequence[Number | str], bins: LogarithmicMapping) -> Digest:
    """Return the figures of some values.

    Args:
        values: The values in the journal's form, at least one, in order.
        bins: The :func:`mapping`.

    Raises:
        ValueError: If a text is no number.
    """
    last = values[-1] if isinstance(values[-1], str) else number_to_json(values[-1])
    known = _finite(values)
    if not known:
        return Digest(len(values), last, broken=len(values))
    counts = Counter(known)
    digest = Digest(
        len(values), last, len(values) - len(known), number_to_json(_sum(known)), min(counts), max(counts),
        values=sorted(counts.items()) if len(counts) <= EXACT else None,
    )  # fmt: skip
    if digest.values is not None:
        return digest
    positive, negative = _binned(counts, bins)
    return Digest(
        digest.count, last, digest.broken, digest.sum, digest.min, digest.max, None,
        dict(sorted(positive.items())), dict(sorted(negative.items())),
    )  # fmt: skip


def _finite(values: Sequence[Number | str]) -> Sequence[float]:
    """The finite ones of some values, as doubles."""
    try:
        doubles = array("d", cast("Sequence[float]", values))
        if math.isfinite(sum(doubles)):
            return doubles
    except (TypeError, OverflowError):  # a text such as NaN, or an integer beyond the doubles
        doubles = array("d", (as_double(number_of(value)) for value in values))
    return finite(doubles)


def _sum(numbers: Sequence[Number]) -> Number:
    try:
        return math.fsum(numbers)
    except OverflowError:
        return total(numbers)


def _binned(counts: Counter[float], bins: LogarithmicMapping) -> tuple[Counter[int], Counter[int]]:
    """Put values into bins; those that the sketch cannot tell from zero are in none."""
    found = []
    for sign in (1, -1):
        chosen = [value for value in counts if sign * value > bins.min_possible]
        keys = map(bins.key, [min(sign * value, bins.max_possible) for value in chosen])
        if counts.total() == len(counts):  # all are different, as most measurements are
            found.append(Counter(keys))
        else:
            binned: Counter[int] = Counter()
            for key, value in zip(keys, chosen, strict=True):
                binned[key] += counts[value]
            found.append(binned)
    return found[0], found[1]


class Merged:
    """The figures of several windows, and of plain values, together.

    Attributes:
        count: Number of all values.
        finite: Number of finite values.
        min: The smallest finite value; infinite if there is none.
        max: The largest.
    """

    def __init__(self) -> None:
        self.count = self.finite = 0
        self.min, self.max = math.inf, -math.inf
        self._sums: list[Number] = []
        self._values: Counter[float] = Counter()
        self._positive: Counter[int] = Counter()
        self._negative: Counter[int] = Counter()
        self._near_zero = 0
        self._sketch: BaseDDSketch | None = None

    def add(self, digest: Digest) -> None:
        """Add the figures of a window."""
        self.count += digest.count
        self._sketch = None
        known = digest.count - digest.broken
        if digest.min is None or digest.max is None or known <= 0:
            return
        self.finite += known
        self._sums.append(number_of(digest.sum))
        self.min, self.max = min(self.min, digest.min), max(self.max, digest.max)
        if digest.values is not None:
            self._values.update(dict(digest.values))
        else:
            self._positive.update(digest.bins)
            self._negative.update(digest.negative)
            self._near_zero += known - sum(digest.bins.values()) - sum(digest.negative.values())

    def add_values(self, values: Iterable[float]) -> None:
        """Add plain values."""
        plain = list(values)
        known = finite(plain)
        self.count += len(plain)
        self._sketch = None
        if known:
            self.finite += len(known)
            self._sums.append(_sum(known))
            self.min, self.max = min(self.min, min(known)), max(self.max, max(known))
            self._values.update(known)

    def mean(self) -> float:
        """The mean of the finite values; there must be one."""
        return total(self._sums) / self.finite

    def percentile(self, percent: float) -> float:
        """A percentile of the finite values; there must be one.

        It is exact, as numpy's, if the windows have few different values, and otherwise within 1 % of the value at its
        rank.
        """
        if not self._positive and not self._negative and not self._near_zero:
            return _weighted(sorted(self._values.items()), self.finite, percent)
        if self._sketch is None:
            self._sketch = self._joined()
        found = self._sketch.get_quantile_value(percent / 100)
        return min(max(float(found or 0.0), self.min), self.max)

    def _joined(self) -> BaseDDSketch:
        """The sketch of all values."""
        bins = mapping()
        from ddsketch.ddsketch import BaseDDSketch  # noqa: PLC0415 - an extra, which the mapping has found
        from ddsketch.store import DenseStore  # noqa: PLC0415

        positive, negative = _binned(self._values, bins)
        positive.update(self._positive)
        negative.update(self._negative)
        stores = DenseStore(), DenseStore()
        for store, counts in zip(stores, (positive, negative), strict=True):
            for key, count in sorted(counts.items()):
                store.add(key, count)
        zeros = self.finite - positive.total() - negative.total()
        return BaseDDSketch(bins, *stores, zeros)


def _weighted(values: Sequence[tuple[float, int]], count: int, percent: float) -> float:
    """A percentile of sorted values with their numbers, between two of them by linear interpolation."""
    place = (count - 1) * percent / 100
    low = high = values[-1][0]
    passed = 0
    for value, many in values:
        if passed <= math.floor(place) < passed + many:
            low = value
        passed += many
        if math.ceil(place) < passed:
            high = value
            break
    part = place - math.floor(place)
    return low if low == high else low * (1 - part) + high * part
