"""The monitor in the report, in a real browser: picked deployments, a dragged range, and the way to a run."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains

import multitrack
from browser import Page
from drawn_runs import EVIL
from monitor_clock import Clock, start
from multitrack.page.render import Options, write_page
from multitrack.page.watched import Watched

HOUR = 3_600_000
_PLOT = "document.querySelector('#monitor .plot')"


def record(clock: Clock, journal: Path) -> None:
    """Two deployments over six hours: a service, and a job every two hours; and a training."""
    clock.ms = begun = 1_700_002_800_000 - 1_700_002_800_000 % HOUR  # 2023-11-14 23:00 UTC
    where = {"delivery": "off", "journal": str(journal)}
    with multitrack.start_run(
        "shop", "service", deployment="eu", trigger="endpoint", params={"model": "v2"}, config=where
    ) as run:
        for minute in range(0, 360, 2):
            clock.ms = begun + minute * 60_000
            if not 120 <= minute < 180:
                run.log_metric("score", minute / 60)
    for i in range(3):
        clock.ms = begun + 2 * i * HOUR
        with multitrack.start_run("shop", f"job {i}", deployment="us", trigger="schedule", config=where) as run:
            run.log_artifact_ref("orders", f"s3://b/{i}.csv", kind="dataset", role="input", digest="sha256:0" + str(i))
            run.log_metric("score", 10 + i)
    with multitrack.start_run("shop", "training", config=where) as run:
        run.log_metric("score", 1)


def traces(page: Page) -> dict[str, list[float | None]]:
    page.wait(f"{_PLOT}?.data")
    return dict(page.js(f"{_PLOT}.data.map((trace) => [trace.meta, [...trace.y]])"))


def listed(page: Page) -> list[str]:
    return page.texts("#monitor .executions tbody th")


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from unittest import mock

    from multitrack.journal import writer
    from multitrack.recording import builder

    folder, clock = tmp_path_factory.mktemp("monitor"), Clock()
    with mock.patch.object(writer, "time", clock), mock.patch.object(builder, "time", clock):
        record(clock, folder / "journal")
    write_page(folder / "report.html", multitrack.open_journal(folder / "journal").runs())
    return folder / "journal"


@pytest.fixture
def opened(browser: Page, journal: Path) -> Iterator[Page]:
    browser.troubles(), browser.requests()
    browser.open((journal.parent / "report.html").as_uri())
    browser.click("[data-key='view monitor']")
    browser.wait("!document.querySelector('#monitor').hidden")
    yield browser
    assert browser.troubles() == []
    assert browser.requests() == []


@pytest.mark.slow
def test_deployments_ranges_and_the_way_to_a_run(opened: Page, journal: Path) -> None:
    runs = {run.facts.name: run.id for run in multitrack.open_journal(journal).runs()}
    assert opened.texts("#monitor .legend button") == ["eu", "us"]
    assert len([y for y in traces(opened)["us"] if y is not None]) == 3
    assert None in traces(opened)["eu"]  # the hour without values
    assert listed(opened) == ["job 2", "job 1", "service", "job 0"]  # the training is no execution
    assert "orders s3://b/1.csv (dataset, sha256:01)" in opened.texts("#monitor tbody tr")[1]
    opened.click("[data-deployment='eu']")
    assert list(traces(opened)) == ["us"]
    assert listed(opened) == ["job 2", "job 1", "job 0"]
    opened.click("[data-deployment='eu']")

    opened.js("(document.querySelector('#monitor').scrollIntoView(), 0)")  # drag over the first third
    area = opened.find("#monitor .plot .nsewdrag")
    ActionChains(opened.driver).move_to_element_with_offset(area, -area.size["width"] // 2 + 5, 0).click_and_hold(
    ).move_by_offset(area.size["width"] // 3, 0).release().perform()  # fmt: skip
    opened.wait("location.hash.includes('range=')")
    assert listed(opened) == ["service", "job 0"]
    opened.reload()  # the address has it all
    assert listed(opened) == ["service", "job 0"]
    opened.click("[data-key='whole range']")
    assert len(listed(opened)) == 4

    place = opened.js(
        f"(() => {{ const {{xaxis, yaxis}} = {_PLOT}._fullLayout, trace = {_PLOT}.data[1], box = {_PLOT}.getBoundingClientRect(), i = trace.y.findIndex((y) => y === 11);"
        "return [box.left + xaxis._offset + xaxis.d2p(trace.x[i]), box.top + yaxis._offset + yaxis.d2p(trace.y[i])]; })()"
    )  # fmt: skip
    action = ActionChains(opened.driver)
    action.w3c_actions.pointer_action.move_to_location(*map(round, place))
    action.click().perform()
    opened.wait("document.querySelector('#single h1')?.textContent === 'job 1'")
    assert f"run={runs['job 1']}" in opened.driver.current_url
    opened.click("[data-key='back']")
    opened.wait("!document.querySelector('#monitor').hidden")
    opened.view("view=monitor&metric=score&stat=count")
    assert max(y for y in traces(opened)["eu"] if y is not None) == 3  # windows of 5 minutes


@pytest.mark.slow
def test_recorded_text_is_text_and_a_page_without_charts(browser: Page, tmp_path: Path) -> None:
    for text in EVIL:
        with multitrack.start_run(
            "shop", text, deployment=text, trigger=text, params={text: text}, config={"delivery": "off", "journal": "j"}
        ) as run:
            run.log_metric(text, 1)
    for charts in (True, False):
        write_page(tmp_path / "report.html", multitrack.open_journal("j").runs(), charts=charts)
        browser.troubles()
        browser.open((tmp_path / "report.html").as_uri() + "#view=monitor&metric=__proto__&range=x:1&stat=constructor")
        assert len(listed(browser)) == len(EVIL)
        assert browser.js("window.hacked === undefined && !document.querySelector('#app img, #app b')")
        assert browser.js(f"Boolean({_PLOT})") is charts
        assert browser.troubles() == []


def test_a_served_page_reads_what_is_new(tmp_path: Path) -> None:
    run = start("service", deployment="eu")
    run.log_metric("score", 1)
    reader = multitrack.open_journal()
    watched = Watched(lambda: reader.runs(), Options(charts=False), every=0)
    assert b'"count":[1]' in watched.page()
    run.log_metric("score", 3)
    watched._monitor._due = 0.0  # as if some time had passed
    counts = json.loads(watched.changes(1))["monitor"]["metrics"]["score"]["eu"]["count"]
    assert sum(counts) == 2
    assert watched.changes(2) == b'{"version":2,"runs":[]}'
    run.log_metric("score", 5)
    watched._monitor._due = float("inf")  # the windows took long
    assert json.loads(watched.changes(2))["monitor"]["metrics"] == {}
    watched._monitor._due = 0.0
    late = json.loads(watched.changes(3))
    assert (late["runs"], sum(late["monitor"]["metrics"]["score"]["eu"]["count"])) == ([], 3)
    run.end()
