"""One browser for the tests of all pages, and the report that most of them look at."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import drawn_runs
import multitrack
from browser import Page, chromium
from multitrack.page.render import write_page


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("grid")
    path = home / "report.html"
    assert write_page(path, multitrack.open_journal(drawn_runs.grid(home / "journal")).runs()) == 10
    return path


@pytest.fixture
def page(browser: Page, report: Path) -> Iterator[Page]:
    """The report, newly opened; at the end nothing was refused, nothing failed, and nothing was asked of a network."""
    browser.troubles(), browser.requests()
    browser.open(report.as_uri())
    yield browser
    assert browser.troubles() == []
    assert browser.requests() == []


@pytest.fixture
def known(report: Path) -> dict[str, str]:
    """The ids of the report's runs by their names."""
    return {run.manifest.name: run.id for run in multitrack.open_journal(report.parent / "journal").runs()}
