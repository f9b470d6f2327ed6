"""The report of more runs than a file holds completely: sampled, compressed, and with the rows in view alone."""

import base64
import gzip
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import drawn_runs
import multitrack
import trials
from browser import Page
from multitrack.page import render, sampling
from multitrack.page.render import write_page
from multitrack.reading.recorded_run import RecordedRun
from multitrack.summaries.curves import curves_of

RUNS, POINTS = 1100, 20
_DATA = re.compile(r'<script type="([^"]*)" id="data">(.*?)</script>', re.DOTALL)
#: The cells of the table's rows that are in the document, by the name of the run.
_CELLS = """Object.fromEntries([...document.querySelectorAll('table.runs tbody tr[data-run]')].map((row) =>
  [row.querySelector('th').textContent, [...row.cells].map((cell) => cell.title || cell.textContent)]))"""


def data_of(path: Path) -> tuple[str, Any]:
    """The type of a page's data, and the data."""
    found = _DATA.search(path.read_text())
    assert found is not None
    kind, text = found.groups()
    return kind, json.loads(gzip.decompress(base64.b64decode(text)) if kind == "application/gzip" else text)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of many runs, and its report with room for 20 points of a series and two log lines of a run."""
    folder = tmp_path_factory.mktemp("many")
    trials.write(folder / "journal", RUNS)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sampling, "ALL_POINTS", RUNS * 2 * POINTS)
        patched.setattr(sampling, "ALL_LINES", RUNS * 2)
        patched.setattr(render, "_LARGE", 0)
        assert write_page(folder / "report.html", multitrack.open_journal(folder / "journal").runs()) == RUNS
    return folder


@pytest.fixture(scope="module")
def runs(home: Path) -> dict[str, RecordedRun]:
    return {run.facts.name: run for run in multitrack.open_journal(home / "journal").runs()}


@pytest.fixture
def page(browser: Page, home: Path) -> Iterator[Page]:
    browser.troubles(), browser.requests()
    browser.open((home / "report.html").as_uri())
    browser.wait("document.querySelector('table.runs tbody th')")
    yield browser
    assert browser.troubles() == []
    assert browser.requests() == []


def rows_in_document(page: Page) -> list[str]:
    return page.texts("table.runs tbody tr[data-run] th.name")


def scrolled_through(page: Page) -> dict[str, list[str]]:
    """The cells of all rows, as they come into view."""
    found: dict[str, list[str]] = {}
    page.js("(document.querySelector('#runs .scroll').scrollTop = 0)")
    for _ in range(200):
        page.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        found |= page.js(_CELLS)
        assert len(rows_in_document(page)) < 100
        before = page.js("document.querySelector('#runs .scroll').scrollTop")
        page.js("document.querySelector('#runs .scroll').scrollBy(0, 500)")
        if page.js("document.querySelector('#runs .scroll').scrollTop") == before:
            break
    return found


@pytest.mark.slow
def test_all_rows_come_into_view_with_the_values_of_the_journal(page: Page, runs: dict[str, RecordedRun]) -> None:
    assert page.texts("#runs .count") == ["1,100 of 1,100 runs"]
    assert page.find("table.runs").get_attribute("aria-rowcount") == str(RUNS + 2)
    found = scrolled_through(page)
    assert [*found] == [trials.name_of(i) for i in range(RUNS)]  # in their order, none left out
    columns = [text.rstrip("▲▼") for text in page.texts("thead .sort")]
    for name, cells in found.items():
        shown, run = dict(zip(columns, cells[1:], strict=True)), runs[name]
        assert shown["units"] == str(run.get("params.units")), name
        for column in ("params.lr", "metrics.loss", "metrics.speed", "metrics.score"):
            assert float(shown[column.partition(".")[2]]) == run.get(column), (name, column)
    assert page.js("document.querySelector('table.runs tbody tr:last-child').getAttribute('aria-rowindex')") == "1102"
    page.click("select[data-key='reduce metrics.loss'] option[value=min]")
    found, at = scrolled_through(page), columns.index("loss") + 1
    assert {name: float(cells[at]) for name, cells in found.items()} == {
        name: run.get("metrics.loss:min") for name, run in runs.items()
    }


@pytest.mark.slow
def test_columns_keep_their_widths_while_rows_come_into_view(page: Page) -> None:
    widths = "[...document.querySelectorAll('.runs thead tr:last-child > *')].map((cell) => cell.offsetWidth)"
    seen = [page.js(widths)]
    for _ in range(20):
        page.js("document.querySelector('#runs .scroll').scrollBy(0, 1500)")
        page.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        seen.append(page.js(widths))
    assert all(width >= before for one, other in pairwise(seen) for before, width in zip(one, other, strict=True))
    assert seen[-1] != seen[0]  # other rows do need more room


@pytest.mark.slow
def test_filters_and_sorting_are_over_all_runs(page: Page, runs: dict[str, RecordedRun]) -> None:
    by_score = sorted(runs, key=lambda name: runs[name].get("metrics.score"))
    page.click('[data-key="sort metrics.score"]')
    turned = page.texts("th[aria-sort]")[0].endswith("▼")
    assert rows_in_document(page)[:20] == (by_score[::-1] if turned else by_score)[:20]
    low = {name for name, run in runs.items() if run.get("metrics.loss:min") < 0.02 and run.get("params.units") == 64}
    assert 0 < len(low) < sampling.FEW
    page.view("filter=metrics.loss%3Amin+%3C+0.02+units+%3D+64")
    assert set(rows_in_document(page)) == low
    assert page.texts("tr.space") == []
    assert page.find("table.runs").get_attribute("aria-rowcount") is None
    page.view("filter=user+%3D+user1+command+~+%22seed%3D7%22")
    assert set(rows_in_document(page)) == {
        name for i, name in enumerate(map(trials.name_of, range(RUNS))) if i % 3 == 1 and str(i).startswith("7")
    }


@pytest.mark.slow
def test_sampled_curves_are_of_the_journal_and_the_page_says_so(page: Page, runs: dict[str, RecordedRun]) -> None:
    assert page.texts("#sampled") == [
        " · curves are sampled: at most 20 points of each, of 1,100 runs, so that the file stays small; "
        "multitrack report --watch draws up to 1,200 of each"
    ]
    traces = page.graph("metrics.loss")
    assert len(traces) == 200
    by_id = {run.id: run for run in runs.values()}
    for trace in traces:
        series = by_id[trace["run"]].get_series("loss")
        whole = dict(zip(series.steps, series.values, strict=True))
        assert 4 <= len(trace["x"]) <= POINTS < len(whole)
        assert {(x, y) for x, y in zip(trace["x"], trace["y"], strict=True)} <= whole.items()
        assert {trace["y"][0], trace["y"][-1]} == {series.values[0], series.values[-1]}
        assert {min(trace["y"]), max(trace["y"])} == {min(series.values), max(series.values)}


@pytest.mark.slow
def test_graphs_draw_the_first_runs_of_the_table_and_say_so(page: Page, runs: dict[str, RecordedRun]) -> None:
    page.view("sort=metrics.score&down=1")
    best = sorted(runs.values(), key=lambda run: -run.get("metrics.score"))
    assert {trace["run"] for trace in page.graph("metrics.loss")} == {run.id for run in best[:200]}
    assert page.texts("#graphs .crowd") == [
        "the first 200 of the table are drawn, 900 are not: sort, filter or hide to see others"
    ]
    assert len(page.all("#graphs .legend button")) == 200
    page.click(f"#graphs [data-run='{best[0].id}']")
    page.wait("arguments[0] === 201", len(page.all("#graphs .legend button")))  # also the hidden one, to show it again
    assert {trace["run"] for trace in page.graph("metrics.loss")} == {run.id for run in best[1:201]}
    page.view("filter=name+~+%22trial+00%22")
    assert len(page.graph("metrics.loss")) == 100
    assert page.texts("#graphs .crowd") == [""]


@pytest.mark.slow
def test_parallel_coordinates_draw_a_sample_and_say_so(page: Page, runs: dict[str, RecordedRun]) -> None:
    assert len(page.all(".parallel .line")) == 1000
    assert "100 of 1,100 runs are not drawn" in page.find("#search").text
    low, high = 0.25, 0.5
    page.view(f"brush=metrics.score%3A{low}%3A{high}")
    within = {run.id for run in runs.values() if low <= run.get("metrics.score") <= high}
    drawn = page.js("[...document.querySelectorAll('.parallel .line:not(.out)')].map((line) => line.dataset.run)")
    assert set(drawn) == within  # all that the range holds
    assert len(page.all(".parallel .line")) == 1000
    assert page.texts("#runs .count") == [f"{len(within)} of 1,100 runs"]


@pytest.mark.slow
def test_a_run_has_its_page_and_its_lineage(page: Page, runs: dict[str, RecordedRun]) -> None:
    name = trials.name_of(1044)
    page.view(f"run={runs[name].id}")
    assert page.texts("#single h1") == [name]
    rows = {row[0]: row[1:] for row in page.js("[...document.querySelectorAll('#single [aria-label=Metrics] tbody tr')].map((tr) => [...tr.cells].map((c) => c.querySelector('[title]')?.title ?? c.textContent))")}  # fmt: skip
    wanted = trials.statistics_of(runs[name].get_series("loss").values)
    found = dict(zip(("last", "count", "first", "min", "max", "mean", "median"), map(float, rows["loss"]), strict=True))
    assert found == pytest.approx(wanted, rel=1e-15)
    assert page.texts("#lines .note") == [
        f"1 line between the first 1 and the last are not in this page; multitrack logs {runs[name].id} prints all."
    ]
    assert page.texts(".lines .text") == ["line 0 of 1044", "line 2 of 1044"]
    assert "--seed=1044" in page.find("#single").text
    titles = page.texts("#single .lineage .box .title")
    assert {"data", name, "weights"} <= set(titles)
    page.view("")
    assert "of 2,205 nodes are not shown" in page.texts(".lineages .hint")[0]


@pytest.mark.slow
def test_a_parent_names_its_first_children(browser: Page, tmp_path: Path) -> None:
    with drawn_runs.start(tmp_path / "j", "search") as parent:
        for i in range(203):
            drawn_runs.start(tmp_path / "j", f"child {i}", parent=parent).end()
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "j").runs(), charts=False)
    browser.open(f"{(tmp_path / 'r.html').as_uri()}#run={parent.id}")
    assert len(browser.all("#single .list a")) == 200
    assert browser.texts("#single .list .hint") == ["and 3 more: filter the table by parent = search"]
    browser.view("filter=parent+%3D+search")
    assert browser.texts("#runs .count") == ["203 of 204 runs"]
    assert browser.troubles() == []


def test_a_large_page_is_compressed_and_nothing_of_it_is_lost(home: Path, runs: dict[str, RecordedRun]) -> None:
    kind, data = data_of(home / "report.html")
    assert kind == "application/gzip"
    assert (data["points"], data["sampled"], len(data["runs"])) == (1200, POINTS, RUNS)
    for run in data["runs"]:
        for name in ("loss", "speed"):
            points = run["series"][name]
            wanted = trials.statistics_of(runs[run["name"]].get_series(name).values)
            assert dict(zip(wanted, points["statistics"], strict=True)) == pytest.approx(wanted, rel=1e-15)
            assert points["count"] == 40
            assert points["means"] is not None
            assert sum(points["means"]["counts"]) == 40
    plain = home / "plain.html"
    write_page(plain, multitrack.open_journal(home / "journal").runs())
    assert data_of(plain)[0] == "application/json"
    sizes = [len(_DATA.findall(path.read_text())[0][1]) for path in (home / "report.html", plain)]
    assert sizes[0] < sizes[1] / 3


@pytest.mark.slow
def test_the_compressed_data_stay_text(browser: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "_LARGE", 0)
    drawn_runs.evil(tmp_path / "j")
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "j").runs(), charts=False)
    assert len(re.findall("</script", (tmp_path / "r.html").read_text(), re.IGNORECASE)) == 2
    browser.open((tmp_path / "r.html").as_uri())
    browser.wait("document.querySelector('table.runs tbody th')")
    assert len(rows_in_document(browser)) == len(drawn_runs.EVIL)
    assert browser.js("window.hacked") is None
    assert browser.troubles() == []


@pytest.mark.slow
def test_an_old_browser_says_what_is_missing(browser: Page, home: Path) -> None:
    script = browser.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.DecompressionStream"}
    )
    try:
        browser.open((home / "report.html").as_uri())
        assert browser.texts("#app") == ["The data of this page are compressed; it needs a browser of 2023 or later."]
    finally:
        browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
        browser.troubles()


def test_few_runs_are_complete_whatever_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "ALL_POINTS", 1)
    monkeypatch.setattr(sampling, "ALL_LINES", 1)
    journal = trials.write(tmp_path / "journal", sampling.FEW)
    write_page(tmp_path / "r.html", multitrack.open_journal(journal).runs(), charts=False)
    kind, data = data_of(tmp_path / "r.html")
    assert (kind, data["sampled"]) == ("application/json", None)
    for run, found in zip(multitrack.open_journal(journal).runs(), data["runs"], strict=True):
        assert found["series"]["loss"]["values"] == run.get_series("loss").values
        assert len(found["lines"]["kept"]) == 3
    trials.write(tmp_path / "more", sampling.FEW + 1)
    write_page(tmp_path / "more.html", multitrack.open_journal(tmp_path / "more").runs(), charts=False)
    assert data_of(tmp_path / "more.html")[1]["sampled"] == 10


@pytest.mark.slow
def test_the_notice_is_there_only_if_curves_are_sampled(browser: Page, tmp_path: Path) -> None:
    journal = trials.write(tmp_path / "journal", 120)
    write_page(tmp_path / "r.html", multitrack.open_journal(journal).runs(), charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    assert browser.texts("#sampled") == []
    write_page(tmp_path / "r.html", multitrack.open_journal(journal).runs(), charts=False, points=15)
    browser.open((tmp_path / "r.html").as_uri())
    assert browser.texts("#sampled") == []
    assert "more than 15 points are thinned" in browser.find(".top").text
    assert browser.troubles() == []


def test_points_and_lines_that_are_given_hold(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "ALL_POINTS", 1)
    monkeypatch.setattr(sampling, "ALL_LINES", 1)
    chosen = [run for _, run in zip(range(150), multitrack.open_journal(home / "journal").runs(), strict=False)]
    write_page(home / "given.html", chosen, charts=False, points=30, lines=3)
    _, data = data_of(home / "given.html")
    assert (data["points"], data["sampled"]) == (30, None)
    assert {len(run["lines"]["kept"]) for run in data["runs"]} == {3}
    write_page(home / "given.html", chosen, charts=False, points=30)
    _, data = data_of(home / "given.html")
    assert (data["sampled"], {len(run["lines"]["kept"]) for run in data["runs"]}) == (None, {2})
    assert all(10 < len(run["series"]["loss"]["values"]) <= 30 for run in data["runs"])


def test_a_sampled_curve_of_a_long_run_keeps_its_extremes_and_its_mean(tmp_path: Path) -> None:
    values = [float((i * 7919) % 10007) for i in range(30_000)]
    values[12_345], values[23_456] = -5.0, 20_000.0
    with drawn_runs.start(tmp_path / "j", "long") as run:
        for step, value in enumerate(values):
            run.log_metric("loss", value, step=step)
    assert run.directory is not None
    whole = curves_of(run.directory)
    found = sampling.sampled(whole, 40).series["loss"]
    assert (found.count, found.odd, found.below) == (30_000, 0, 4)
    assert len(found.curve.values) <= 40
    assert {(12_345, -5.0), (23_456, 20_000.0)} <= {*zip(found.curve.steps, found.curve.values, strict=True)}
    assert [values[step] for step in found.curve.steps] == found.curve.values
    assert found.means is not None
    assert len(found.means.values) <= 8
    assert sum(found.means.counts) == 30_000
    total = sum(mean * count for mean, count in zip(found.means.values, found.means.counts, strict=True))
    assert total / 30_000 == pytest.approx(sum(values) / 30_000)
    assert sampling.sampled(whole, 1200) == whole


@pytest.mark.parametrize(
    ("lengths", "room", "most", "each"),
    [
        ([5, 5, 5], 15, 1200, 1200), ([5, 5, 6], 15, 1200, 10), ([20, 20, 26], 60, 1200, 20), ([1, 1, 100], 30, 1200, 28), ([100] * 10, 500, 1200, 50),
        ([2000, 2000], 2400, 1200, 1200), ([100] * 10, 20, 1200, 10), ([], 5, 1200, 1200), ([100] * 10, 1, 3, 3),
    ],
)  # fmt: skip
def test_room_is_shared(lengths: list[int], room: int, most: int, each: int) -> None:
    assert sampling.share(lengths, room, most, 10) == each


def test_too_few_points_are_an_error(tmp_path: Path) -> None:
    journal = trials.write(tmp_path / "journal", 1)
    with pytest.raises(ValueError, match="points must be 10 or more, got 0"):
        write_page(tmp_path / "r.html", multitrack.open_journal(journal).runs(), charts=False, points=0)
