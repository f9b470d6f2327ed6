"""The report in a real browser: what is clicked does what it says, and nothing recorded does anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

import drawn_runs
import multitrack
from browser import Page, chromium
from multitrack.page.serve import PageServer, Watched
from multitrack.page.write import Options, write_page

pytestmark = pytest.mark.slow
BEST = "lr=0.01 bs=32"
NAMES = [f"lr={rate} bs={size}" for rate in drawn_runs.RATES for size in drawn_runs.SIZES]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("grid")
    path = home / "report.html"
    assert write_page(path, multitrack.open_journal(drawn_runs.grid(home / "journal")).runs()) == 10
    return path


@pytest.fixture
def page(browser: Page, report: Path) -> Iterator[Page]:
    browser.troubles(), browser.requests()
    browser.open(report.as_uri())
    yield browser
    assert browser.troubles() == []
    assert browser.requests() == []


def ids(report: Path) -> dict[str, str]:
    return {run.manifest.name: run.id for run in multitrack.open_journal(report.parent / "journal").runs()}


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
    page.driver.refresh()
    assert page.rows()[:1] == ["lr=0.01 bs=32"]
    assert page.texts("th[aria-sort] .sort") == ["batch_size▲"]


def test_columns_stand_in_groups_and_those_that_are_equal_are_hidden(page: Page) -> None:
    groups = page.js("[...document.querySelectorAll('.groups th')].map((th) => [th.textContent, th.colSpan])")
    assert groups == [["run", 4], ["params", 3], ["metrics", 3], ["lists", 1]]
    page.click('[data-key="all"]')
    assert "model/units" in " ".join(page.texts("thead .sort"))
    assert page.js("document.activeElement.dataset.key") == "all"


def test_the_reduction_is_chosen_in_the_header(page: Page) -> None:
    cells = lambda: page.js(  # noqa: E731
        "[...document.querySelectorAll('tbody tr')].map((tr) => tr.cells[tr.cells.length - 1].textContent)"
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
        box.send_keys(text)
        assert page.js("document.activeElement.dataset.key") == "filter"
        return page.rows()

    assert filtered("lr<0.01 batch_size>=64") == [name for name in NAMES[3:] if not name.endswith("bs=32")]
    assert page.texts("#runs .count") == ["4 of 10 runs"]
    assert filtered("BS=32") == [name for name in NAMES if name.endswith("bs=32")]  # no column is called so: a word
    assert filtered('"lr=0.001 "') == NAMES[3:6]
    assert filtered("metrics.val_accuracy>0.8 stage=grid") == NAMES[:2]
    assert filtered("status!=finished") == []
    assert page.texts("#runs .empty") == ["No run meets the filter."]


def test_eye_and_legend_hide_a_run_in_the_graphs(page: Page, report: Path) -> None:
    known = ids(report)
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


def test_thinning_is_said_and_keeps_extremes(page: Page) -> None:
    traces = page.graph("lists.batch_loss")
    assert [max(trace["y"]) for trace in traces] == [9.75 + size for _ in drawn_runs.RATES for size in drawn_runs.SIZES]
    assert all(len(trace["y"]) <= 1200 for trace in traces)
    assert all((trace["x"][0], trace["x"][-1]) == (0, 5999) for trace in traces)
    note = page.texts("figure[data-column='lists.batch_loss'] figcaption .hint")
    assert note[0] == "list"
    assert note[1].startswith("up to 6,000 points a run, ")
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


def test_a_range_dragged_on_an_axis_filters_table_and_graphs(page: Page, report: Path) -> None:
    known = ids(report)
    assert page.texts(".axis .label") == ["lrlr", "batch_sizebatch_size", "val_accuracyval_accuracy"]
    assert page.texts('[data-axis="params.lr"] .tick') == ["0.0001", "0.001", "0.01"]
    assert len(page.all(".parallel .line")) == 9
    drag(page, "params.lr", 0.3, 0.9)  # a logarithmic axis: 0.001 in the middle
    assert page.rows() == NAMES[3:6]
    assert page.texts("#runs .bar .chip") == ["lr in a range ×"]
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


def test_lines_are_coloured_by_the_objective(page: Page, report: Path) -> None:
    known = ids(report)
    stroke = lambda name: page.find(f'.line[data-run="{known[name]}"]').get_attribute("stroke")  # noqa: E731
    assert stroke(BEST) == "rgb(201,179,91)"  # the upper end of the scale
    assert len({stroke(name) for name in NAMES}) > 5
    page.click("[data-key=objective] option[value='metrics.loss']")
    assert page.texts(".goal .label") == ["lossloss"]
    assert stroke(BEST) == "rgb(0,34,78)"


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
            break
    assert page.texts("#single h1") == [NAMES[6]]
    assert {"theme", "filter", "sort metadata.name"} <= set(seen)


def test_a_run_has_a_page_of_its_own(page: Page, report: Path) -> None:
    page.click(f'[data-key="open {ids(report)[BEST]}"]')
    assert page.texts("#single h1") == [BEST]
    assert not page.find("#overview").is_displayed()
    text = page.find("#single").text
    for part in ("model/units", "code", "test_accuracy", "s3://bucket/model.keras", "git commit", "pytest", "packages"):
        assert part in text, part
    assert page.texts("#single a.uri")[:1] == ["https://example.org/digits.csv"]
    rows = {row[0]: row for row in page.js("[...document.querySelectorAll('#single tr')].map((tr) => [...tr.cells].map((c) => c.textContent))")}  # fmt: skip
    assert (rows["batch_loss"][2], rows["batch_loss"][5]) == ("6000", "41.75")
    assert [trace["run"] for trace in page.graph("metrics.loss")] == [ids(report)[BEST]]
    page.driver.back()
    assert page.find("#overview").is_displayed()
    page.click(f'[data-key="open {ids(report)["grid"]}"]')
    assert page.texts("#single .facts .list a") == NAMES
    assert "Two params." in page.find("#single .notes").text


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
def test_every_control_has_a_name_and_every_text_contrast(page: Page, report: Path, width: int) -> None:
    run = ids(report)[BEST]
    page.open(report.as_uri(), width=width)
    for view in ("theme=light", f"theme=light&run={run}", "theme=dark", f"theme=dark&run={run}"):
        page.view(view)
        assert page.js("document.documentElement.dataset.theme") in view
        assert page.js("document.documentElement.scrollWidth") == width  # nothing hangs out at the side
        assert page.js(_NAMELESS) == []
        assert page.js(_PALE) == []


_NAMELESS = """[...document.querySelectorAll('button, input, select, a[href], [role=slider], [role=region], [role=img]')]
.filter((e) => e.offsetParent !== null || e.ownerSVGElement)
.filter((e) => !(e.getAttribute('aria-label') ?? e.closest('label')?.textContent ?? e.textContent).trim())
.map((e) => e.outerHTML)"""

#: Texts whose contrast with what is behind them is below WCAG's AA, 4.5.
_PALE = """(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = channels(getComputedStyle(e).backgroundColor); if ((c[3] ?? 1) > 0.5) return c; } return [255, 255, 255]; };
  const found = [];
  const walker = document.createTreeWalker(document.getElementById('app'), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || e.closest('.plot, [aria-hidden], title, option') || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(channels(e.ownerSVGElement ? style.fill : style.color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.push([e.className, e.textContent.slice(0, 30), (a + 0.05) / (b + 0.05)]);
  }
  return found;
})()"""


@pytest.mark.parametrize("name", drawn_runs.EVIL)
def test_texts_that_try_to_be_code(browser: Page, tmp_path: Path, evil_report: Path, name: str) -> None:
    browser.troubles(), browser.requests()
    runs = {run.manifest.name: run for run in multitrack.open_journal(evil_report.parent / "journal").runs()}
    run = runs[name]
    if not browser.driver.current_url.startswith(evil_report.as_uri()):
        browser.open(evil_report.as_uri())
    shown = lambda text: browser.js(_VISIBLE, text)  # noqa: E731
    browser.view("all=1")
    at = list(runs).index(name)
    assert browser.rows()[at].rstrip("…") in shown(name)
    (trace,) = browser.graph(f"lists.list {name}")
    assert trace["y"] == [1, None, 3]
    browser.view(f"run={run.id}")
    assert browser.texts("#single h1") == [shown(name)]
    text = browser.js("document.getElementById('single').textContent")
    assert text.count(shown(name)) >= 6
    assert "1180591620717411303424" in text
    links = browser.js("[...document.querySelectorAll('#single a')].map((a) => a.protocol)")
    assert set(links) <= {"https:", "file:"}
    assert browser.js("typeof window.hacked") == "undefined"
    assert browser.js("document.querySelectorAll('#app script, #app img, #app b, #app i, #app iframe').length") == 0
    assert browser.troubles() == []
    assert browser.requests() == []


_VISIBLE = "arguments[0].replace(/[\\u2028\\u2029\\u202e]/g, (c) => '\\\\u' + c.charCodeAt(0).toString(16))"


@pytest.fixture(scope="module")
def evil_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("evil")
    write_page(home / "report.html", multitrack.open_journal(drawn_runs.evil(home / "journal")).runs())
    return home / "report.html"


def test_the_policy_stops_what_would_run_all_the_same(page: Page) -> None:
    page.js("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hacked = 1'}))")
    page.js("(document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hacked=1\">'), 0)")
    page.js("(fetch('https://example.org').catch(() => 0), 0)")
    page.js("(setTimeout('window.hacked = 1'), setTimeout(() => { window.later = 1 }, 50), 0)")
    page.wait("window.later")
    assert page.js("typeof window.hacked") == "undefined"
    refused = page.troubles()
    assert all("Content Security Policy" in line for line in refused)
    assert {name for line in refused for name in ("script-src ", "script-src-elem", "img-src", "connect-src", "default-src") if name in line} >= {
        "script-src ", "img-src", "connect-src"
    }  # fmt: skip


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
        run.log_metric("loss", 1.0, step=0)
        watched = Watched(lambda: multitrack.open_journal(journal).runs(), Options(), every=0.1)
        with PageServer(watched) as server:
            browser.open(f"{server.url}#sort=metadata.name&down=1")
            assert [trace["y"] for trace in browser.graph("metrics.loss")] == [[1.0]]
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
