"""Case 29: pictures of more than can be shown, which say so."""

import io
import itertools
import math
from pathlib import Path

import pytest

import drawn_runs
from multitrack import plot
from multitrack.errors import QueryError
from multitrack.plot.lines import broken
from odd_runs import HUGE, drawn, invoke, record, runs_of

pytestmark = pytest.mark.case(29)


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


@pytest.mark.long("False-3-None", "False-3-size2", "True-8-size3")
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
