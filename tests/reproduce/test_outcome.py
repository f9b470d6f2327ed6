"""Metrics of a reproduction beside those of the original."""

import math
from typing import Any

import pytest

import multitrack
from multitrack.reproduce.outcome import MetricOutcome, compare_metrics, is_reproduced
from multitrack.summaries.summary import Summary


def recorded(**metrics: Any) -> Summary:
    """The summary of a run: a number is a simple metric, a list a series, a tuple a list metric."""
    with multitrack.start_run("p", config={"delivery": "off", "code": []}) as run:
        for name, value in metrics.items():
            if isinstance(value, tuple):
                run.log_list_metric(name, list(value))
            elif isinstance(value, list):
                for step, number in enumerate(value):
                    run.log_metric(name, number, step=step)
            else:
                run.log_metric(name, value)
    return multitrack.open_journal().run(run.id).summary()


def compared(was: Summary, now: Summary, **options: Any) -> dict[str, MetricOutcome]:
    return {one.name: one for one in compare_metrics(was, now, **options)}


def test_each_kind_of_metric_has_a_verdict() -> None:
    was = recorded(same=[1.0, 2.0], peak=[1.0, 9.0, 2.0], short=[1.0, 1.0], last=(1.0, 2.0), gone=1.0, number=1.0)
    now = recorded(same=[1.0, 2.0], peak=[1.0, 8.0, 2.0], short=[1.0], last=(1.0, 3.0), added=1.0, number=1.0)
    outcomes = compared(was, now)
    assert {name: one.verdict for name, one in outcomes.items()} == {
        "same": "reproduced", "peak": "differs", "short": "differs", "last": "differs", "gone": "missing",
        "number": "reproduced", "added": "new",
    }  # fmt: skip
    decisive = {name: one.decisive for name, one in outcomes.items() if one.verdict == "differs"}
    assert {name: one and (one.what, one.original, one.reproduced) for name, one in decisive.items()} == {
        "peak": ("max", 9.0, 8.0), "short": ("points", 2, 1), "last": ("last", 2.0, 3.0),
    }  # fmt: skip
    assert outcomes["last"].kind == "list"


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1.0, 1.0 + 1e-7, True), (1.0, 1.0 + 1e-5, False), (0.0, 0.0, True), (0.0, 1e-9, False), (-1e9, -1e9 - 1, True),
        (math.nan, math.nan, True), (math.nan, 1.0, False), (math.inf, math.inf, True), (math.inf, -math.inf, False),
        (2**80, 2**80 + 1, True),
    ],
)  # fmt: skip
def test_numbers_are_equal_within_the_relative_tolerance(a: float, b: float, equal: bool) -> None:
    was, now = recorded(x=a, y=[a]), recorded(x=b, y=[b])
    assert is_reproduced(compare_metrics(was, now)) is equal
    assert is_reproduced(compare_metrics(was, now, tolerance=0)) is (equal and (a == b or a != a))


def test_a_count_of_points_has_no_tolerance() -> None:
    was, now = recorded(x=[1.0] * 10), recorded(x=[1.0] * 9)
    assert compared(was, now, tolerance=0.5)["x"].verdict == "differs"


def test_timings_are_compared_only_if_asked_for() -> None:
    names = ("epoch_seconds", "batch/steps_per_second", "system/gpu")
    was, now = (recorded(**dict.fromkeys(names, value), loss=1.0, systematic=1.0) for value in (1.0, 2.0))
    outcomes = compared(was, now)
    assert {name for name, one in outcomes.items() if one.verdict == "not compared"} == set(names)
    assert is_reproduced(list(outcomes.values()))
    chosen = compared(was, now, patterns=["system/*", "loss"])
    assert (chosen["system/gpu"].verdict, chosen["systematic"].verdict) == ("differs", "not compared")


def test_a_run_without_metrics_to_compare_is_not_reproduced() -> None:
    was = recorded(epoch_seconds=1.0)
    assert not is_reproduced(compare_metrics(was, was))
    assert not is_reproduced([])
