"""The report's table in a real browser: what is clicked does what it says."""

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

import drawn_runs
import multitrack
from browser import Page
from multitrack.page.render import write_page

pytestmark = pytest.mark.slow

BEST = drawn_runs.BEST
NAMES = drawn_runs.NAMES


def test_a_click_on_a_name_sorts_and_a_second_one_turns(page: Page) -> None:
    assert page.rows() == ["grid", *NAMES]
    page.click('[data-key="sort metrics.val_accuracy"]')
    by_accuracy = page.rows()
    assert by_accuracy[0] == BEST
    assert by_accuracy[-1] == "grid"  # which has none
    assert page.texts("th[aria-sort=descending] .sort") == ["val_accuracy▼"]
    page.click('[data-key="sort metrics.val_accuracy"]')
    assert page.rows() == [*reversed(by_accuracy[:-1]), "grid"]
    page.click('[data-key="sort params.batch_size"]')
    assert [name.partition("bs=")[2] for name in page.rows()] == ["32"] * 3 + ["64"] * 3 + ["128"] * 3 + [""]
    assert "sort=params.batch_size" in page.driver.current_url
    page.reload()
    assert page.rows()[:1] == ["lr=0.01 bs=32"]
    assert page.texts("th[aria-sort] .sort") == ["batch_size▲"]


def test_columns_stand_in_groups_and_those_that_are_equal_are_hidden(page: Page) -> None:
    groups = page.js("[...document.querySelectorAll('.groups th')].map((th) => [th.textContent, th.colSpan])")
    assert groups == [["run", 4], ["params", 3], ["metrics", 3], ["lists", 1], ["models", 1]]
    page.click('[data-key="all"]')
    assert "model/units" in " ".join(page.texts("thead .sort"))
    assert page.js("document.activeElement.dataset.key") == "all"


def test_the_best_of_a_column_is_marked_where_they_differ(page: Page) -> None:
    marked = (
        "[...document.querySelectorAll('td.best')].map((td) => [td.parentElement.cells[1].textContent, td.textContent])"
    )
    assert page.js(marked) == [[BEST, text] for text in ("0.950457", "1.15908", "0.960457", "1.10083")]
    page.click("select[data-key='reduce lists.batch_loss'] option[value=first]")
    assert page.js(marked) == [[BEST, text] for text in ("0.950457", "1.15908", "0.960457")]  # all began with 2.3


def test_groups_of_columns_are_switched_off_and_on(page: Page) -> None:
    names = lambda: [text.rstrip("▲▼") for text in page.texts("thead .sort")]  # noqa: E731
    everything = names()
    assert len(everything) == 12
    assert page.texts(".switches button") == [
        "run",
        "tags",
        "params",
        "metrics",
        "lists",
        "inputs",
        "outputs",
        "models",
    ]
    page.click('[data-key="fold metadata"]')
    page.click('[data-key="fold params"]')
    assert names() == ["name", "test_accuracy", "loss", "val_accuracy", "batch_loss", "weights"]
    assert page.js("document.activeElement.getAttribute('aria-pressed')") == "false"
    page.reload()
    assert names() == ["name", "test_accuracy", "loss", "val_accuracy", "batch_loss", "weights"]
    page.click('[data-key="fold params"]')
    page.click('[data-key="fold metadata"]')
    assert names() == everything


def test_the_reduction_is_chosen_in_the_header(page: Page) -> None:
    cells = lambda: page.js(  # noqa: E731
        "[...document.querySelectorAll('tbody tr')].map((tr) => tr.cells[tr.cells.length - 2].textContent)"
    )
    assert page.texts("select[data-key='reduce lists.batch_loss'] option") == [
        "last", "first", "min", "max", "mean", "median", "count", "best",
    ]  # fmt: skip
    page.click("select[data-key='reduce lists.batch_loss'] option[value=max]")
    assert cells() == ["", *(f"{9.75 + size:g}" for _ in drawn_runs.RATES for size in drawn_runs.SIZES)]
    page.click("select[data-key='reduce lists.batch_loss'] option[value=count]")
    assert cells() == ["", *["6000"] * 9]
    assert "reduce=lists.batch_loss%3Acount" in page.driver.current_url


def test_the_filter_takes_words_and_conditions(page: Page) -> None:
    def filtered(text: str) -> list[str]:
        box = page.find("[data-key=filter]")
        box.clear()
        box.send_keys(text, Keys.ENTER)
        assert page.js("document.activeElement.dataset.key") == "filter"
        return page.rows()

    assert filtered("lr<0.01 batch_size>=64") == [name for name in NAMES[3:] if not name.endswith("bs=32")]
    assert page.texts("#runs .count") == ["4 of 10 runs"]
    assert filtered('"BS=32"') == [name for name in NAMES if name.endswith("bs=32")]
    assert filtered('"lr=0.001 "') == NAMES[3:6]
    assert filtered("metrics.val_accuracy>0.8 stage=grid") == NAMES[:2]
    assert filtered("status!=finished") == []
    assert page.texts("#runs .empty") == ["No run matches the filter."]


def test_keys_alone_sort_hide_and_open_a_run(page: Page) -> None:
    seen: list[str] = []
    for _ in range(60):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        key = page.js("document.activeElement.dataset.key") or ""
        seen.append(key)
        outline = page.js("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid" or page.js("document.activeElement.matches('.end')"), key
        if key == "sort params.lr":
            page.driver.switch_to.active_element.send_keys(Keys.ENTER)
            assert page.js("document.activeElement.dataset.key") == key
            assert page.rows()[:3] == NAMES[6:]
        elif key.startswith("eye"):
            page.driver.switch_to.active_element.send_keys(Keys.SPACE)
            assert page.js("document.activeElement.getAttribute('aria-pressed')") == "false"
        elif key.startswith("open"):
            page.driver.switch_to.active_element.send_keys(Keys.ENTER)
            page.wait("document.querySelector('#single h1')")
            break
    assert page.texts("#single h1") == [NAMES[6]]
    assert {"theme", "filter", "sort metadata.name"} <= set(seen)


@pytest.mark.parametrize("width", [1280, 390])
def test_long_names_that_differ_at_their_end_are_told_apart(browser: Page, tmp_path: Path, width: int) -> None:
    names = [f"resnet50 imagenet cosine schedule with warm restarts seed {seed}" for seed in (1, 2)]
    for name in names:
        path = f"/data/checkpoints/imagenet/2026/{name}/weights.keras"
        params = {"weights": path, "optimizer/schedule/1": name[-1], "optimizer/schedule/2": name}
        with drawn_runs.start(tmp_path / "journal", name, params=params) as run:
            run.log_metric("loss", 1.0, step=0)
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "journal").runs())
    browser.open((tmp_path / "r.html").as_uri(), width=width)
    assert browser.rows() == names
    for cell, name in zip(browser.all("tbody th.name"), names, strict=True):
        end = cell.find_element("css selector", ".rest")
        assert end.text == name[-14:]
        assert cell.rect["x"] < end.rect["x"] < end.rect["x"] + end.rect["width"] <= cell.rect["x"] + cell.rect["width"]
        assert cell.find_element("css selector", "a").get_attribute("title") == name
    assert browser.texts(".legend button") == [f"resnet50 imag…estarts seed {seed}" for seed in (1, 2)]
    assert [trace["name"] for trace in browser.graph("metrics.loss")] == [
        f"resnet50 imagenet c…warm restarts seed {seed}" for seed in (1, 2)
    ]
    assert len({cell for cell in browser.texts("tbody td:not(.look)") if cell.startswith("/data")}) == 2
    assert len(set(browser.texts(".axis .label"))) == len(browser.texts(".axis .label")) > 2
    assert browser.troubles() == []


def test_the_table_stays_where_it_was_scrolled_to(browser: Page, tmp_path: Path) -> None:
    for i in range(60):
        with drawn_runs.start(tmp_path / "journal", f"run {i}") as run:
            run.log_metric("loss", i, step=0)
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "journal").runs(), charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    browser.js("document.querySelectorAll('.eye')[50].focus()")
    scrolled = browser.js("document.querySelector('#runs .scroll').scrollTop")
    browser.driver.switch_to.active_element.send_keys(Keys.SPACE)
    assert len(browser.all("tr.off")) == 1
    assert browser.js("document.querySelector('#runs .scroll').scrollTop") == scrolled > 500
    assert browser.troubles() == []
