"""Windows: which values are in them, and that their reductions are those of a plain computation."""

import math
import statistics
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multitrack.alerts import windows
from multitrack.alerts.windows import Window

NUMBERS = st.one_of(
    st.floats(), st.integers(-(2**70), 2**70), st.sampled_from([0, 1, 2, 0.5, -0.0, 1e308, 5e-324, 10**400])
)


def plain(values: list[float], reduction: str) -> float | None:
    if reduction in ("first", "last", "count"):
        return {"first": values[0], "last": values[-1], "count": len(values)}[reduction]
    finite = [value for value in values if abs(value) < 2**1023 * 2 - 1 and math.isfinite(value)]
    if not finite:
        return None
    if reduction == "mean":
        return float(sum(map(Fraction, finite)) / len(finite))
    if reduction == "median":
        low, high = statistics.median_low(finite), statistics.median_high(finite)
        return float(low) if low == high else float(low) / 2 + float(high) / 2
    return min(finite) if reduction == "min" else max(finite)


@pytest.mark.parametrize("reduction", ["mean", "median", "min", "max", "first", "last", "count"])
@given(st.lists(st.tuples(st.integers(0, 40), NUMBERS), min_size=1, max_size=40), st.integers(1, 60))
def test_a_window_is_the_plain_computation(reduction: str, steps: list[tuple[int, float]], length: int) -> None:
    window = Window(length, reduction)
    now, seen = 0, []
    for gap, value in steps:
        now += gap
        seen.append((now, value))
        inside = [one for time, one in seen if time > now - length]
        found, expected = window.add(now, value), plain(inside, reduction)
        assert found == expected or (found != found and expected != expected), inside


def test_a_value_leaves_when_it_is_as_old_as_the_window_is_long() -> None:
    window = Window(1000, "count")
    assert [window.add(time, 1) for time in (0, 999, 1000, 1998, 1999)] == [1, 2, 2, 3, 3]


def test_a_late_value_counts_as_one_of_the_newest_time() -> None:
    window = Window(1000, "count")
    assert [window.add(time, 1) for time in (5000, 4001, 4000, 10, 5999, 6000)] == [1, 2, 2, 2, 3, 2]


@pytest.mark.parametrize(
    ("reduction", "expected"), [("mean", 8.5), ("median", 8.5), ("min", 7), ("first", 7), ("count", 4)]
)
def test_a_window_remembers_a_bounded_number_of_values(
    reduction: str, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "LARGEST", 4)
    window = Window(10**9, reduction)
    assert [window.add(time, time) for time in range(11)][-1] == expected
