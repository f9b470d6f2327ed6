"""Case 29: any doubles, any steps and any number of params are drawn, or refused in one sentence that is true."""

import io
import itertools
import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

import drawn_runs
import multitrack
from browser import Page
from multitrack import plot
from multitrack.cli import main
from multitrack.errors import QueryError
from multitrack.page.render import write_page
from multitrack.plot.figures import new_figure
from multitrack.plot.lines import broken, draw, look
from multitrack.plot.parallel_axis import Axis
from multitrack.plot.scales import Scale
from multitrack.reading.reader import JournalReader
from multitrack.summaries.downsample import Curve, Thinned
from shell import shell

pytestmark = pytest.mark.case(29)

HUGE = 2**2000
#: What runs that went wrong log, the ends of doubles, and what is ordinary.
ODD = [
    math.nan, math.inf, -math.inf, HUGE, -HUGE, 1e308, -1e308, 1.7976931348623157e308, -1.7976931348623157e308, 1e301, 1e300, 1e-290,
    1e-320, 5e-324, -5e-324, 2**1023 + 1, 2**53 + 1, 1e17, 0, 1, -1, 0.5,
]  # fmt: skip
STEPS = [0, 1, 2, 5, 7, 7, 10**6, 2**53, 2**62, 2**63 - 1, -(2**63) + 1]


def record(journal: Path, name: str, values: Sequence[Any], steps: Sequence[int] | None = None, **params: Any) -> None:
    with drawn_runs.start(journal, name, params=params) as run:
        for step, value in zip(steps or range(len(values)), values, strict=True):
            run.log_metric("loss", value, step=step)


def runs_of(journal: Path) -> JournalReader:
    return multitrack.open_journal(journal)


def invoke(*arguments: str) -> Result:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        done = CliRunner().invoke(main, ["plot", "--journal", "j", *arguments])
    assert [str(warning.message) for warning in caught] == []
    return done


def drawn(figure: Any, panel: int = 0) -> list[list[tuple[float, float]]]:
    return [list(zip(*line.get_data(), strict=True)) for line in figure.axes[panel].lines]


def heights(figure: Any) -> list[float]:
    """Where the points of the first line are in the picture, as parts of the panel's height."""
    figure.savefig(io.BytesIO(), format="png", dpi=50)
    panel = figure.axes[0]
    return [
        float(panel.transAxes.inverted().transform(panel.transData.transform(point))[1]) for point in drawn(figure)[0]
    ]


# -- values ---------------------------------------------------------------------------------------------------


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


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(ODD), min_size=1, max_size=6), st.lists(st.sampled_from(STEPS), min_size=6, max_size=6),
    st.booleans(), st.sampled_from([0.0, 0.5, 0.99]), st.sampled_from(["step", "time"]),
)  # fmt: skip
def test_anything_is_drawn_without_a_warning(
    values: list[Any], steps: list[int], log: bool, smooth: float, x: plot.X
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


RATES: list[Any] = [0.5, 10, 1e-10, 9]


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


def odd_runs(journal: Path) -> None:
    """Runs whose rate is a number, but for one; another one has no loss."""
    for i, rate in enumerate([*RATES, math.nan, -math.inf, None, HUGE]):
        params = {"lr": rate, "x": ["sgd", 10, 9, True, 1e-10, -3, math.nan, 0.5][i]}
        with drawn_runs.start(journal, f"r{i}", params=params) as run:
            run.log_metric("loss", [0.5, 0.25, 0.75, 1, 0, 0.125, 2, 3][i])
    for i, loss in enumerate([math.nan, math.inf, None, HUGE, math.nan, math.nan]):
        with drawn_runs.start(journal, f"out {i}", params={"lr": 3}) as run:
            if loss is not None:
                run.log_metric("loss", loss)


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
    assert done.stderr.endswith("Error: --params names no param, and without any there is no axis\n")
    with pytest.raises(QueryError, match="no params are named"):
        plot.parallel(runs_of(tmp_path / "j").runs(), "loss", params=[])


# -- what is not shown is said ----------------------------------------------------------------------------------


def test_what_a_logarithmic_axis_cannot_show_is_counted_and_said(tmp_path: Path) -> None:
    record(tmp_path / "j", "short", [1.0, 0.0, -2.0, math.nan, 3.0])
    long = [
        -1.0 if step % 10 == 0 else 0.0 if step % 10 == 1 else math.inf if step % 10 == 2 else 1.0
        for step in range(5000)
    ]
    with drawn_runs.start(tmp_path / "j", "long") as run:
        for step, value in enumerate(long):
            run.log_metric("loss", value, step=step)
        run.log_list_metric("list", long)
    record(tmp_path / "j", "fine", [1.0, 2.0])
    done = invoke("-m", "loss", "-m", "list", "--log", "-o", "p.png")
    assert done.exit_code == 0
    assert done.stderr.splitlines() == [
        "multitrack: loss: 501 values that are NaN or infinite, not shown (short 1, long 500)",
        "multitrack: loss: 1,002 values that are 0 or below on a logarithmic axis, not shown (short 2, long 1,000)",
        "multitrack: list: 500 values that are NaN or infinite, not shown (long 500)",
        "multitrack: list: 1,000 values that are 0 or below on a logarithmic axis, not shown (long 1,000)",
    ]
    said: list[str] = []
    figure = plot.overlay(runs_of(tmp_path / "j").runs(), ["loss"], log=True, notice=said.append)
    (note,) = [text.get_text() for text in figure.axes[0].texts]
    assert note == "not shown: 501 NaN or infinite in 2 runs; 1,002 0 or below on a logarithmic axis in 2 runs"
    assert len(said) == 2
    assert plot.overlay([runs_of(tmp_path / "j").run("fine")], "loss", log=True).axes[0].texts[:] == []
    for i in range(7):
        record(tmp_path / "k", f"r{i}", [1.0, 0.0])
    said.clear()
    plot.overlay(runs_of(tmp_path / "k").runs(), "loss", log=True, notice=said.append)
    assert said == [
        "loss: 7 values that are 0 or below on a logarithmic axis, not shown (r0 1, r1 1, r2 1, r3 1, r4 1, 2 more runs)"
    ]


@pytest.mark.parametrize(("runs", "size"), [(1, None), (3, None), (3, (4.0, 3.0)), (8, (4.0, 2.5)), (3, (7.0, 5.0))])
@pytest.mark.parametrize("log", [False, True])
def test_what_is_not_shown_stands_where_it_covers_nothing(
    tmp_path: Path, runs: int, size: tuple[float, float] | None, log: bool
) -> None:
    for i in range(runs):
        values = [*[math.nan] * 1234, *[HUGE] * 2345, *[0.0] * 3456, 1.0, 2.0, *([1e305] if i else [])]
        record(tmp_path / "j", f"a rather long name of a run {i}", values)
    figure = plot.overlay(runs_of(tmp_path / "j").runs(), ["loss"], log=log, size=size)
    figure.savefig(io.BytesIO(), format="png", dpi=100)
    panel = figure.axes[0]
    (text,) = panel.texts
    said = text.get_text().replace("\n", " ")
    of = f" in {runs} runs" if runs > 1 else ""
    assert said.startswith(f"not shown: {1234 * runs:,} NaN or infinite{of}; {2345 * runs:,} beyond ±1.8e308{of}")
    note, axes, whole = text.get_window_extent(), panel.get_window_extent(), figure.bbox
    assert note.y0 > axes.y1
    assert note.x1 <= whole.x1
    assert note.y1 <= whole.y1
    assert axes.height > 0.3 * whole.height
    beside = [legend.get_window_extent() for legend in figure.legends]
    beside += [title.get_window_extent() for title in (panel.title, panel._right_title) if title.get_text()]
    assert beside
    assert [box for box in beside if box.overlaps(note)] == []
    small = plot.overlay(runs_of(tmp_path / "j").runs(), ["loss"], log=log, size=(3, 1))
    plot.save(small, tmp_path / "small.png")  # without a warning


def test_panels_have_their_notes_above_them(tmp_path: Path) -> None:
    with drawn_runs.start(tmp_path / "j", "a") as run:
        for step in range(9):
            run.log_metrics({"fine": step, "odd": math.nan if step % 2 else step}, step=step)
    figure = plot.overlay(runs_of(tmp_path / "j").runs(), ["odd", "fine", "odd"])
    assert [[text.get_text() for text in panel.texts] for panel in figure.axes] == [
        ["not shown: 4 NaN or infinite"], [], ["not shown: 4 NaN or infinite"],
    ]  # fmt: skip
    figure.savefig(io.BytesIO(), format="png", dpi=50)
    assert figure.axes[2].texts[0].get_window_extent().y1 < figure.axes[1].get_window_extent().y0


# -- steps that go back -----------------------------------------------------------------------------------------


def test_no_line_runs_backwards(tmp_path: Path) -> None:
    record(tmp_path / "j", "resumed", [5.0, 4.0, 3.0, 2.0, 3.5, 2.5, 2.6], [0, 1, 2, 3, 2, 3, 3])
    for smooth in (0.0, 0.5):
        figure = plot.overlay(runs_of(tmp_path / "j").runs(), "loss", smooth=smooth)
        assert len(drawn(figure)) == (2 if smooth else 1)
        for line in drawn(figure):
            xs = [x for x, _ in line]
            assert [str(x) for x in xs] == ["0.0", "1.0", "2.0", "3.0", "nan", "2.0", "3.0", "3.0"]
            assert math.isnan(line[4][1])
    assert [y for _, y in drawn(plot.overlay(runs_of(tmp_path / "j").runs(), "loss"))[0] if y == y] == [
        5,
        4,
        3,
        2,
        3.5,
        2.5,
        2.6,
    ]
    assert broken([], []) == ([], [])
    assert broken([3.0], [1.0]) == ([3.0], [1.0])


def test_a_long_series_that_goes_back_has_no_line_backwards_either(tmp_path: Path) -> None:
    steps = [*range(3000), *range(1500, 4000)]
    record(tmp_path / "j", "resumed", [1 / (1 + step) for step in steps], steps)
    for smooth in (0.0, 0.9):
        lines = drawn(plot.overlay(runs_of(tmp_path / "j").runs(), "loss", smooth=smooth))
        assert len(lines) == (2 if smooth else 1)
        for line in lines:
            pairs = list(itertools.pairwise(x for x, _ in line))
            assert len(pairs) > 100
            assert [pair for pair in pairs if pair[1] < pair[0]] == []
            assert sum(math.isnan(x) for x, _ in line) == 1


# -- too many of anything ----------------------------------------------------------------------------------------


def test_thousands_of_params_are_refused_at_once_and_can_be_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        with drawn_runs.start(
            tmp_path / "j", str(i), params={f"group{k % 50}/p{k}": i * k + i for k in range(5000)}
        ) as run:
            run.log_metric("acc", i / 10)

    def no_figure(*_: object) -> None:
        raise AssertionError("it was drawn")

    with monkeypatch.context() as patched:
        patched.setattr("multitrack.plot.parallel_coordinates.new_figure", no_figure)
        patched.setattr("multitrack.plot.parallel_coordinates.Axis", no_figure)
        done = invoke("--parallel", "-m", "acc")
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr == (
            "multitrack: 5,000 params differ between these runs, and a picture has room for 100: choose some with --params "
            "(params=), by name or pattern; there are group0/p0, group1/p1, group2/p2, …\n"
        )
        done = invoke("--parallel", "-m", "acc", "--params", "group*")
        assert (done.exit_code, "5,000 params are chosen" in done.stderr) == (2, True)
        done = invoke("--parallel", "-m", "acc", "--params", "group1/p1,nonsense")
        assert (done.exit_code, "no run has a param 'nonsense'" in done.stderr) == (2, True)
    done = invoke("--parallel", "-m", "acc", "--params", "group3/p3,params.group1/p1,group2/p?2", "-o", "p.png")
    assert (done.exit_code, done.stderr) == (0, "")
    panel = plot.parallel(
        runs_of(tmp_path / "j").runs(), "acc", params=["group3/p3", "params.group1/p1", "group2/p?2"]
    ).axes[0]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["group3/p3", "group1/p1", "group2/p52", "acc"]
    assert invoke("-m", "acc", "--params", "x").exit_code == 2


def test_only_options_that_were_given_are_blamed(tmp_path: Path) -> None:
    record(tmp_path / "j", "a", [1.0, 2.0])
    for options, blamed in (
        (["--dpi", "1200", "--size", "150", "150"], "Invalid value for --size or --dpi: the picture would have 180,000 x 180,000"),
        (["--size", "150", "150"], "Invalid value for --size: the picture would have 22,500 x 22,500 pixels, which is too many"),
    ):  # fmt: skip
        done = invoke("-m", "loss", *options)
        assert (done.exit_code, blamed in done.stderr) == (2, True), done.stderr
    done = invoke(*["-m", "loss"] * 60, "--dpi", "1200")
    assert (
        done.exit_code,
        "Invalid value for --dpi: the picture would have 8,400 x 216,720 pixels" in done.stderr,
    ) == (2, True)
    done = invoke(*["-m", "loss"] * 67)
    assert done.exit_code == 2
    assert done.stderr == "multitrack: 67 metrics are too many for one picture, which has room for 66: draw several\n"
    assert not Path("plot.png").exists()


def test_long_names_leave_room_for_the_picture(tmp_path: Path) -> None:
    name = "m" * 300
    for i in range(2):
        with drawn_runs.start(tmp_path / "j", "n" * 500 + f"\n\t{i}", params={"p" * 400: i}) as run:
            run.log_metric(name, i, step=0)
            run.log_metric(name, i + 1, step=1)
    assert invoke("-m", name, "-o", "p.png").exit_code == 0
    assert invoke("--parallel", "-m", f"metrics.{name}", "-o", "q.png").exit_code == 0
    for figure in (
        plot.overlay(runs_of(tmp_path / "j").runs(), name),
        plot.parallel(runs_of(tmp_path / "j").runs(), name),
    ):
        figure.draw_without_rendering()
        box, whole = figure.axes[0].get_window_extent(), figure.bbox
        assert box.width > 0.4 * whole.width
        assert box.height > 0.5 * whole.height


def test_what_has_nothing_to_draw_is_said(tmp_path: Path) -> None:
    record(tmp_path / "j", "a", [math.nan, math.inf, HUGE, -HUGE])
    with pytest.raises(
        QueryError, match=r"no run has a finite value of 'loss' within ±1\.8e308: there is nothing to draw"
    ):
        plot.overlay(runs_of(tmp_path / "j").runs(), "loss")


# -- the report ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_report_has_the_same_axes(tmp_path: Path, browser: Page) -> None:
    odd_runs(tmp_path / "j")
    runs = list(runs_of(tmp_path / "j").runs())
    write_page(tmp_path / "r.html", runs, charts=False)
    browser.troubles()
    browser.open((tmp_path / "r.html").as_uri())
    ticks = {name: browser.texts(f'[data-axis="params.{name}"] .tick') for name in ("lr", "x")}
    assert (ticks["lr"][0], ticks["lr"][-1]) == ("1e-10", "10")
    assert ticks["x"] == ["-3", "1e-10", "0.5", "9", "10", "NaN", "sgd", "True"]
    none = browser.js(
        "[...document.querySelectorAll('[data-axis=\"params.lr\"] .none')].map((e) => e.firstChild.textContent)"
    )
    assert none == ["none, not finite"]
    assert browser.texts('[data-axis="params.x"] .none') == []
    lines = browser.js(
        "[...document.querySelectorAll('.parallel .line')].map((e) => [e.dataset.run, e.getAttribute('d')])"
    )
    assert len(lines) == 8
    heights = {run: float(path.removeprefix("M").split("L")[0].split()[1]) for run, path in lines}
    ends = [
        float(browser.js(f"document.querySelector('[data-axis=\"params.lr\"] .rule').getAttribute('{end}')"))
        for end in ("y1", "y2")
    ]
    drawn_ = [run for run in runs if not run.facts.name.startswith("out")]
    places = [(heights[run.id] - ends[0]) / (ends[1] - ends[0]) for run in drawn_]
    expected = Axis("lr", [run.get_params()["lr"] for run in drawn_]).places
    assert [max(place, -0.04) for place in places] == pytest.approx([max(place, -0.04) for place in expected], abs=1e-3)
    browser.view("brush=params.lr:0:100")
    assert browser.rows() == ["r0", "r1", "r2", "r3", *(f"out {i}" for i in range(6))]
    browser.view('brush=params.x:"1e-10":"NaN"')
    assert browser.rows() == ["r1", "r2", "r4", "r6", "r7"]
    assert browser.troubles() == []


KINDS: dict[str, list[Any]] = {
    "nan": [math.nan] * 4, "inf": [math.inf, -math.inf] * 2, "most": [1e308] * 4, "both": [1e308, -1e308, 0, 1e308],
    "least": [1e-320] * 4, "tiny": [1e-320, 2e-320, 5e-324, 1e-310], "huge": [HUGE, -HUGE] * 2, "all": [1e308, 1e-320, math.nan, HUGE],
    "one": [3.0], "large": [1e17] * 4, "ordinary": [4, 3, 2, 1],
}  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A metric a kind of value, and one in which each run is of a kind, the steps of which are far from the others'."""
    home = tmp_path_factory.mktemp("odd")
    for i, (name, values) in enumerate(KINDS.items()):
        with drawn_runs.start(home / "j", name, params={"kind": values[0], "n": i}) as run:
            for step, value in enumerate(values):
                run.log_metric("loss", value, step=step)
                run.log_metric("apart", value, step=step + i * 10**6)
                run.log_metric("large steps", step, step=2**62 + step)
                run.log_metric("back", step, step=10 - step)
                for kind, others in KINDS.items():
                    run.log_metric(f"all {kind}", others[min(step, len(others) - 1)], step=step)
            run.log_metric("score", values[0])
    write_page(home / "r.html", multitrack.open_journal(home / "j").runs())
    return home / "r.html"


@pytest.mark.slow
@pytest.mark.parametrize("view", ["", "log=1", "smooth=0.9", "x=time", "x=clock", "log=1&smooth=0.5"])
def test_the_report_draws_all_of_them(report: Path, browser: Page, tmp_path: Path, view: str) -> None:
    browser.troubles()
    browser.open(f"{report.as_uri()}#{view}")
    for name in ("loss", "apart", "large steps", "back", *(f"all {kind}" for kind in KINDS)):
        traces = browser.graph(f"metrics.{name}")
        assert traces, name
        place = browser.js(
            f"(() => {{ const p = {PLOT}; return [p._fullLayout.xaxis.range, p._fullLayout.yaxis.range, p.textContent]; }})()",
            f"metrics.{name}",
        )
        for low, high in place[:2]:
            assert low != high, name
        assert "could not be drawn" not in place[2]
    browser.shot(tmp_path / "whole.png")
    assert browser.troubles() == []


PLOT = "[...document.querySelectorAll('main:not([hidden]) figure')].find((f) => f.dataset.column === arguments[0]).querySelector('.plot')"


@pytest.mark.slow
def test_the_report_says_what_a_graph_does_not_show(report: Path, browser: Page) -> None:
    browser.open(f"{report.as_uri()}#log=1")
    for name, said in {
        "metrics.all nan": f"not shown: {sum(map(len, KINDS.values()))} NaN or infinite in {len(KINDS)} runs",
        "metrics.all huge": f"not shown: {sum(map(len, KINDS.values()))} beyond ±1.8e308 in {len(KINDS)} runs",
        "metrics.all both": " of 0 and below in ", "metrics.all ordinary": "",
    }.items():  # fmt: skip
        browser.graph(name)
        caption = browser.js(f"{PLOT}.closest('figure').querySelector('figcaption .hint:last-child').textContent", name)
        assert said in caption if said else caption == "", (name, caption)
    browser.open(report.as_uri())
    browser.graph("metrics.loss")
    caption = browser.js(
        f"{PLOT}.closest('figure').querySelector('figcaption .hint:last-child').textContent", "metrics.loss"
    )
    assert caption.startswith("not shown: ")
    assert "beyond ±1e+300" in caption
    ticks = browser.js(f"[...{PLOT}.querySelectorAll('.ytick')].map((e) => e.textContent)", "metrics.loss")
    assert ticks and not [text for text in ticks if "308" in text]
    browser.graph("metrics.all most")
    assert "1e308" in "".join(
        browser.js(f"[...{PLOT}.querySelectorAll('.ytick')].map((e) => e.textContent)", "metrics.all most")
    )
    assert browser.troubles() == []


@pytest.mark.slow
def test_runs_far_apart_do_not_make_a_tick_for_each_step_between_them(report: Path, browser: Page) -> None:
    browser.open(report.as_uri())
    browser.graph("metrics.apart")
    for name, most in (("metrics.apart", 20), ("metrics.large steps", 20), ("metrics.back", 20), ("metrics.loss", 20)):
        browser.graph(name)
        count = browser.js(f"{PLOT}.querySelectorAll('.xtick').length", name)
        assert 1 <= count <= most, name
    assert browser.js(f"{PLOT}.layout.xaxis.dtick ?? null", "metrics.apart") is None
    assert browser.js(f"{PLOT}.layout.xaxis.dtick ?? null", "metrics.loss") == 1


@pytest.mark.slow
def test_the_report_draws_no_line_backwards(report: Path, browser: Page) -> None:
    browser.open(report.as_uri())
    (line, *_) = [trace for trace in browser.graph("metrics.back") if len(trace["x"]) > 1]
    assert line["x"] == [10, None, 9, None, 8, None, 7]
    assert line["y"] == [0, None, 1, None, 2, None, 3]


@pytest.mark.slow
def test_the_report_s_parallel_coordinates_have_a_place_for_each(report: Path, browser: Page, tmp_path: Path) -> None:
    browser.open(f"{report.as_uri()}#objective=metrics.score")
    lines = browser.js("[...document.querySelectorAll('.parallel .line')].map((e) => e.getAttribute('d'))")
    assert len(lines) >= 6
    assert not [path for path in lines if "NaN" in path or "Infinity" in path]
    for values in ((1e308, 1e308), (1e308, -1e308), (1e-320, 2e-320), (1e-320, 1e308)):
        home = tmp_path / str(values)
        for i, value in enumerate(values):
            with drawn_runs.start(home, str(i), params={"n": i}) as run:
                run.log_metric("score", value)
        write_page(home / "r.html", multitrack.open_journal(home).runs())
        browser.open((home / "r.html").as_uri())
        paths = browser.js("[...document.querySelectorAll('.parallel .line')].map((e) => e.getAttribute('d'))")
        assert len(paths) == 2
        assert not [path for path in paths if "NaN" in path or "Infinity" in path], values
        assert len(browser.texts(".goal .tick")) >= len(set(values))
    assert browser.troubles() == []


@pytest.mark.slow
def test_the_report_has_a_hundred_axes_at_most_and_says_so(browser: Page, tmp_path: Path) -> None:
    for i in range(3):
        with drawn_runs.start(tmp_path / "j", str(i), params={f"p{k}": i * k + i for k in range(300)}) as run:
            run.log_metric("acc", i / 10)
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "j").runs(), charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    assert len(browser.all(".parallel .axis")) == 101
    assert "200 more params that differ have no axis here" in browser.texts("#search .hint")
