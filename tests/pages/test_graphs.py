"""The report's graphs and parallel coordinates in a real browser: hidden, smoothed, thinned, brushed."""

import math
import re
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

import drawn_runs
import multitrack
from browser import Page
from multitrack.page.render import write_page
from multitrack.plot.overlays import overlay, smoothed
from multitrack.plot.parallel_axis import Axis

pytestmark = pytest.mark.slow

BEST = drawn_runs.BEST
NAMES = drawn_runs.NAMES


def test_eye_and_legend_hide_a_run_in_the_graphs(page: Page, known: dict[str, str]) -> None:
    assert [trace["run"] for trace in page.graph("metrics.loss")] == [known[name] for name in NAMES]
    page.click(f'[data-key="eye {known[BEST]}"]')
    assert [trace["run"] for trace in page.graph("metrics.loss")] == [known[name] for name in NAMES[1:]]
    assert page.find(f'[data-key="legend {known[BEST]}"]').get_attribute("aria-pressed") == "false"
    page.click(f'[data-key="legend {known[NAMES[1]]}"]')
    page.click(f'[data-key="legend {known[BEST]}"]')
    assert [trace["run"] for trace in page.graph("metrics.loss")] == [known[name] for name in (BEST, *NAMES[2:])]
    assert page.rows() == ["grid", *NAMES]  # still in the table


def test_each_run_has_a_look_of_its_own_which_stays(page: Page) -> None:
    looks = {trace["run"]: (trace["colour"], trace["dash"]) for trace in page.graph("metrics.loss")}
    assert len(set(looks.values())) == 9
    page.click('[data-key="sort metrics.val_accuracy"]')
    assert {trace["run"]: (trace["colour"], trace["dash"]) for trace in page.graph("lists.batch_loss")} == looks


def test_smoothing_log_scale_and_the_x_axis(page: Page, report: Path) -> None:
    plain = page.graph("metrics.loss")
    assert plain[0]["x"] == list(range(10))
    page.js(
        "(arguments[0].value = '0.5', arguments[0].dispatchEvent(new Event('input')))", page.find("[data-key=smooth]")
    )
    page.wait("document.querySelector('figure .plot').data.length === 18")
    faint, smooth = page.graph("metrics.loss")[:2]
    assert (faint["opacity"], faint["y"]) == (0.25, plain[0]["y"])
    first, second = plain[0]["y"][:2]
    assert smooth["y"][:2] == pytest.approx([first, (0.25 * first + 0.5 * second) / 0.75])
    page.click("[data-key=log]")
    page.click("[data-key=x] option[value=time]")
    assert page.layout("metrics.loss") == {"x": "seconds since start", "y": "log"}
    run = multitrack.open_journal(report.parent / "journal").run(BEST)
    times = [(point.time - run.manifest.created) / 1000 for point in run.get_metrics("loss")["loss"]]
    assert page.graph("metrics.loss")[0]["x"] == times
    page.driver.back()
    page.driver.forward()
    assert page.layout("metrics.loss")["y"] == "log"


def test_smoothing_a_thinned_series_weighs_all_its_points(browser: Page, tmp_path: Path) -> None:
    values = [math.exp(-i / 50) for i in range(5000)]
    with drawn_runs.start(tmp_path / "journal", "long") as run:
        run.log_list_metric("long", values)
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "journal").runs())
    browser.open(f"{(tmp_path / 'r.html').as_uri()}#smooth=0.9")
    whole = smoothed(values, 0.9)
    drawn = browser.graph("lists.long")[1]
    picture = overlay(multitrack.open_journal(tmp_path / "journal").runs(), "long", smooth=0.9).axes[0].lines[1]
    for steps, found in ((drawn["x"], drawn["y"]), (picture.get_xdata(), picture.get_ydata())):
        assert 100 < len(found) < 1200
        assert list(found) == pytest.approx([whole[int(step)] for step in steps], rel=0.4)
        assert found[5] == pytest.approx(whole[int(steps[5])], rel=0.2)  # stretch by stretch it was twice as much
    assert browser.troubles() == []


def test_the_smoothing_slider_is_dragged(page: Page) -> None:
    slider = page.find("[data-key=smooth]")
    page.js("arguments[0].scrollIntoView({block: 'center'})", slider)
    width = slider.rect["width"]
    chain = ActionChains(page.driver, duration=20).move_to_element_with_offset(slider, round(8 - width / 2), 0)
    chain.click_and_hold().move_by_offset(20, 0).move_by_offset(round(width / 2 - 28), 0).release().perform()
    assert 0.4 < float(slider.get_property("value")) < 0.6  # the middle, and the element that was there before
    assert page.texts("#graphs output") == [f"{float(slider.get_property('value')):.2f}"]
    assert f"smooth={slider.get_property('value')}" in page.driver.current_url


def test_smoothing_leaves_gaps_where_the_points_have_them(browser: Page, tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    with drawn_runs.start(tmp_path / "journal", "gaps") as run:
        for step, value in enumerate([1, nan, 3, inf, -inf, 2]):
            run.log_metrics({"some": value, "none": nan}, step=step)
        run.log_list_metric("long", [5.0] * 3000 + [nan] * 3000 + [5.0] * 3000)  # thinned: whole stretches are NaN
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "journal").runs())
    browser.open(f"{(tmp_path / 'r.html').as_uri()}#smooth=0.6")
    faint, smooth = browser.graph("metrics.some")
    assert faint["y"] == [1, None, 3, None, None, 2]
    assert smooth["y"] == [1, None, pytest.approx(2.25), None, None, pytest.approx(2.1224, abs=1e-4)]
    assert [trace["y"] for trace in browser.graph("metrics.none")] == [[None] * 6] * 2
    shown = browser.js("[...document.querySelectorAll('figure .plot')].map((plot) => plot.layout.yaxis.range)")
    assert 0.5 < shown[0][0] < 1
    faint, smooth = browser.graph("lists.long")
    assert all(value in (None, pytest.approx(5)) for value in smooth["y"])
    gaps = [x for x, y in zip(smooth["x"], smooth["y"], strict=True) if y is None]
    assert 3000 <= gaps[0] < 3100
    assert 5900 < gaps[-1] < 6000
    assert browser.troubles() == []


def test_thinning_is_said_and_keeps_extremes(page: Page) -> None:
    traces = page.graph("lists.batch_loss")
    assert [max(trace["y"]) for trace in traces] == [9.75 + size for _ in drawn_runs.RATES for size in drawn_runs.SIZES]
    assert all(len(trace["y"]) <= 1200 for trace in traces)
    assert all((trace["x"][0], trace["x"][-1]) == (0, 5999) for trace in traces)
    note = page.texts("figure[data-column='lists.batch_loss'] figcaption .hint")
    assert note[0] == "list"
    assert note[1].startswith("up to 6,000 points per run, ")
    assert note[1].endswith(" drawn with all extremes")
    assert "series of more than 1,200 points are thinned" in page.find(".top").text


def drag(page: Page, axis: str, low: float, high: float) -> None:
    """Drag along an axis, from one place to another (0 to 1)."""
    grip = page.find(f'[data-axis="{axis}"] .grip')
    page.js("arguments[0].scrollIntoView({block: 'center'})", grip)
    height = grip.rect["height"] - 12
    at = lambda place: round((0.5 - place) * height)  # noqa: E731
    chain = ActionChains(page.driver, duration=20).move_to_element_with_offset(grip, 0, at(low)).click_and_hold()
    chain.move_by_offset(0, (at(high) - at(low)) // 2).move_by_offset(0, at(high) - at(low) - (at(high) - at(low)) // 2)
    chain.release().perform()


def test_a_range_dragged_on_an_axis_filters_table_and_graphs(page: Page, known: dict[str, str]) -> None:
    assert page.texts(".axis .label") == ["lrlr", "batch_sizebatch_size", "val_accuracyval_accuracy"]
    assert page.texts('[data-axis="params.lr"] .tick') == ["0.0001", "0.001", "0.01"]
    assert len(page.all(".parallel .line")) == 9
    drag(page, "params.lr", 0.3, 0.9)  # a logarithmic axis: 0.001 in the middle
    assert page.rows() == NAMES[3:6]
    (chip,) = page.texts("#runs .bar > .chip")
    low, high = map(float, re.fullmatch(r"lr (\S+) to (\S+) ×", chip).groups())  # type: ignore[union-attr]
    assert (low, high) == (pytest.approx(10**-3.4, rel=0.1), pytest.approx(10**-2.2, rel=0.1))
    assert [trace["run"] for trace in page.graph("metrics.loss")] == [known[name] for name in NAMES[3:6]]
    assert len(page.all(".parallel .line:not(.out)")) == 3
    drag(page, "params.batch_size", 0.0, 0.2)
    assert page.rows() == ["lr=0.001 bs=32"]
    address = page.driver.current_url
    page.open(address)
    assert page.rows() == ["lr=0.001 bs=32"]
    page.click('[data-key="unbrush params.lr"]')
    assert page.rows() == [name for name in NAMES if name.endswith("bs=32")]
    page.click('[data-axis="params.batch_size"] .grip')
    assert page.rows() == ["grid", *NAMES]


def test_a_range_is_set_by_keys(page: Page) -> None:
    end = page.find('[data-key="lower params.lr"]')
    page.js("arguments[0].focus()", end)
    for _ in range(11):
        page.driver.switch_to.active_element.send_keys(Keys.PAGE_UP)
    assert page.driver.switch_to.active_element.get_attribute("aria-valuetext") == "0.01, the end"
    assert page.rows() == NAMES[:3]
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert page.rows() == ["grid", *NAMES]


def test_a_range_is_one_of_values(browser: Page, tmp_path: Path) -> None:
    """It takes the same runs where others arrive, in another report, and with another reduction and objective."""
    journal = tmp_path / "journal"

    def report(*runs: tuple[float, str]) -> str:
        for rate, optimizer in runs:
            name = f"{rate} {optimizer}"
            with drawn_runs.start(journal, name, params={"lr": rate, "opt": optimizer, "big": 2**60 + round(rate * 100)}) as run:  # fmt: skip
                run.log_metrics({"val_loss": rate, "loss": 1 - rate}, step=0)
                run.log_metrics({"val_loss": 10 * rate, "loss": 1 - rate}, step=1)
        write_page(tmp_path / "r.html", multitrack.open_journal(journal).runs(), charts=False)
        return (tmp_path / "r.html").as_uri()

    browser.open(report((0.01, "a"), (0.03, "c"), (0.05, "e")))
    drag(browser, "params.lr", 0.25, 1.0)
    drag(browser, "params.opt", 0.0, 0.6)
    drag(browser, "metrics.val_loss", 0.3, 0.7)
    assert browser.rows() == ["0.03 c"]
    assert browser.texts("#runs .bar > .chip")[1] == "opt a to c ×"
    fragment = browser.driver.current_url.partition("#")[2]
    browser.open(f"{report((0.5, 'c'), (0.04, 'b'), (0.03, 'd'))}#{fragment}")
    assert browser.rows() == ["0.03 c"]  # 0.04 has too high a loss
    browser.view(f"{fragment}&reduce=metrics.val_loss:first")
    assert browser.rows() == []
    browser.view(fragment)
    browser.click("[data-key=objective] option[value='metrics.loss']")
    assert browser.rows() == ["0.03 c", "0.04 b"]
    brushes = browser.js("document.querySelectorAll('.brush').length")
    assert brushes == 2
    browser.click('[data-key="unbrush params.opt"]')
    browser.js("document.querySelector('[data-key=\"upper params.opt\"]').focus()")
    for text in ("d", "c"):
        browser.driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
        assert browser.driver.switch_to.active_element.get_attribute("aria-valuetext") == text
    assert browser.rows() == ["0.03 c", "0.04 b"]
    browser.view("brush=params.big:1152921504606846979:1152921504606846980")
    assert browser.rows() == ["0.03 c", "0.04 b", "0.03 d"]
    for odd in ("params.lr:x:1", 'params.lr:1:"a"', "params.lr", 'params.lr:"a\\":1', "params.lr:1:inf"):
        browser.open(f"{(tmp_path / 'r.html').as_uri()}#brush={odd}")
        assert len(browser.rows()) == 6
    assert browser.troubles() == []


def test_lines_are_coloured_by_the_objective(page: Page, known: dict[str, str]) -> None:
    stroke = lambda name: page.find(f'.line[data-run="{known[name]}"]').get_attribute("stroke")  # noqa: E731
    assert stroke(BEST) == "rgb(201,179,91)"  # the upper end of the scale
    assert len({stroke(name) for name in NAMES}) > 5
    page.click("[data-key=objective] option[value='metrics.loss']")
    assert page.texts(".goal .label") == ["lossloss"]
    assert stroke(BEST) == "rgb(0,34,78)"


#: Params of seven runs; the axes of wide and zero are logarithmic.
SCALES = {
    "narrow": [1, 49, 2, 3, 4, 5, 6], "wide": [1.0, 50.0, 2, 3, 4, 5, 6], "zero": [0, 0.001, 0.01, 0.1, 1, 10, 100],
    "zeros": [0, 1e-3] * 3 + [0], "negative": [-1e-3, 1, 10, 100, 1e3, 1e4, 1e5], "huge": [2**60 + i * i for i in range(7)],
}  # fmt: skip


def test_axes_are_scaled_as_those_of_pictures(browser: Page, tmp_path: Path) -> None:
    for i in range(7):
        params = {name: values[i] for name, values in SCALES.items()}
        with drawn_runs.start(tmp_path / "journal", f"run {i}", params=params) as run:
            run.log_metric("loss", 10.0 ** (i - 3))
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "journal").runs(), charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    paths = browser.js(
        "Object.fromEntries([...document.querySelectorAll('.parallel .line')].map((line) => "
        "[line.querySelector('title').textContent.split(':')[0], line.getAttribute('d').match(/[\\d.]+(?=L|$)/g).map(Number)]))"
    )
    bottom, top = browser.js("['y1', 'y2'].map((y) => Number(document.querySelector('.axis .rule').getAttribute(y)))")
    drawn = [[(bottom - y) / (bottom - top) for y in paths[f"run {i}"]] for i in range(7)]
    values = SCALES | {"loss": [10.0 ** (i - 3) for i in range(7)]}
    assert browser.texts(".axis .label title") == list(values)
    for i, (name, found) in enumerate(values.items()):
        places = Axis(name, found).places
        assert [at[i] for at in drawn] == pytest.approx(places, abs=1e-3), name
        low, high = min(found), max(found)
        linear = [(value - low) / (high - low) for value in found]
        assert (places != pytest.approx(linear, abs=1e-3)) == (name in ("wide", "zero", "loss")), name
    assert browser.troubles() == []


def test_ticks_have_the_fewest_digits_that_tell_them_apart(browser: Page, tmp_path: Path) -> None:
    """Also where values differ by how they were come by: 0.3 and 0.1 * 3."""
    for i in range(14):
        step = i % 7
        rate = step / 10 if i < 7 else 0.1 * step
        params = {"dropout": 0.1 * (step % 2 * 3 + 3) if i < 7 else [0.3, 0.6][step % 2], "rate": rate,
                  "clip": None if step == 1 else 0.1 * 3, "norm": "no" if step == 1 else [0.3, 0.1 * 3][i // 7]}  # fmt: skip
        with drawn_runs.start(tmp_path / "journal", f"run {i}", params=params) as run:
            run.log_metric("loss", i)
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "journal").runs(), charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    ticks = {name: browser.texts(f'[data-axis="params.{name}"] .tick') for name in ("dropout", "rate", "clip", "norm")}
    assert ticks == {
        "dropout": ["0.3", "0.6"],
        "rate": ["0", "0.15", "0.3", "0.45", "0.6"],
        "clip": ["0.3"],
        "norm": ["0.3", "no"],
    }
    assert browser.texts(".axis .none") == ["none"]  # of those whose clip is None
    assert browser.troubles() == []


def test_parallel_coordinates_fit_where_they_are(browser: Page, tmp_path: Path) -> None:
    """Also where the page got its scrollbar only once they were drawn; and no text is cut at either side."""
    for i in range(3):
        params = {"optimizer/schedule/warmup/steps": i, "lr": i % 2}
        with drawn_runs.start(tmp_path / "journal", f"run {i}", params=params) as run:
            run.log_metric("validation/top_5_accuracy", 0.9000001 + i * 1e-7)
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "journal").runs(), charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    cut = """[...document.querySelectorAll('.parallel text')].filter((e) => e.getBBox().x < 0 ||
        e.getBBox().x + e.getBBox().width > e.ownerSVGElement.width.baseVal.value).map((e) => e.textContent)"""
    fits = "document.querySelector('#search .scroll').clientWidth === document.querySelector('.parallel').width.baseVal.value"
    assert browser.texts(".goal .tick")[0] == "0.9000001"
    for width in (1240, 700, 1225):
        browser.js("(document.body.style.maxWidth = `${arguments[0]}px`)", width)
        browser.wait(fits)
        assert browser.js(cut) == []
    assert browser.troubles() == []


def test_many_runs_are_fainter(browser: Page, tmp_path: Path) -> None:
    for i in range(40):
        with drawn_runs.start(tmp_path / "journal", f"run {i}") as run:
            run.log_metric("loss", i, step=0)
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "journal").runs())
    browser.open((tmp_path / "r.html").as_uri())
    assert [trace["opacity"] for trace in browser.graph("metrics.loss")] == [0.8] * 40
    browser.open(f"{(tmp_path / 'r.html').as_uri()}#filter=name~3")
    assert {trace["opacity"] for trace in browser.graph("metrics.loss")} == {1}


def test_runs_of_one_name_are_told_apart(browser: Page, tmp_path: Path) -> None:
    for name in ("one", "twin", "twin"):
        with drawn_runs.start(tmp_path / "journal", name, params={"name": name}) as run:
            run.log_metric("loss", 1.0, step=0)
    runs = list(multitrack.open_journal(tmp_path / "journal").runs())
    write_page(tmp_path / "r.html", runs)
    browser.open((tmp_path / "r.html").as_uri())
    labels = ["one", *(f"twin ({run.id[-6:]})" for run in runs[1:])]
    assert browser.texts(".legend button") == labels
    assert [trace["name"] for trace in browser.graph("metrics.loss")] == labels
    assert [title.partition(":")[0] for title in browser.texts(".parallel .line title")] == labels
    assert browser.troubles() == []
