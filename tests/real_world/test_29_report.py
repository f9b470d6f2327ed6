"""Case 29: the same values in the report."""

import math
from pathlib import Path
from typing import Any

import pytest

import drawn_runs
import multitrack
from browser import Page
from multitrack.page.render import write_page
from multitrack.plot.parallel_axis import Axis
from odd_runs import HUGE, odd_runs, runs_of

pytestmark = pytest.mark.case(29)


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


@pytest.mark.long("log=1", "x=time")
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
    assert "200 more differing params without an axis" in browser.texts("#search .hint")
