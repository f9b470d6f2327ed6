"""What differs is never shown as equal, however little it differs."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

import drawn_runs
import multitrack
from browser import Page
from multitrack import plot
from multitrack.page.render import write_page

pytestmark = pytest.mark.slow

HUGE = 2**53


def column(page: Page, key: str, what: str = "textContent") -> list[str]:
    """What a column shows, from the top; or the titles of its cells."""
    return page.js(
        "((sort) => [...document.querySelectorAll('tbody tr')].map((tr) => tr.cells[sort.closest('th').cellIndex][arguments[1]]))"
        "([...document.querySelectorAll('.sort')].find((sort) => sort.dataset.key === `sort ${arguments[0]}`))",
        key, what,
    )  # fmt: skip


def shown(page: Page) -> list[str]:
    """The table's columns."""
    return page.js("[...document.querySelectorAll('.sort')].map((sort) => sort.dataset.key.slice('sort '.length))")


def axes(page: Page) -> list[str]:
    """Those of parallel coordinates."""
    return page.js("[...document.querySelectorAll('[data-axis]')].map((axis) => axis.dataset.axis)")


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    journal = tmp_path_factory.mktemp("exact") / "journal"
    for i in range(4):
        params = {
            "tiny": 1.0 + i * 1e-7,
            "huge": HUGE + i,
            "same": 0.1 + 0.2,
            "lr": 0.1**i,
            "single": 0.1**i * (1 + 1e-9),
        }
        with drawn_runs.start(journal, f"run {i}", params=params, tags={"stage": "x"}) as run:
            run.log_metrics({"score": HUGE + 4 - i, "loss": 1 / (3 + i)})
    return journal


@pytest.fixture
def page(browser: Page, journal: Path, tmp_path: Path) -> Iterator[Page]:
    write_page(tmp_path / "r.html", multitrack.open_journal(journal).runs(), charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    yield browser
    assert browser.troubles() == []


def test_params_that_differ_are_shown_and_told_apart(page: Page) -> None:
    assert column(page, "params.tiny") == ["1", "1.0000001", "1.0000002", "1.0000003"]
    assert column(page, "params.huge") == [str(HUGE + i) for i in range(4)]
    assert "params.same" not in shown(page)
    assert column(page, "params.lr", "title") == ["", "", "0.010000000000000002", "0.0010000000000000002"]
    assert column(page, "metrics.loss", "title")[0] == str(1 / 3)
    page.click('[data-key="sort params.huge"]')
    page.click('[data-key="sort params.huge"]')
    assert page.rows() == [f"run {i}" for i in (3, 2, 1, 0)]
    page.click('[data-key="sort metrics.score"]')
    assert page.rows() == [f"run {i}" for i in range(4)]  # the most first
    page.click("tr[data-run]:last-child th a")
    page.wait("document.querySelector('#single h1')?.textContent === 'run 3'")
    cells = page.texts("#single td")
    assert {str(1.0 + 3e-7), str(HUGE + 3), "0.30000000000000004"} <= set(cells)


def test_only_finite_values_are_the_best(browser: Page, tmp_path: Path) -> None:
    for name, value in {"a": float("nan"), "b": float("inf"), "c": 2**70, "d": 2**70 + 1, "e": float("-inf")}.items():
        with drawn_runs.start(tmp_path / "journal", name) as run:
            run.log_metrics({"accuracy": value, "loss": value})
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "journal").runs(), charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    assert column(browser, "metrics.loss") == ["NaN", "Infinity", str(2**70), str(2**70 + 1), "-Infinity"]
    assert [text.endswith("best") for text in column(browser, "metrics.accuracy", "className")] == [
        name == "d" for name in "abcde"
    ]
    assert [text.endswith("best") for text in column(browser, "metrics.loss", "className")] == [
        name == "c" for name in "abcde"
    ]
    assert browser.troubles() == []


def test_a_zero_stands_below_a_logarithmic_axis(browser: Page, tmp_path: Path) -> None:
    for rate in (0, *(10.0**-i for i in range(9))):
        with drawn_runs.start(tmp_path / "journal", f"{rate}", params={"lr": rate}) as run:
            run.log_metric("score", rate)
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "journal").runs(), charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    assert browser.texts('[data-axis="params.lr"] .tick') == ["0", "1e-8", "0.000001", "0.0001", "0.01", "1"]
    ys = browser.js(
        "[...document.querySelectorAll('[data-axis=\"params.lr\"] .tick')].map((e) => Number(e.getAttribute('y')))"
    )
    gaps = [above - below for below, above in zip(ys[1:], ys, strict=False)]
    assert gaps == pytest.approx([gaps[1] * 0.6, *[gaps[1]] * 4])
    assert len(browser.all(".parallel .line")) == 10
    assert browser.troubles() == []


def test_what_differs_has_an_axis(page: Page, journal: Path) -> None:
    assert axes(page) == ["params.tiny", "params.huge", "params.lr", "metrics.score"]
    ticks = [f"9007…{str(HUGE + i)[-5:]}{HUGE + i}" for i in range(4)]  # and the whole as its title
    assert page.texts('[data-axis="params.huge"] .tick') == ticks
    places = page.js("[...document.querySelectorAll('.parallel .line')].map((e) => e.getAttribute('d'))")
    assert len(set(places)) == 4
    figure = plot.parallel(multitrack.open_journal(journal).runs(), "loss")
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["tiny", "huge", "lr", "loss"]
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"1.0000001", "1.0000002", str(HUGE + 1)} <= set(texts)
    assert sorted({line.get_ydata()[1] for line in figure.axes[0].lines if len(line.get_xdata()) == 4}) == [
        0,
        1 / 3,
        2 / 3,
        1,
    ]


def test_what_only_some_runs_have_is_a_difference(browser: Page, tmp_path: Path) -> None:
    for i in range(4):
        only = {"dropout": 0.5} if i == 1 else {}
        tags = {"gpu": "a"} if i else {}
        with drawn_runs.start(tmp_path / "journal", f"r{i}", params={"units": 64, **only}, tags=tags) as run:
            run.log_metric("score", i)
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "journal").runs(), charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    assert column(browser, "params.dropout") == ["", "0.5", "", ""]
    assert column(browser, "tags.gpu") == ["", "a", "a", "a"]
    assert "params.units" not in shown(browser)
    assert axes(browser) == ["params.dropout", "metrics.score"]
    starts = browser.js(
        "[...document.querySelectorAll('.parallel .line')].map((e) => e.getAttribute('d').split(/[ L]/)[1])"
    )
    end = float(browser.js("document.querySelector('[data-axis=\"params.dropout\"] .rule').getAttribute('y1')"))
    assert [float(y) > end for y in starts] == [True, False, True, True]  # below the axis
    assert browser.troubles() == []


def test_what_keras_said_has_an_axis_only_where_there_is_nothing_else(browser: Page, tmp_path: Path) -> None:
    for name, given in {
        "given": ({"learning_rate_of_adam": 0.1}, {"learning_rate_of_adam": 0.2}),
        "none": ({}, {}),
    }.items():
        for i, params in enumerate(given):
            with drawn_runs.start(tmp_path / name, f"{i}", params=params) as run:
                run.log_params({"fit/steps": i}, source="keras")
                run.log_metric("score", i)
        write_page(tmp_path / f"{name}.html", multitrack.open_journal(tmp_path / name).runs(), charts=False)
    for name, first in (("given", "params.learning_rate_of_adam"), ("none", "params.fit/steps")):
        browser.open((tmp_path / f"{name}.html").as_uri())
        assert axes(browser) == [first, "metrics.score"]
        assert "params.fit/steps" in shown(browser)  # the table has all
        name_of_axis = first.removeprefix("params.")
        assert browser.texts(".axis .label")[0] == name_of_axis * 2  # whole, as there is room; and its title
    assert browser.troubles() == []


def test_what_a_search_has_and_its_trials_lack_is_no_difference(browser: Page, tmp_path: Path) -> None:
    """Nor what all of them have alike and the search lacks; what one of two searches lacks is one."""
    for name, own in {"one": {"search/tuner": "grid"}, "two": {"search/tuner": "grid", "search/seed": 7}}.items():
        with drawn_runs.start(tmp_path / "journal", name, params=own) as search:
            for i in range(3):
                more = {"l2": 0.1} if (name, i) == ("two", 1) else {}
                with drawn_runs.start(tmp_path / "journal", f"{name} {i}", params={"units": 64, **more}, parent=search):
                    pass
    runs = list(multitrack.open_journal(tmp_path / "journal").runs())
    write_page(tmp_path / "r.html", [run for run in runs if run.facts.name.startswith("one")], charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    assert [key for key in shown(browser) if not key.startswith("metadata")] == []
    write_page(tmp_path / "r.html", runs, charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    assert [key for key in shown(browser) if not key.startswith("metadata")] == ["params.search/seed", "params.l2"]
    assert browser.troubles() == []


def test_numbers_of_a_column_are_told_apart_as_they_are_reduced(browser: Page, tmp_path: Path) -> None:
    for seed, loss in enumerate((0.123456789, 0.12345679, 0.123456791)):
        with drawn_runs.start(tmp_path / "journal", f"{seed}") as run:
            run.log_metric("seed_loss", loss)
            for step, value in enumerate((0.5 + seed * 1e-11, 0.25, 10000.4 + seed)):
                run.log_metric("loss", value, step=step)
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "journal").runs(), charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    assert column(browser, "metrics.seed_loss") == ["0.123456789", "0.12345679", "0.123456791"]
    assert column(browser, "metrics.loss") == ["10000.4", "10001.4", "10002.4"]
    browser.click("[data-key='reduce metrics.loss'] option[value=first]")
    assert column(browser, "metrics.loss") == ["0.5", "0.50000000001", "0.50000000002"]
    assert browser.troubles() == []


def test_large_numbers_are_whole_before_their_point(browser: Page, tmp_path: Path) -> None:
    for name, base in {"a": 99999.5, "b": 123456789.12, "c": 100000.123}.items():
        with drawn_runs.start(tmp_path / "journal", name) as run:
            for step in range(3):
                run.log_metric("loss", base + step / 3, step=step)
            run.log_metric("tokens", base)
    runs = list(multitrack.open_journal(tmp_path / "journal").runs())
    write_page(tmp_path / "r.html", runs, charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    assert column(browser, "metrics.tokens") == ["99999.5", "123456789", "100000"]
    rows = []
    for run in runs:
        browser.view(f"run={run.id}")
        rows.append(browser.texts("#single [aria-label=Metrics] td:not(:empty)"))
    assert rows == [
        ["99999.5", "100000.167", "3", "99999.5", "99999.5", "100000.167", "99999.8333", "99999.8333"],
        ["123456789.12", "123456790", "3", "123456789.12", "123456789.12", "123456790", "123456789", "123456789"],
        ["100000.123", "100000.79", "3", "100000.123", "100000.123", "100000.79", "100000.456", "100000.456"],
    ]
    assert browser.troubles() == []


def test_what_rounds_up_to_the_next_unit_has_it(page: Page) -> None:
    code = (files("multitrack.page") / "assets" / "dom.js").read_text(encoding="utf-8")
    found = page.driver.execute_script(
        f"{code}; return [sizeText(999600), sizeText(999), tookText(119.7), tookText(59)]"
    )
    assert found == ["1.00 MB", "999 B", "2 min 00 s", "59.0 s"]
