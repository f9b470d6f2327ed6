"""Lineage in the report, in a real browser: what is drawn, what it opens, and what has no room."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import drawn_runs
import multitrack
from browser import Page
from chains import chain, start
from multitrack.page.render import Options, write_page
from multitrack.page.watched import Watched

pytestmark = pytest.mark.slow

_BOXES = "main:not([hidden]) .lineage .box"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a chain of runs, and of a search on its data."""
    folder = tmp_path_factory.mktemp("lineage")
    journal = folder / "journal"
    chain(folder, journal)
    with start("search", journal) as parent:
        parent.log_artifact_ref("train", folder / "clean.csv", kind="dataset", role="input")
        for i in range(20):
            with start(f"trial {i}", journal, parent=parent) as run:
                run.log_artifact_ref("weights", f"s3://b/{i}", kind="model")
    write_page(folder / "report.html", multitrack.open_journal(journal).runs(), charts=False)
    return folder


@pytest.fixture
def opened(browser: Page, home: Path) -> Iterator[Page]:
    browser.troubles(), browser.requests()
    browser.open((home / "report.html").as_uri())
    yield browser
    assert browser.troubles() == []
    assert browser.requests() == []


def titles(page: Page) -> list[str]:
    return page.texts(f"{_BOXES} .title")


def test_the_shown_runs_have_their_lineage(opened: Page) -> None:
    assert {"raw", "prepare", "clean", "train", "search", "classifier 1.0.0", "evaluate", "trial 0"} <= set(
        titles(opened)
    )
    assert "… 6 more" in opened.texts(f"{_BOXES}.more")
    assert "not shown" in opened.texts(".lineages .hint")[0]
    opened.view("filter=name+~+train+or+name+%3D+evaluate")
    assert titles(opened) == ["clean", "train", "classifier 1.0.0", "evaluate"]
    left = opened.js(f"[...document.querySelectorAll('{_BOXES}')].map((box) => box.getBoundingClientRect().left)")
    assert left == sorted(left)
    assert len(set(left)) == 4


def test_a_run_has_its_own_and_opens_the_others(opened: Page, home: Path) -> None:
    runs = {run.facts.name: run.id for run in multitrack.open_journal(home / "journal").runs()}
    opened.view(f"run={runs['train']}")
    assert titles(opened) == ["raw", "prepare", "clean", "train", "classifier 1.0.0", "evaluate"]
    assert opened.texts(f"{_BOXES}.strong .title") == ["train"]
    assert opened.texts(f"{_BOXES}.model .fact")[0].startswith("sha256:")
    assert opened.js(f"document.querySelectorAll('{_BOXES}.data, {_BOXES}.model').length") == 3
    opened.click(f'{_BOXES}[data-node="{runs["evaluate"]}"]')
    opened.wait("document.querySelector('#single h1').textContent === 'evaluate'")
    assert titles(opened)[-1] == "evaluate"
    opened.view(f"run={runs['trial 3']}")
    assert titles(opened)[:5] == ["raw", "prepare", "clean", "search", "trial 3"]
    assert titles(opened)[5].startswith("weights 1.")


def test_cycles_and_links_by_uri_alone(browser: Page, tmp_path: Path) -> None:
    with start("again", tmp_path / "j") as run:
        run.log_artifact_ref("in", "s3://b/c", role="input")
        run.log_artifact_ref("out", "s3://b/c")
    write_page(tmp_path / "report.html", multitrack.open_journal(tmp_path / "j").runs(), charts=False)
    browser.troubles()
    browser.open((tmp_path / "report.html").as_uri())
    assert sorted(titles(browser)) == ["again", "out"]
    assert browser.js("document.querySelectorAll('.lineage path.loose').length") == 2
    assert browser.troubles() == []


def test_a_page_that_is_served_takes_new_runs_in(tmp_path: Path) -> None:
    with start("first", tmp_path) as run:
        run.log_artifact_ref("model", "s3://b/m", kind="model", digest="sha256:1")
    reader = multitrack.open_journal(tmp_path)
    watched = Watched(lambda: reader.runs(), Options(charts=False), every=0)
    assert watched.page().count(b'"role":"output"') == 1
    with start("second", tmp_path) as run:
        run.log_artifact_ref("used", "s3://b/copy", kind="model", role="input", digest="sha256:1")
    watched._lineage._due = 0.0  # as if some time had passed
    news = json.loads(watched.changes(1))["lineage"]
    assert [(found["node"]["title"], len(found["to"])) for found in news.values()] == [
        ("second", 0),
        ("model 1.0.0", 1),
    ]
    assert [*news] == [run.id, "sha256:1"]
    assert news["sha256:1"]["to"] == [[run.id, 0]]
    assert watched.changes(2) == b'{"version":2,"runs":[]}'


def test_a_page_without_references_has_no_lineage(browser: Page, tmp_path: Path) -> None:
    with drawn_runs.start(tmp_path / "j", "a") as run:
        run.log_metric("loss", 1)
    write_page(tmp_path / "report.html", multitrack.open_journal(tmp_path / "j").runs(), charts=False)
    browser.open((tmp_path / "report.html").as_uri())
    assert browser.texts("h2") == ["Parallel coordinates", "Graphs"]
