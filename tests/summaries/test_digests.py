"""Figures of windows: exact, or within 1 %, for any numbers, however they were cut into windows."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multitrack.records import number_of, number_to_json
from multitrack.summaries.digests import ACCURACY, EXACT, Merged, digest_of, mapping

NUMBERS = st.one_of(
    st.floats(),
    st.integers(-(10**400), 10**400),
    st.integers(-3, 3),
    st.floats(1e-4, 1e2),
    st.sampled_from([math.inf, -math.inf, math.nan, 1e308, -1e308, 5e-324, 2**53 + 1]),
)
FINITE = st.one_of(st.floats(1e-9, 1e9), st.floats(-1e9, -1e-9), st.integers(-1000, 1000).map(float))


def doubles(values: list[float]) -> list[float]:
    return [value for value in map(as_double, values) if math.isfinite(value)]


def as_double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def merged(windows: list[list[float]]) -> Merged:
    found = Merged()
    for values in windows:
        if values:
            found.add(digest_of([number_to_json(value) for value in values], mapping()))
    return found


@given(st.lists(NUMBERS, min_size=1, max_size=120))
def test_figures_of_any_numbers(values: list[float]) -> None:
    digest = digest_of([number_to_json(value) for value in values], mapping())
    known = doubles(values)
    assert (digest.count, digest.broken) == (len(values), len(values) - len(known))
    assert digest.last == number_to_json(values[-1])
    if known:
        assert (digest.min, digest.max) == (min(known), max(known))
        exact = sum(map(Fraction, known))
        assert abs(Fraction(number_of(digest.sum)) - exact) <= abs(exact) / 2**50 + Fraction(5e-324)
        assert (digest.values is not None) == (len(set(known)) <= EXACT)
    else:
        assert (digest.min, digest.max, digest.values) == (None, None, None)


@given(st.lists(st.integers(-2, 5).map(float), min_size=1, max_size=200), st.floats(0, 100))
def test_percentiles_of_few_values_are_exact(values: list[float], percent: float) -> None:
    found = merged([values[:50], values[50:]])
    assert found.percentile(percent) == pytest.approx(np.percentile(values, percent), abs=1e-9)
    assert found.mean() == pytest.approx(np.mean(values))


@given(st.lists(FINITE, min_size=EXACT + 1, max_size=300), st.lists(st.integers(0, 300), max_size=4), st.floats(0, 100))
def test_percentiles_of_many_values(values: list[float], cuts: list[int], percent: float) -> None:
    ends = [0, *sorted(cuts), len(values)]
    found = merged([values[start:end] for start, end in pairwise(ends)])
    ordered = sorted(values)
    rank = (len(values) - 1) * percent / 100
    low, high = ordered[math.floor(rank)], ordered[math.ceil(rank)]
    slack = ACCURACY * max(abs(low), abs(high)) + 1e-12
    assert low - slack <= found.percentile(percent) <= high + slack
    assert found.mean() == pytest.approx(math.fsum(values) / len(values), abs=1e-6)
    assert (found.count, found.min, found.max) == (len(values), ordered[0], ordered[-1])


def test_windows_and_plain_values_together() -> None:
    found = merged([[float(value) for value in range(100)]])
    found.add_values([1000.0, math.nan, math.inf])
    assert (found.count, found.finite, found.min, found.max) == (103, 101, 0.0, 1000.0)
    assert found.mean() == pytest.approx((99 * 50 + 1000) / 101)
    assert found.percentile(100) == 1000.0
    assert found.percentile(50) == pytest.approx(50, rel=ACCURACY)


def test_values_at_the_ends_of_the_doubles() -> None:
    ends = [1.7e308 + i * 1e305 for i in range(40)] + [-1.7e308 - i * 1e305 for i in range(40)]
    found = merged([[*ends, 0.0, 5e-324, *(i * 1e-3 for i in range(40))]])
    assert found.percentile(100) == max(ends)
    assert found.percentile(0) == min(ends)
    assert found.percentile(34) == 0.0
    assert math.isfinite(found.mean())
