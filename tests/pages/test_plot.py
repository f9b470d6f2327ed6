"""Pictures of runs: what is drawn is what was recorded, and files are the same each time."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

import drawn_runs
import multitrack
from multitrack import plot
from multitrack._hints import to_install
from multitrack.cli import main
from multitrack.errors import QueryError
from multitrack.plot.lines import COLOURS, X
from multitrack.plot.parallel_axis import Axis, differing
from multitrack.reading.recorded_run import RecordedRun


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_runs.grid(tmp_path_factory.mktemp("grid") / "journal")


@pytest.fixture
def runs(journal: Path) -> list[RecordedRun]:
    return list(multitrack.open_journal(journal).runs())


def lines(figure: Figure, panel: int = 0) -> list[list[tuple[float, float]]]:
    return [list(zip(*line.get_data(), strict=True)) for line in figure.axes[panel].lines]


def test_an_overlay_has_the_points_of_every_run(runs: list[RecordedRun]) -> None:
    figure = plot.overlay(runs, ["loss", "batch_loss"])
    assert lines(figure) == [
        [(point.step, point.value) for point in run.get_metrics("loss")["loss"]] for run in runs if run.get_metrics()
    ]
    peaks = [max(value for _, value in line) for line in lines(figure, 1)]
    assert peaks == [9.75 + size for _ in drawn_runs.RATES for size in drawn_runs.SIZES]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [run.manifest.name for run in runs[1:]]
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(looks) == 9


def test_time_log_scale_and_smoothing(runs: list[RecordedRun]) -> None:
    run = runs[1]
    figure = plot.overlay([run], "loss", x="time", log=True, smooth=0.5)
    points = run.get_metrics("loss")["loss"]
    faint, smooth = figure.axes[0].lines
    assert list(faint.get_xdata()) == [(point.time - run.manifest.created) / 1000 for point in points]
    first, second = points[0].value, points[1].value
    assert list(smooth.get_ydata())[:2] == pytest.approx([first, (0.25 * first + 0.5 * second) / 0.75])
    assert figure.axes[0].get_yscale() == "log"
    with pytest.raises(ValueError, match="below 1, got 1"):
        plot.overlay([run], "loss", smooth=1)


def test_parallel_coordinates_go_through_the_params_to_the_objective(runs: list[RecordedRun]) -> None:
    figure = plot.parallel(runs, "val_accuracy:max")
    panel = figure.axes[0]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["lr", "batch_size", "val_accuracy:max"]
    drawn = [tuple(line.get_ydata()) for line in panel.lines if len(line.get_xdata()) == 3]
    assert len(drawn) == 9
    assert drawn[-1] == (1.0, 0.0, 1.0)  # the best, on top: largest rate, smallest batch
    assert sorted({round(place, 9) for place, _, _ in drawn}) == [0.0, 0.5, 1.0]  # a logarithmic axis


def test_a_zero_stands_below_a_logarithmic_axis(tmp_path: Path) -> None:
    rates = [0, 1e-9, 1e-6, 1e-3, 1]
    for rate in rates:
        with drawn_runs.start(
            tmp_path / "journal", f"{rate}", params={"lr": rate, "optimizer": "a" * 30 + str(rate)}
        ) as run:
            run.log_metric("score", rate)
    panel = plot.parallel(multitrack.open_journal(tmp_path / "journal").runs(), "score").axes[0]
    places = sorted({line.get_ydata()[0] for line in panel.lines if len(line.get_xdata()) == 3})
    assert places == pytest.approx([0, *(0.15 / 1.15 + i / 3 / 1.15 for i in range(4))])
    texts = [text.get_text() for text in panel.texts]
    assert texts[:5] == ["0", "1e-09", "1e-06", "0.001", "1"]
    assert {text for text in texts if "…" in text} >= {"aaaaaaa…aaaaaaa0", "aaaaaaa…aaaaaaa1"}
    assert max(map(len, texts)) == 16  # which ends before the next axis


def test_every_run_with_an_objective_is_a_whole_line(tmp_path: Path) -> None:
    """Also where it lacks a param, as trials of a search with conditional hyperparameters do."""
    journal = tmp_path / "journal"
    for i in range(6):
        params = {"lr": 10.0**-i, **({"momentum": i / 4} if i < 3 else {"beta": f"b{i}"})}
        with drawn_runs.start(journal, f"{i}", params=params) as run:
            run.log_metric("val_loss", i / 10, step=0)
    drawn_runs.start(journal, "without").end()
    for value in (float("nan"), 10**400):
        with drawn_runs.start(journal, "diverged") as run:
            run.log_metric("val_loss", value, step=0)
    panel = plot.parallel(multitrack.open_journal(journal).runs(), "val_loss:min").axes[0]
    names = [label.get_text() for label in panel.get_xticklabels()]
    assert names == ["lr", "momentum", "beta", "val_loss:min"]
    drawn = [list(line.get_ydata()) for line in panel.lines if len(line.get_xdata()) == 4]
    below = -0.12
    assert [[round(place, 9) for place in line] for line in drawn] == [  # the least loss is the best, on top
        [0.0, below, 1.0, 1.0], [0.2, below, 0.5, 0.8], [0.4, below, 0.0, 0.6],
        [0.6, 1.0, below, 0.4], [0.8, 0.5, below, 0.2], [1.0, 0.0, below, 0.0],
    ]  # fmt: skip
    assert [(text.get_position()) for text in panel.texts if text.get_text() == "none"] == [
        (1.04, below),
        (2.04, below),
    ]
    assert panel.get_title(loc="right") == "3 of 9 runs left out: no finite val_loss:min"
    assert panel.get_ylim()[0] < below


def test_what_only_some_runs_of_a_parent_have_has_an_axis() -> None:
    trials = [{"lr": 0.1}, {"lr": 0.2, "dropout": 0.5}, {"lr": 0.3}]
    assert differing(trials, ["search"] * 3) == ["lr", "dropout"]
    assert differing([{"tries": 3}, *trials], [None, *["search"] * 3]) == ["lr", "dropout"]
    assert differing(trials, ["one", "other", "one"]) == ["lr"]


def test_what_keras_said_has_an_axis_only_where_there_is_nothing_else(tmp_path: Path) -> None:
    for i, given in enumerate(({"lr": 0.1}, {"lr": 0.2}, {}, {})):
        with drawn_runs.start(tmp_path / "journal", f"{i}", params=given) as run:
            run.log_params({"fit/steps": i}, source="keras")
            run.log_metric("acc", i / 10)
    runs = list(multitrack.open_journal(tmp_path / "journal").runs())
    for drawn, axis in ((runs, "lr"), (runs[2:], "fit/steps")):
        panel = plot.parallel(drawn, "acc").axes[0]
        assert [label.get_text() for label in panel.get_xticklabels()] == [axis, "acc"]


def test_ticks_have_as_few_digits_as_tell_them_apart() -> None:
    for values, texts in (
        ([0.1, 0.2, 0.30000000000000004, 0.3, 0.6000000000000001], ["0.1", "0.2", "0.3", "0.6"]),
        ([0.3, 0.30000000000000004], ["0.3", "0.30000000000000004"]),
        ([0.6000000000000001, "none", 0.6, [1], True, float("inf")], ["0.6", "inf", "True", "[1]", "none"]),
        ([1.0000001, 1.0000002, None], ["1.0000001", "1.0000002", "none"]),
        ([2**60, 2**60 + 1], [str(2**60), str(2**60 + 1)]),
        ([0.1 * i for i in range(8)], ["0", "0.175", "0.35", "0.525", "0.7"]),
    ):
        assert [text for _, text in Axis("x", values).ticks] == texts, values  # type: ignore[arg-type]


def test_a_legend_stands_whole_within_the_picture(tmp_path: Path) -> None:
    for i in range(30):
        with drawn_runs.start(tmp_path / "journal", f"{i} {'long ' * 20} name {i:02}") as run:
            run.log_metric("loss", i, step=0)
    runs = list(multitrack.open_journal(tmp_path / "journal").runs())
    for count, size in ((30, None), (9, (5, 2.1)), (2, (2, 2))):
        figure = plot.overlay(runs[:count], "loss", size=size)
        figure.draw_without_rendering()
        (legend,) = figure.legends
        assert len(legend.get_texts()) == count
        box, whole = legend.get_window_extent(), figure.bbox
        assert box.y0 >= 0
        assert box.y1 <= whole.height
        assert 0 < whole.width - box.x0 < 0.7 * whole.width
        names = [text.get_text() for text in legend.get_texts()]
        assert len(set(names)) == count
        assert all("…" in name and name.endswith(f"{i:02}") for i, name in enumerate(names))
    figure = plot.overlay(runs[:10], "loss", size=(5, 2.1))
    assert (figure.legends, figure.axes[0].get_title(loc="right")) == ([], "10 runs, too many for a legend")
    alone = plot.overlay(runs[:1], "loss")
    assert (alone.legends, alone.axes[0].get_title()[:7]) == ([], "0 long ")
    plot.save(plot.overlay(runs[:2], "loss", size=(1, 1)), tmp_path / "small.png")  # without a warning
    assert plot.overlay(runs, "loss", size=(4, 3)).axes[0].lines[0].get_alpha() is None


def test_what_x_counts(runs: list[RecordedRun]) -> None:
    def labels(*metrics: str, x: X = "step") -> list[str]:
        return [panel.get_xlabel() for panel in plot.overlay(runs, metrics, x=x).axes]

    assert labels("loss", "batch_loss") == ["step", "index"]
    assert labels("batch_loss", "lists.batch_loss") == ["", "index"]
    assert labels("loss", "batch_loss", x="time") == ["", "seconds since start"]


def test_what_cannot_be_drawn_is_said(runs: list[RecordedRun]) -> None:
    with pytest.raises(QueryError, match="no run has a series or list called 'nonsense'"):
        plot.overlay(runs, "nonsense")
    with pytest.raises(QueryError, match="there are no runs to draw 'loss' of"):
        plot.overlay([], "loss")
    with pytest.raises(QueryError, match="two runs with 'nonsense', there are 0"):
        plot.parallel(runs, "nonsense")
    for wrong in ((0, 0), (7, 0.5), (float("nan"), 3), (7, 1e9)):
        for draw in (plot.overlay, plot.parallel):
            with pytest.raises(ValueError, match="1 to 200 inches wide and high, got"):
                draw(runs, "loss", size=wrong)


def test_a_curve_is_asked_for_by_its_name_or_its_column(tmp_path: Path) -> None:
    for i in range(3):
        with drawn_runs.start(tmp_path / "journal", "twin" if i else "one") as run:
            run.log_metric("loss", 1.0 + i, step=0)
            run.log_metric("final", 1.0)
            run.log_metric("nan only", float("nan"), step=0)
            run.log_metric("below", -1.0, step=0)
            run.log_metric("m:x <y>", 1.0, step=0)
    runs = list(multitrack.open_journal(tmp_path / "journal").runs())
    for odd in ("m:x <y>", '"m:x <y>"', 'metrics."m:x <y>"'):
        assert lines(plot.overlay(runs, odd)) == [[(0.0, 1.0)]] * 3
    assert plot.parallel(runs, '"m:x <y>"').axes[0].get_title(loc="right") == ""
    figure = plot.overlay(runs, "metrics.loss")
    assert lines(figure) == [[(0.0, 1.0)], [(0.0, 2.0)], [(0.0, 3.0)]]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["one", *(f"twin ({run.id[-6:]})" for run in runs[1:])]
    for name, log, said in (
        ("final", False, "no run has a series or list called 'final'; it is a simple metric, which has no curve"),
        (
            "metrics.loss:min",
            False,
            "'metrics.loss:min': a curve shows all its points and cannot be reduced; say 'loss'",
        ),
        ("loss:min", False, "'loss:min': a curve shows all its points and cannot be reduced; say 'loss'"),
        ("lossy", False, "no run has a series or list called 'lossy' (did you mean 'loss'?)"),
        ("nonsense", False, "'nonsense'; there are loss, nan only, below, m:x <y>"),
        ("nan only", False, "no run has a finite value of 'nan only': there is nothing to draw"),
        ("below", True, "no run has a finite value of 'below' above 0: there is nothing to draw"),
    ):
        with pytest.raises(QueryError, match=re.escape(said)):
            plot.overlay(runs, name, log=log)
    for objective, said in (("metrics.finall", "there are 0 (did you mean 'final'?)"), ("nan only", "there are 0")):
        with pytest.raises(QueryError, match=f"{re.escape(said)}$"):
            plot.parallel(runs, f'"{objective}"' if " " in objective else objective)
    with pytest.raises(ValueError, match=r"must be one of \.png, \.svg, \.pdf"):
        plot.save(figure, tmp_path / "x.gif")
    assert not (tmp_path / "x.gif").exists()


def test_many_runs_are_said_and_fainter(tmp_path: Path) -> None:
    for i in range(40):
        with drawn_runs.start(tmp_path / "journal", f"run {i}") as run:
            run.log_metric("loss", i, step=0)
    figure = plot.overlay(multitrack.open_journal(tmp_path / "journal").runs(), "loss")
    assert figure.axes[0].get_title(loc="right") == "40 runs, too many for a legend"
    assert {line.get_alpha() for line in figure.axes[0].lines} == {0.8}
    assert figure.legends == []


def test_names_are_no_formulas_and_gaps_stay_gaps(tmp_path: Path) -> None:
    drawn_runs.evil(tmp_path / "journal")
    names = ["$\\frac{", "_hidden", "日本語"]
    for name in names:
        with drawn_runs.start(tmp_path / "journal", name, params={name: name}) as run:
            run.log_metric("x", 1.0, step=0)
            run.log_metric("x", float("nan"), step=1)
            run.log_metric("x", 10**400, step=2)
            run.log_metric("score", len(name))
    runs = [run for run in multitrack.open_journal(tmp_path / "journal").runs() if run.manifest.name in names]
    figure = plot.overlay(runs, "x")
    assert [str(value) for _, value in lines(figure)[0]] == ["1.0", "nan", "nan"]
    plot.save(figure, tmp_path / "x.svg")
    text = (tmp_path / "x.svg").read_text()
    assert "frac{" in text
    plot.save(plot.parallel(runs, "score", params=names), tmp_path / "p.png")


def test_the_command_writes_png_and_svg_the_same_each_time(journal: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "a.svg", "b.svg"):
        done = CliRunner().invoke(main, ["plot", "--journal", str(journal), "-m", "loss", "-o", name])
        assert (done.exit_code, re.sub(r"\d+ kB", "N kB", done.output)) == (0, f"{name}: N kB\n")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert Path("a.svg").read_bytes() == Path("b.svg").read_bytes()
    assert Path("a.png").read_bytes()[:4] == b"\x89PNG"
    done = CliRunner().invoke(
        main, ["plot", "--journal", str(journal), "--parallel", "-m", "val_accuracy", "--where", "params.lr > 0.0005",
               "-o", "p.svg"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert Path("p.svg").read_text().startswith("<?xml")
    for option, *values in (("--output", "x.doc"), ("--size", "0", "0"), ("--size", "nan", "3"),
                            ("--size", "100", "100", "--dpi", "1200")):  # fmt: skip
        wrong = CliRunner().invoke(main, ["plot", "--journal", str(journal), "-m", "loss", option, *values])
        assert wrong.exit_code == 2
        assert f"Invalid value for {option}" in wrong.output
        assert "Warning" not in wrong.output


def test_without_matplotlib_it_says_what_to_install(journal: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        f"sys.argv = ['multitrack', 'plot', '--journal', {str(journal)!r}, '-m', 'loss']\n"
        "from multitrack.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"multitrack: pictures need matplotlib: {to_install('plot')}\n"


def test_the_colours_are_the_page_s() -> None:
    style = (Path(plot.__file__).parents[1] / "page" / "assets" / "page.css").read_text()
    light = style[: style.index("}")]
    assert tuple(re.findall(r"--run-\d: (#\w+)", light)) == COLOURS
