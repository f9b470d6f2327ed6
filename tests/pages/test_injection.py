"""Nothing that was recorded does anything in the report: texts that try to be code, in a real browser."""

from pathlib import Path

import pytest

import drawn_runs
import multitrack
from browser import Page
from multitrack.page.render import write_page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def evil_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("evil")
    write_page(home / "report.html", multitrack.open_journal(drawn_runs.evil(home / "journal")).runs())
    return home / "report.html"


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
    assert links
    assert set(links) <= {"https:", "file:"}
    assert browser.js("typeof window.hacked") == "undefined"
    assert browser.js("document.querySelectorAll('#app script, #app img, #app b, #app i, #app iframe').length") == 0
    assert browser.troubles() == []
    assert browser.requests() == []


_VISIBLE = "arguments[0].replace(/[\\u2028\\u2029\\u202e]/g, (c) => '\\\\u' + c.charCodeAt(0).toString(16))"


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
