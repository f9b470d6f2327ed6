"""The report in a real browser: a run's own page, all that every page must have, and a page that is served."""

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

import drawn_runs
import multitrack
from browser import Page
from multitrack.page.render import Options, write_page
from multitrack.page.server import PageServer
from multitrack.page.watched import Watched

pytestmark = pytest.mark.slow

BEST = drawn_runs.BEST
NAMES = drawn_runs.NAMES


def test_a_run_has_a_page_of_its_own(page: Page, known: dict[str, str]) -> None:
    page.click(f'[data-key="open {known[BEST]}"]')
    assert page.texts("#single h1") == [BEST]
    assert not page.find("#overview").is_displayed()
    text = page.find("#single").text
    for part in ("model/units", "code", "test_accuracy", "s3://bucket/model.keras", "git commit", "pytest", "packages"):
        assert part in text, part
    assert page.texts("#single a.uri")[:1] == ["https://example.org/digits.csv"]
    rows = {row[0]: row for row in page.js("[...document.querySelectorAll('#single tr')].map((tr) => [...tr.cells].map((c) => c.textContent))")}  # fmt: skip
    assert (rows["batch_loss"][2], rows["batch_loss"][5]) == ("6000", "41.75")
    assert [trace["run"] for trace in page.graph("metrics.loss")] == [known[BEST]]
    page.driver.back()
    assert page.find("#overview").is_displayed()
    page.click(f'[data-key="open {known["grid"]}"]')
    assert page.texts("#single .facts .list a") == NAMES
    assert "Two params." in page.find("#single .notes").text


def test_a_run_and_the_way_back_keep_what_is_looked_at(page: Page, known: dict[str, str]) -> None:
    ticked = lambda: page.js(  # noqa: E731
        "[...document.querySelectorAll('[data-key=log]')].filter((e) => e.offsetParent).map((e) => e.checked)"
    )
    page.click("[data-key=log]")
    page.click("[data-key=x] option[value=time]")
    page.click(f'[data-key="open {known[BEST]}"]')
    page.wait("!document.getElementById('single').hidden")
    assert ticked() == [True]
    assert "log=1" in page.driver.current_url
    page.click("#single [data-key=x] option[value=clock]")
    page.click("[data-key=back]")
    page.wait("!document.getElementById('overview').hidden")
    assert ticked() == [True]
    assert page.js("document.querySelector('#overview [data-key=x]').value") == "clock"


def test_lines_are_searched_by_text_stream_and_time(page: Page, report: Path) -> None:
    run = multitrack.open_journal(report.parent / "journal").run(BEST)
    page.open(f"{report.as_uri()}#run={run.id}")
    lines = lambda: page.texts(".lines .text")  # noqa: E731
    assert lines() == [line.text for line in run.get_lines()]
    find = page.find("[data-key='lines find']")
    find.send_keys("EPOCH 3")
    assert [line[:8] for line in lines()] == ["epoch 3:"]
    assert page.texts(".lines mark") == ["epoch 3"]
    assert page.texts("#lines .count") == ["1 of 11 lines"]
    find.clear()
    find.send_keys(Keys.SPACE, Keys.BACK_SPACE)
    page.click("#lines select option[value=stderr]")
    assert lines() == ["a warning"]
    page.click("#lines select option[value='']")
    set_time = "(arguments[0].value = arguments[1], arguments[0].dispatchEvent(new Event('input')))"
    page.js(set_time, page.find("[data-key='lines from']"), "2100-01-01T00:00:00")
    assert lines() == []
    page.js(set_time, page.find("[data-key='lines from']"), "")
    page.js(set_time, page.find("[data-key='lines to']"), "2100-01-01T00:00:00")
    assert len(lines()) == 11


@pytest.mark.parametrize("width", [1280, 390])
def test_every_control_has_a_name_and_every_text_contrast(
    page: Page, known: dict[str, str], report: Path, width: int
) -> None:
    run = known[BEST]
    page.open(report.as_uri(), width=width)
    for view in ("theme=light", f"theme=light&run={run}", "theme=dark", f"theme=dark&run={run}"):
        page.view(view)
        assert page.js("document.documentElement.dataset.theme") in view
        assert page.js("document.documentElement.scrollWidth") == width  # nothing hangs out at the side
        assert page.find("#single").is_displayed() == ("run=" in view)
        assert page.js(f"{_CONTROLS}.length") > 10
        assert page.js(_NAMELESS) == []
        looked, pale = page.js(_PALE)
        assert looked > 50
        assert pale == []


_CONTROLS = """[...document.querySelectorAll('button, input, select, a[href], [role=slider], [role=region], [role=img]')]
.filter((e) => e.offsetParent !== null || e.ownerSVGElement)"""
_NAMELESS = f"""{_CONTROLS}
.filter((e) => !(e.getAttribute('aria-label') ?? e.closest('label')?.textContent ?? e.textContent).trim())
.map((e) => e.outerHTML)"""


#: How many texts there are, and those whose contrast with what is behind them is below WCAG's AA, 4.5.
_PALE = """(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = channels(getComputedStyle(e).backgroundColor); if ((c[3] ?? 1) > 0.5) return c; } return [255, 255, 255]; };
  const found = [];
  let looked = 0;
  const walker = document.createTreeWalker(document.getElementById('app'), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || e.closest('.plot, [aria-hidden], title, option') || !e.getClientRects().length) continue;
    looked += 1;
    const style = getComputedStyle(e);
    const [a, b] = [light(channels(e.ownerSVGElement ? style.fill : style.color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.push([e.className, e.textContent.slice(0, 30), (a + 0.05) / (b + 0.05)]);
  }
  return [looked, found];
})()"""


def test_without_charts_there_is_all_but_graphs(browser: Page, report: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.html"
    write_page(path, multitrack.open_journal(report.parent / "journal").runs(), charts=False)
    assert path.stat().st_size < report.stat().st_size - 4_000_000
    browser.open(path.as_uri())
    assert browser.rows() == ["grid", *NAMES]
    assert len(browser.all(".parallel .line")) == 9
    assert "made without charts" in browser.find("#graphs").text
    assert browser.troubles() == []


def test_a_page_of_nothing(browser: Page, tmp_path: Path) -> None:
    write_page(tmp_path / "empty.html", [])
    browser.open((tmp_path / "empty.html").as_uri())
    assert browser.texts("#runs .empty") == ["No runs yet."]
    assert browser.troubles() == []


def test_a_served_page_follows_the_training(browser: Page, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with drawn_runs.start(journal, "first", params={"lr": 0.1}) as run:
        run.log_metric("seconds", 3.0, step=0)
        run.log_metric("loss", 1.0, step=0)
        watched = Watched(lambda: multitrack.open_journal(journal).runs(), Options(), every=0.1)
        with PageServer(watched) as server:
            browser.open(f"{server.url}#sort=metadata.name&down=1")
            assert [trace["y"] for trace in browser.graph("metrics.loss")] == [[1.0]]
            assert browser.texts("figcaption .title") == ["loss", "seconds"]  # what has a better end comes first
            assert browser.texts("tbody .status") == ["running"]
            run.log_metric("loss", 0.5, step=1)
            with drawn_runs.start(journal, "second", params={"lr": 0.2}) as other:
                other.log_metric("loss", 2.0, step=0)
            run.end()
            browser.wait("document.querySelectorAll('tbody tr').length === 2")
            browser.wait("document.querySelectorAll('.status.finished').length === 2")
            assert browser.rows() == ["second", "first"]  # still sorted as before
            assert [trace["y"] for trace in browser.graph("metrics.loss")] == [[1.0, 0.5], [2.0]]
            assert browser.troubles() == []
            assert {url.partition("/changes")[0] + "/" for url in browser.requests() if "/changes" in url} == {
                server.url
            }
        browser.wait("document.getElementById('status').textContent.includes('no longer served')")
    browser.driver.get("about:blank")  # which ends its asking
    browser.troubles(), browser.requests()


def test_what_is_done_on_a_page_outlives_what_is_new(browser: Page, tmp_path: Path) -> None:
    """Elements that a reader uses are the same ones after a poll, with what was typed, opened and zoomed."""
    journal = tmp_path / "journal"
    with drawn_runs.start(journal, "first", params={"lr": 0.1}) as run:
        for step in range(9):
            run.log_metrics({"loss": 1 / (step + 1), "late" if step == 8 else "other": 0.5}, step=step)
        run.log_lines([f"{'odd' if i % 2 else 'even'} {i}" for i in range(1500)])
        run.log_lines("a warning", stream="stderr")
        drawn_runs.start(journal, "second", params={"lr": 0.2}).end()
        with PageServer(Watched(lambda: multitrack.open_journal(journal).runs(), Options(), every=0.1)) as server:
            browser.open(server.url)
            keys = ("reduce metrics.loss", "x", "smooth", "objective", "filter", "sort params.lr")
            browser.js("window.used = arguments[0].map((key) => document.querySelector(`[data-key='${key}']`))", keys)
            browser.js("used[0].focus()")
            with drawn_runs.start(journal, "third", params={"lr": 0.3}) as other:
                other.log_metrics({"loss": 2.0, "new": 3}, step=0)
            browser.wait("document.querySelectorAll('tbody tr').length === 3")
            assert browser.js("used.map((element) => element?.isConnected)") == [True] * len(keys)
            assert browser.js("document.activeElement === used[0]")

            browser.view(f"run={run.id}")
            browser.find("[data-key='lines find']").send_keys("odd")
            browser.click("#lines [data-key='lines stream'] option:nth-child(2)")
            browser.click("#lines > button")
            assert len(browser.all(".lines li")) == 750
            browser.click("#single summary")
            browser.graph("metrics.loss")
            browser.js("Plotly.relayout(document.querySelector('#single .plot'), {'xaxis.range': [2, 5]})")
            browser.js("document.querySelector('[data-key=\"lines find\"]').focus()")
            browser.js("(document.querySelector('ol.lines').scrollTop = 300)")
            run.log_lines("odd 1501")
            run.log_metric("loss", 0.01, step=9)
            browser.wait("document.querySelectorAll('.lines li').length === 751")
            browser.find("[data-key='lines find']").send_keys(" ")
            assert browser.find("[data-key='lines find']").get_property("value") == "odd "
            assert browser.js("document.activeElement.dataset.key") == "lines find"
            assert browser.js("document.querySelector('ol.lines').scrollTop") == 300
            assert browser.find("[data-key='lines stream']").get_property("selectedIndex") == 1
            assert browser.js("document.querySelector('#single details').open")
            browser.graph("metrics.loss")  # comes into view
            browser.wait("document.querySelector('#single .plot').data[0].y.at(-1) === 0.01")
            assert browser.js("document.querySelector('#single .plot').layout.xaxis.range") == [2, 5]

            browser.view(f"run={other.id}")  # another run begins anew
            assert browser.js("document.querySelector('#single .plot').layout?.xaxis.range") != [2, 5]
            assert browser.troubles() == []
    browser.driver.get("about:blank")
    browser.troubles(), browser.requests()
