"""Case 29: any doubles, any steps and any number of params are drawn, or refused in one sentence that is true."""

import io
import itertools
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drawn_runs
from multitrack import plot
from multitrack.errors import QueryError
from multitrack.plot.figures import new_figure
from multitrack.plot.lines import X, draw, look
from multitrack.plot.parallel_axis import Axis
from multitrack.plot.scales import Scale
from multitrack.summaries.downsample import Curve, Thinned
from odd_runs import HUGE, RATES, drawn, heights, invoke, odd_runs, record, runs_of
from shell import shell

pytestmark = pytest.mark.case(29)

#: What runs that went wrong log, the ends of doubles, and what is ordinary.
ODD = [
    math.nan, math.inf, -math.inf, HUGE, -HUGE, 1e308, -1e308, 1.7976931348623157e308, -1.7976931348623157e308, 1e301, 1e300, 1e-290,
    1e-320, 5e-324, -5e-324, 2**1023 + 1, 2**53 + 1, 1e17, 0, 1, -1, 0.5,
]  # fmt: skip
STEPS = [0, 1, 2, 5, 7, 7, 10**6, 2**53, 2**62, 2**63 - 1, -(2**63) + 1]


@pytest.mark.long("more1", "more2")
@pytest.mark.parametrize("more", [[], ["--log"], ["--smooth", "0.9"], ["--x", "time"]])
def test_the_ends_of_the_doubles_are_drawn(tmp_path: Path, more: list[str]) -> None:
    record(tmp_path / "j", "a", [1e308, -1e308, 0.5e308])
    done = shell(f"multitrack plot --journal j -m loss -o p.png {' '.join(more)}")
    said = done.stderr.decode()
    assert done.returncode == 0, said
    assert re.fullmatch(r"p\.png: \d+ kB\n", done.stdout.decode())
    assert said == (
        ""
        if more != ["--log"]
        else "multitrack: loss: 1 value that is 0 or below on a logarithmic axis, not shown (a 1)\n"
    )
    assert "--size" not in said


def test_they_stand_where_they_belong_and_ticks_say_what_they_are(tmp_path: Path) -> None:
    record(tmp_path / "j", "a", [1e308, -1e308, 0.0])
    figure = plot.overlay(runs_of(tmp_path / "j").runs(), "loss")
    top, bottom, middle = heights(figure)
    assert 0 < bottom < middle < top < 1
    assert middle == pytest.approx((top + bottom) / 2)
    texts = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert {"0", "1e+308", "-1e+308"} <= set(texts)
    for values, some in (([1e308, 1e-320, 1.0], "1"), ([5e-324, 1e-300, 1e-310], "1e-300")):
        record(tmp_path / str(some), "a", values)
        figure = plot.overlay(runs_of(tmp_path / str(some)).runs(), "loss", log=True)
        places = heights(figure)
        assert [sorted(values).index(value) for value in values] == [sorted(places).index(place) for place in places]
        assert 0 <= min(places) < max(places) <= 1
        assert some in {text.get_text() for text in figure.axes[0].get_yticklabels()}


def test_one_such_run_among_thirteen_leaves_the_others_to_be_seen(tmp_path: Path) -> None:
    for i in range(12):
        record(tmp_path / "j", f"run {i}", [1 / (1 + i + step) for step in range(10)])
    record(tmp_path / "j", "bad", [1.0, 0.9, 1e308, -1e308])
    done = invoke("-m", "loss", "-o", "p.png")
    assert (done.exit_code, done.stderr) == (
        0, "multitrack: loss: 2 values that are beyond ±1e+300 beside other runs, not shown (bad 2)\n",
    )  # fmt: skip
    figure = plot.overlay(runs_of(tmp_path / "j").runs(), "loss")
    assert len(drawn(figure)) == 13
    assert max(heights(figure)) - min(heights(figure)) > 0.5  # of the first run, which is ordinary
    assert "not shown: 2 beyond ±1e+300 beside other runs" in [text.get_text() for text in figure.axes[0].texts]
    assert [y for _, y in drawn(figure)[-1]][:2] == [1.0, 0.9]
    logarithmic = plot.overlay(runs_of(tmp_path / "j").runs(), "loss", log=True)  # which has room for all of them
    assert sum(math.isfinite(y) for _, y in drawn(logarithmic)[-1]) == 3
    for metric in (math.nan, math.inf, HUGE, 1e-320, -1e308):
        record(tmp_path / "k", f"{len(list((tmp_path).glob('k/runs/*')))}", [metric] * 3)
    record(tmp_path / "k", "ordinary", [1.0, 2.0, 3.0])
    figure = plot.overlay(runs_of(tmp_path / "k").runs(), "loss")
    assert len(drawn(figure)) == 2  # and runs of which nothing can be shown have no line in the legend
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["3", "ordinary"]


@settings(max_examples=settings().max_examples // 2, deadline=None)  # each draws a picture
@given(
    st.lists(st.sampled_from(ODD), min_size=1, max_size=6), st.lists(st.sampled_from(STEPS), min_size=6, max_size=6),
    st.booleans(), st.sampled_from([0.0, 0.5, 0.99]), st.sampled_from(["step", "time"]),
)  # fmt: skip
def test_anything_is_drawn_without_a_warning(
    values: list[Any], steps: list[int], log: bool, smooth: float, x: X
) -> None:
    scale = Scale([values], log=log)
    figure = new_figure((3, 2))
    panel = figure.subplots()
    steps = steps[: len(values)]
    draw(
        panel,
        Thinned(len(values), Curve(steps, [step // 1000 for step in steps], values)),
        0,
        x,
        smooth,
        scale,
        look(0),
    )
    panel.set_yscale(scale.kind)
    scale.tell(panel.yaxis)
    panel.locator_params("x", integer=True)
    figure.savefig(io.BytesIO(), format="png", dpi=30)  # warnings are errors
    low, high = panel.get_ylim()
    assert all(low <= y <= high for y in panel.lines[-1].get_ydata() if math.isfinite(y))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(ODD), st.sampled_from([None, "text", True, [1]])), min_size=1, max_size=12))
def test_every_run_has_a_place_on_every_axis(values: list[Any]) -> None:
    axis = Axis("x", values)
    assert len(axis.places) == len(values)
    assert {place for place in axis.places if not -0.2 <= place <= 1 + 1e-9} == set()
    assert {place for place, _ in axis.ticks if not -0.2 <= place <= 1 + 1e-9} == set()
    assert axis.ticks


def test_parallel_coordinates_have_such_values_too(tmp_path: Path) -> None:
    for i, (value, score) in enumerate(
        itertools.product((1e308, -1e308, 1e-320, HUGE, math.nan), (1e308, -1e308, 0.0))
    ):
        with drawn_runs.start(tmp_path / "j", str(i), params={"p": value, "q": i}) as run:
            run.log_metric("score", score)
    done = invoke("--parallel", "-m", "score", "-o", "p.png")
    assert (done.exit_code, done.stderr.splitlines()) == (0, [
        "multitrack: p: 3 values that are NaN or infinite, below the axis (12, 13, 14)",
        "multitrack: p: 3 values that are beyond ±1.8e308, below the axis (9, 10, 11)",
    ])  # fmt: skip
    bar = plot.parallel(runs_of(tmp_path / "j").runs(), "score").axes[1]
    bar.figure.savefig(io.BytesIO(), format="png", dpi=50)
    assert {"1e+308", "-1e+308"} <= {text.get_text() for text in bar.get_yticklabels()}


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, HUGE, -HUGE])
def test_one_value_that_is_not_finite_leaves_an_axis_numeric(odd: Any) -> None:
    axis, without = Axis("lr", [*RATES, odd]), Axis("lr", [*RATES, None])
    assert axis.places == without.places
    assert sorted(axis.places) == [-0.12, 0, *sorted(axis.places[i] for i in (0, 3)), 1]
    assert axis.places[3] > 0.95 > axis.places[0] > 0.85  # a logarithmic axis
    assert axis.ticks == [*without.ticks[:-1], (-0.12, "not finite")]
    assert (axis.odd, axis.huge) == (([], [4]) if isinstance(odd, int) else ([4], []))
    both = Axis("lr", [odd, *RATES, None])
    assert both.ticks == [*without.ticks[:-1], (-0.12, "none, not finite")]
    assert [place for place, _ in Axis("lr", [1.0, odd, 2.0, 3.0]).ticks] == [0, 0.5, 1, -0.12]  # and a linear one
    alone = Axis("lr", [odd, odd, None])
    assert (alone.places, alone.odd, alone.huge) == ([0.5, 0.5, -0.12], [], [])


def test_numbers_beside_texts_are_in_their_order_before_them() -> None:
    axis = Axis("x", [10, 9, "auto", 1e-10, 0.5, True, math.nan, -3, math.inf, HUGE, "7", None])
    assert [text for _, text in axis.ticks] == [
        "-3", "1e-10", "0.5", "7", "9", "10", str(HUGE), "inf", "nan", "True", "auto", "none",
    ]  # fmt: skip
    assert [place for place, _ in axis.ticks] == [*(i / 10 for i in range(11)), -0.12]


def test_what_parallel_coordinates_leave_out_is_said_with_the_runs(tmp_path: Path) -> None:
    odd_runs(tmp_path / "j")
    done = invoke("--parallel", "-m", "loss", "-o", "p.png")
    assert (done.exit_code, done.stderr.splitlines()) == (0, [
        "multitrack: loss: 6 of 14 runs have no finite value within ±1.8e308, left out (out 0, out 1, out 2, out 3, out 4, 1 more run)",
        "multitrack: lr: 2 values that are NaN or infinite, below the axis (r4, r5)",
        "multitrack: lr: 1 value that is beyond ±1.8e308, below the axis (r7)",
    ])  # fmt: skip
    runs = [run for run in runs_of(tmp_path / "j").runs() if run.facts.name != "out 3"]
    said: list[str] = []
    figure = plot.parallel(runs[:10], "loss", params=["lr"], notice=said.append)
    assert said[0] == "loss: 2 of 10 runs have no finite value, left out (out 0, out 1)"
    assert figure.axes[0].get_title(loc="right") == "2 of 10 runs left out: no finite loss"
    assert "none, not finite" in [text.get_text() for text in figure.axes[0].texts]
    said.clear()
    plot.parallel(runs[:4], "loss", params=["lr"], notice=said.append)
    assert said == []
    plot.parallel([*runs[:2], runs[8]], "loss", params=["lr"], notice=said.append)
    assert said == ["loss: 1 of 3 runs has no finite value, left out (out 0)"]


@pytest.mark.parametrize("params", ["", " ", ",", " , "])
def test_parallel_coordinates_of_no_params_are_an_error(tmp_path: Path, params: str) -> None:
    odd_runs(tmp_path / "j")
    done = invoke("--parallel", "-m", "loss", "--params", params, "-o", "p.png")
    assert (done.exit_code, Path("p.png").exists()) == (2, False)
    assert done.stderr.endswith("Error: --params is empty: name at least one param\n")
    with pytest.raises(QueryError, match="params is empty"):
        plot.parallel(runs_of(tmp_path / "j").runs(), "loss", params=[])
