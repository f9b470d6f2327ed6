"""The report of several journals, in a real browser: runs of equal ids are two runs, each with its own children."""

from pathlib import Path

import pytest

import multitrack
from browser import Page
from multitrack.page.render import write_page

pytestmark = pytest.mark.slow


def test_runs_of_equal_ids(browser: Page, tmp_path: Path) -> None:
    journals = [tmp_path / name for name in ("gpu1", "gpu2")]
    for journal in journals:
        config = {"journal": str(journal), "delivery": "off"}
        parent = multitrack.start_run("p", f"parent in {journal.name}", run_id="base", config=config)
        child = multitrack.start_run("p", f"child in {journal.name}", run_id="child", parent=parent, config=config)
        child.log_metric("loss", 1, step=0)
        child.end()
        parent.end()
    write_page(tmp_path / "x.html", multitrack.open_journal(journals).runs(), charts=False)
    browser.troubles()
    browser.open((tmp_path / "x.html").as_uri())
    assert sorted(browser.rows()) == ["child in gpu1", "child in gpu2", "parent in gpu1", "parent in gpu2"]
    browser.click('[data-key="open gpu2:base"]')
    assert "parent in gpu2" in browser.js("document.body.innerText")
    assert "gpu2:base" in browser.texts("main:not([hidden]) code")
    assert [text.strip() for text in browser.texts("main:not([hidden]) .list a")] == ["child in gpu2"]
    assert browser.troubles() == []
