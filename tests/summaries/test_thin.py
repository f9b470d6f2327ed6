"""Thinning keeps what a graph shows: ends, extremes, gaps, order; whatever the points are and however they came."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multitrack.summaries.downsample import Thinned, Thinner

numbers = st.one_of(
    st.floats(),
    st.floats(-1, 1),
    st.integers(-5, 5),
    st.sampled_from([math.nan, math.inf, -math.inf, 10**400, -(10**400), 1e308]),
)
series = st.lists(numbers, max_size=400)


def thin(values: list[float], points: int, pieces: list[int] | None = None) -> Thinned:
    thinner = Thinner(points)
    start = 0
    for size in [*(pieces or []), len(values)]:
        part = range(start, min(start + size, len(values)))
        thinner.extend([10 * i for i in part], [1000 + i for i in part], [values[i] for i in part])
        start = part.stop
    return thinner.thinned()


def is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


@settings(max_examples=60, deadline=None)
@given(series, st.integers(10, 60))
def test_what_is_kept_is_a_part_of_the_series_with_its_ends_extremes_and_gaps(values: list[float], points: int) -> None:
    thinned = thin(values, points)
    assert thinned.count == len(values)
    curve = thinned.curve
    assert len(curve.values) <= points
    kept = [step // 10 for step in curve.steps]
    assert kept == sorted(set(kept))
    assert curve.times == [1000 + index for index in kept]
    assert [repr(value) for value in curve.values] == [repr(values[index]) for index in kept]
    if len(values) <= points:
        assert kept == list(range(len(values)))
        return
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    finite = [value for value in values if is_finite(value)]
    if finite:
        left = [value for value in curve.values if is_finite(value)]
        assert (min(left), max(left)) == (min(finite), max(finite))
    if len(finite) < len(values):
        assert not all(map(is_finite, curve.values))


@settings(max_examples=60, deadline=None)
@given(series, st.lists(st.integers(0, 150), max_size=6))
def test_what_is_kept_does_not_depend_on_how_the_points_came(values: list[float], pieces: list[int]) -> None:
    whole, pieced = thin(values, 20), thin(values, 20, pieces)
    assert repr((pieced.count, pieced.curve)) == repr((whole.count, whole.curve))
    if whole.means is not None and pieced.means is not None:
        assert pieced.means.steps == whole.means.steps


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=201, max_size=900))
def test_the_means_are_those_of_equal_stretches(values: list[float]) -> None:
    means = thin(values, 100).means
    assert means is not None
    length = next(2**k for k in range(20) if len(values) // 2**k < 20)
    stretches = [values[i : i + length] for i in range(0, len(values), length)]
    assert means.values == pytest.approx([sum(stretch) / len(stretch) for stretch in stretches])
    assert means.counts == [len(stretch) for stretch in stretches]
    assert [step // 10 for step in means.steps] == [
        min((i + 1) * length, len(values)) - 1 for i in range(len(stretches))
    ]


def test_memory_is_that_of_what_is_kept() -> None:
    thinner = Thinner(1000)
    for start in range(0, 1_000_000, 1000):
        part = range(start, start + 1000)
        thinner.extend(part, part, [i * 7919 % 1009 for i in part])
    assert len(thinner._stretches) < 200
    assert len(thinner._values) < 8192 + 1000
    assert 400 <= len(thinner.thinned().curve.values) <= 1000


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ValueError, match="10 or more, got 9"):
        Thinner(9)
