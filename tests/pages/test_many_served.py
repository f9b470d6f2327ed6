"""A served page of many runs: it begins with what the table shows, requests the rest, and gets only what changed."""

import http.client
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest

import drawn_runs
import multitrack
import trials
from browser import Page
from multitrack.delivery.lane_state import LaneState, lane_file
from multitrack.journal.atomic import write_json
from multitrack.journal.manifest import BackendEntry, write_manifest
from multitrack.page import watched
from multitrack.page.collect import Collected
from multitrack.page.render import Options
from multitrack.page.sampling import FEW
from multitrack.page.server import PageServer
from multitrack.page.watched import Watched
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.lifecycle import join_context

RUNS = 230


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return trials.write(tmp_path / "journal", RUNS)


@pytest.fixture
def runs(journal: Path) -> dict[str, RecordedRun]:
    return {run.facts.name: run for run in multitrack.open_journal(journal).runs()}


@pytest.fixture
def pages(journal: Path) -> Watched:
    reader = multitrack.open_journal(journal)
    return Watched(lambda: reader.runs(), Options(charts=False), every=0)


def data_of(page: bytes) -> Any:
    return json.loads(re.search(r'id="data">(.*?)</script>', page.decode(), re.DOTALL)[1])  # type: ignore[index]


def test_a_page_begins_with_what_its_table_shows(pages: Watched, runs: dict[str, RecordedRun]) -> None:
    data = data_of(pages.page())
    assert (len(data["runs"]), data["contexts"], data["packages"], data["lineage"]) == (RUNS, {}, {}, None)
    for found in data["runs"]:
        run = runs[found["name"]]
        values = run.get_series("loss").values
        assert found["series"]["loss"] == {"statistics": [40, values[0], values[-1]], "count": 40}
        assert (found["listed"], found["params"], found["tags"]) == (True, run.get_params(), run.summary().tags)
        assert found["metrics"] == {"score": run.get("metrics.score")}
        assert (found["lines"], found["delivery"]) == ({"count": 3, "head": 0, "kept": []}, [])


def test_parts_that_are_requested_are_those_of_the_journal(pages: Watched, runs: dict[str, RecordedRun]) -> None:
    pages.page()
    some = [runs[trials.name_of(i)] for i in (3, 77, 229)]
    answer = json.loads(pages.curves("metrics", "loss", [*(run.id for run in some), "20260101-000000-000-000000"]))
    assert [*answer["curves"]] == [run.id for run in some]
    for run in some:
        series, found = run.get_series("loss"), answer["curves"][run.id]
        assert (found["steps"], found["values"], found["count"]) == (series.steps, series.values, 40)
        assert found["times"] == [time - run.facts.created for time in series.times]
    for run in some:
        answer = json.loads(pages.run(run.id))
        (found,) = answer["runs"]
        assert found["series"]["speed"]["values"] == run.get_series("speed").values
        assert [text for *_, text in found["lines"]["kept"]] == [line.text for line in run.get_lines()]
        context = answer["contexts"][found["context"]]
        assert context["command"] == ["python", "train.py", f"--seed={int(run.facts.name[-4:])}"]
        assert answer["packages"][context["packages"]] == {"numpy": "2.4.6"}
        assert "listed" not in found
    assert json.loads(pages.run("nothing"))["runs"] == []
    assert json.loads(pages.curves("lists", "loss", [some[0].id])) == {"curves": {}}
    statistics = json.loads(pages.column("metrics", "speed"))["statistics"]
    assert statistics.keys() == {run.id for run in runs.values()}
    for run in runs.values():
        wanted = trials.statistics_of(run.get_series("speed").values)
        assert dict(zip(wanted, statistics[run.id], strict=True)) == pytest.approx(wanted, rel=1e-15)
    assert (
        json.loads(pages.column("lists", "speed")) == json.loads(pages.column("metrics", "none")) == {"statistics": {}}
    )
    contexts = json.loads(pages.contexts())["contexts"]
    assert [context["user"] for context in contexts] == [f"user{i % 3}" for i in range(RUNS)]
    nodes = json.loads(pages.lineage())["lineage"]
    assert len(nodes) == 2 * RUNS + 5
    assert sum(len(node["to"]) for node in nodes.values()) == 2 * RUNS


def test_an_update_has_only_what_changed(pages: Watched, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = len(pages.page())
    assert pages.changes(1) == b'{"version":1,"runs":[]}'
    read: list[str] = []
    read_on = Collected.read_on
    monkeypatch.setattr(Collected, "read_on", lambda self: (read.append(self.run.facts.name), read_on(self))[1])
    with drawn_runs.start(journal, "new", params={"lr": 0.5}) as run:
        for step in range(3):
            run.log_metric("loss", 1.0 - step / 4, step=step)
        join_context(run)
        pages._lineage._due = 0.0  # as if some time had passed
        news = json.loads(pages.changes(1))
        (found,) = news["runs"]
        assert (found["name"], found["series"]["loss"]["statistics"]) == ("new", [3, 1.0, 0.5, 0.5, 1.0, 0.75, 0.75])
        assert [*news["contexts"]] == [str(RUNS)]  # the new one, at its place
        assert news["lineage"] == {}
        run.log_metric("loss", 0.125, step=3)
        news = json.loads(pages.changes(2))
        assert [found["series"]["loss"]["statistics"][:3] for found in news["runs"]] == [[4, 1.0, 0.125]]
        assert (news["contexts"], news["packages"], news["lineage"]) == ({}, {}, {})
        assert len(json.dumps(news)) < whole / 100
        run.log_artifact_ref("data", "s3://b/1.csv", kind="dataset", role="input", digest=f"sha256:{1:064x}")
        pages._lineage._due = 0.0
        news = json.loads(pages.changes(3))["lineage"]
        assert news.keys() == {run.id, f"sha256:{1:064x}"}
        assert [run.id, 0] in news[f"sha256:{1:064x}"]["to"]
        run.log_metric("loss", 0.0625, step=4)
        assert [*json.loads(pages.changes(4))["lineage"]] == [run.id]  # its value is in its box
    assert [found["status"] for found in json.loads(pages.changes(5))["runs"]] == ["finished"]
    assert len(json.loads(pages.changes(1))["runs"]) == 1
    assert {*read} == {"new"}  # no other run was read again
    read.clear()
    assert json.loads(pages.changes(6))["runs"] == []
    assert len(read) <= 1


def test_a_run_that_is_resumed_is_read_again(pages: Watched, journal: Path, runs: dict[str, RecordedRun]) -> None:
    pages.page()
    run = runs[trials.name_of(7)]
    with multitrack.start_run(run_id=run.id, config={"delivery": "off", "journal": str(journal)}) as again:
        again.log_metric("loss", 77.0, step=40)
        (found,) = json.loads(pages.changes(1))["runs"]
        assert (found["status"], found["series"]["loss"]["statistics"][2]) == ("running", 77.0)
        full = json.loads(pages.run(run.id))["runs"][0]
        assert full["series"]["loss"]["values"] == run.get_series("loss").values
    (found,) = json.loads(pages.changes(2))["runs"]
    assert found["status"] == "finished"


def test_an_end_that_a_killed_run_gets_from_its_child_is_sent(tmp_path: Path) -> None:
    journal = trials.write(tmp_path / "journal", FEW + 1)
    reader = multitrack.open_journal(journal)
    pages = Watched(lambda: reader.runs(), Options(charts=False), every=0)
    parent = drawn_runs.start(journal, "parent")
    child = drawn_runs.start(journal, "child", parent=parent)
    parent.end("killed")
    ended = {found["name"]: found["ended"] for found in data_of(pages.page())["runs"]}
    assert ended["parent"] is None
    child.end()
    news = {found["name"]: found["ended"] for found in json.loads(pages.changes(1))["runs"]}
    assert news["parent"] is not None
    assert news["parent"] >= news["child"]


def test_few_runs_are_served_completely(tmp_path: Path) -> None:
    journal = trials.write(tmp_path / "journal", FEW)
    reader = multitrack.open_journal(journal)
    pages = Watched(lambda: reader.runs(), Options(charts=False), every=0)
    data = data_of(pages.page())
    for run, found in zip(reader.runs(), data["runs"], strict=True):
        assert found["series"]["loss"]["values"] == run.get_series("loss").values
        assert len(found["lines"]["kept"]) == 3
    assert len(data["contexts"]) == FEW
    assert len(data["lineage"]["nodes"]) == 2 * FEW + 5
    with drawn_runs.start(journal, "one more") as run:
        run.log_metric("loss", 1.0, step=0)
        (found,) = json.loads(pages.changes(1))["runs"][-1:]
    assert (found["name"], found["listed"]) == ("one more", True)


def test_every_request_needs_the_secret(pages: Watched) -> None:
    with PageServer(pages) as server:
        parts = urlsplit(server.url)
        paths = (
            "run?id=x",
            "curves?group=metrics&name=loss&id=x",
            "column?group=metrics&name=loss",
            "contexts",
            "lineage",
        )
        for path in (*(f"/{path}" for path in paths), *(f"{parts.path}{path}" for path in paths)):
            connection = http.client.HTTPConnection(parts.netloc, timeout=20)
            connection.request("GET", path)
            assert connection.getresponse().status == (200 if path.startswith(parts.path) else 404), path
            connection.close()


@pytest.fixture
def page(browser: Page, journal: Path) -> Iterator[Page]:
    """The page of many runs, served."""
    reader = multitrack.open_journal(journal)
    browser.troubles(), browser.requests()
    with PageServer(Watched(lambda: reader.runs(), Options(), every=0.1)) as server:
        browser.open(server.url)
        yield browser
        assert browser.troubles() == []
        browser.driver.get("about:blank")
    browser.troubles(), browser.requests()


def asked(page: Page) -> list[tuple[str, dict[str, list[str]]]]:
    """The requests since the last look, except those for changes."""
    found = [urlsplit(url) for url in page.requests()]
    return [(url.path.rpartition("/")[2], parse_qs(url.query)) for url in found if not url.path.endswith("/changes")]


def cells(page: Page, key: str) -> dict[str, str]:
    place = page.js("[...document.querySelectorAll('thead .sort')].map((e) => e.dataset.key)").index(f"sort {key}") + 1
    return dict(page.js("[...document.querySelectorAll('table.runs tbody tr[data-run]')].map((row) => [row.querySelector('th').textContent, row.cells[arguments[0]].title || row.cells[arguments[0]].textContent])", place))  # fmt: skip


@pytest.mark.slow
def test_curves_are_requested_when_they_are_drawn(page: Page, journal: Path, runs: dict[str, RecordedRun]) -> None:
    page.wait("document.querySelector('.lineages')")
    before = asked(page)
    assert [path for path, _ in before if path not in ("", "curves")] == ["lineage"]
    page.view("filter=name+~+%22trial+000%22")
    traces = page.graph("metrics.loss")
    assert {trace["run"] for trace in traces} == {runs[trials.name_of(i)].id for i in range(10)}
    by_id = {run.id: run for run in runs.values()}
    for trace in traces:
        series = by_id[trace["run"]].get_series("loss")
        assert (trace["x"], trace["y"]) == (series.steps, series.values)
    asked(page)
    page.graph("metrics.speed")
    page.graph("metrics.loss")  # it is there
    assert all(query["name"] == ["speed"] for _, query in asked(page))
    with drawn_runs.start(journal, "trial 0000 again") as run:
        run.log_metric("loss", 4.5, step=0)
        page.wait("[...document.querySelectorAll('#runs .count')].some((e) => e.textContent.startsWith('11 of'))")
        page.graph("metrics.loss")
        page.wait("document.querySelector('figure[data-column=\"metrics.loss\"] .plot').data.length === 11")
        run.log_metric("loss", 3.5, step=1)
        page.wait(
            "document.querySelector('figure[data-column=\"metrics.loss\"] .plot').data.some((t) => t.y.length === 2)"
        )
        found = asked(page)
    assert {path for path, _ in found} == {"curves"}
    assert {run_id for _, query in found for run_id in query["id"]} == {run.id}  # of the one that changed


@pytest.mark.slow
def test_statistics_are_requested_when_they_are_chosen(page: Page, runs: dict[str, RecordedRun]) -> None:
    last = {name: run.get("metrics.loss") for name, run in runs.items()}
    shown = cells(page, "metrics.loss")
    assert {name: float(text) for name, text in shown.items()} == {name: last[name] for name in shown}
    assert "column" not in {path for path, _ in asked(page)}
    page.click("select[data-key='reduce metrics.loss'] option[value=min]")
    first = f"{runs[trials.name_of(0)].get('metrics.loss:min')}"
    page.wait(
        "[...document.querySelectorAll('tbody tr[data-run] td')].some((cell) => cell.title === arguments[0])", first
    )
    shown = cells(page, "metrics.loss")
    assert {name: float(text) for name, text in shown.items()} == {
        name: runs[name].get("metrics.loss:min") for name in shown
    }
    assert [query for path, query in asked(page) if path == "column"] == [{"group": ["metrics"], "name": ["loss"]}]
    wanted = {
        name for name, run in runs.items() if run.get("metrics.speed:max") > 99 and run.get("metrics.loss:mean") < 0.4
    }
    assert 0 < len(wanted) < RUNS
    page.view(f"filter={urlencode({'': 'metrics.speed:max > 99 metrics.loss:mean < 0.4'})[1:]}")
    page.wait("document.querySelector('#runs .count').textContent === arguments[0]", f"{len(wanted)} of {RUNS} runs")
    assert page.js("[...document.querySelectorAll('#runs .trouble')].map((e) => e.textContent)") == [""]
    assert [query for path, query in asked(page) if path == "column"] == [{"group": ["metrics"], "name": ["speed"]}]


@pytest.mark.slow
def test_contexts_are_requested_when_a_filter_needs_them(page: Page) -> None:
    page.view("filter=user+%3D+user2")
    page.wait("document.querySelector('#runs .count').textContent === arguments[0]", f"76 of {RUNS} runs")
    assert [path for path, _ in asked(page) if path == "contexts"] == ["contexts"]


@pytest.mark.slow
def test_a_filter_is_read_again_when_its_column_is_there(page: Page) -> None:
    page.view("filter=dirty+%3D+maybe")
    page.wait("document.getElementById('trouble').textContent.startsWith(\"'maybe' is neither true nor false\")")


@pytest.mark.slow
def test_words_find_what_a_run_got_later(page: Page, journal: Path) -> None:
    page.view("filter=golden")
    with drawn_runs.start(journal, "late") as run:
        page.wait("document.querySelector('#runs .count').textContent.endsWith(' of 231 runs')")
        assert page.texts("#runs .count") == ["0 of 231 runs"]
        run.set_tags({"kind": "golden"})
        page.wait("document.querySelector('#runs .count').textContent === '1 of 231 runs'")


@pytest.mark.slow
def test_a_run_has_its_whole_page(page: Page, journal: Path, runs: dict[str, RecordedRun]) -> None:
    name = trials.name_of(200)
    page.view(f"run={runs[name].id}")
    page.wait("document.querySelector('#single .lines')")
    assert page.texts(".lines .text") == [f"line {i} of 200" for i in range(3)]
    assert "--seed=200" in page.find("#single").text
    assert "numpy 2.4.6" in page.js("document.querySelector('#single .packages').textContent")
    (trace,) = page.graph("metrics.loss")
    assert trace["y"] == runs[name].get_series("loss").values
    page.wait("document.querySelectorAll('#single .lineage .box').length === 3")
    with drawn_runs.start(journal, "live") as run:
        run.log_lines("first")
        page.view(f"run={run.id}")
        page.wait("document.querySelectorAll('#single .lines li').length === 1")
        run.log_lines("second")
        run.log_metric("loss", 1.0, step=0)
        page.wait("document.querySelectorAll('#single .lines li').length === 2")
        page.wait("document.querySelector('#single figure')")


@pytest.mark.slow
def test_delivery_goes_on_while_a_run_is_open(page: Page, runs: dict[str, RecordedRun]) -> None:
    run = runs[trials.name_of(5)]
    backends = [BackendEntry(name="tracker", load="tracker")]
    write_manifest(run.directory, msgspec.structs.replace(run.manifest, backends=backends))
    page.view(f"run={run.id}")
    page.wait("document.querySelector('#single [aria-label=Delivery]')?.textContent.includes('pending')")
    lane_file(run.directory, "tracker").parent.mkdir(mode=0o700)
    state = LaneState("tracker", position=10**6, delivered=10**6, closed=True, linked=True, segment=1)
    write_json(lane_file(run.directory, "tracker"), state)
    page.wait("document.querySelector('#single [aria-label=Delivery]').textContent.includes('delivered')")


@pytest.mark.slow
def test_a_run_that_is_gone_is_said_and_costs_no_other_its_graph(page: Page, runs: dict[str, RecordedRun]) -> None:
    gone = runs[trials.name_of(6)]
    shutil.rmtree(gone.directory)
    page.view("filter=name+~+%22trial+000%22")
    traces = {trace["run"]: trace["y"] for trace in page.graph("metrics.loss")}
    assert traces.pop(gone.id) == []
    assert len(traces) == 9
    assert all(traces.values())
    page.view(f"run={gone.id}")
    page.wait("document.querySelector('#single').textContent.includes(arguments[0])", f"The run {gone.id} is no longer")


@pytest.mark.slow
def test_the_lineage_comes_after_the_page(page: Page, runs: dict[str, RecordedRun]) -> None:
    url = page.js("location.href.split('#')[0]")
    page.open(f"{url}#run={runs[trials.name_of(9)].id}")
    page.wait("document.querySelectorAll('#single .lineage .box').length === 3")


@pytest.mark.slow
def test_the_lineage_takes_new_references_in(page: Page, journal: Path) -> None:
    page.view("filter=name+%3D+new")
    with drawn_runs.start(journal, "new") as run:
        run.log_artifact_ref("data", "s3://b/1.csv", kind="dataset", role="input", digest=f"sha256:{1:064x}")
        page.wait("document.querySelectorAll('#overview .lineage .box').length === 2")
        run.log_artifact_ref("made", "s3://b/made", kind="dataset", digest=f"sha256:{77:064x}")
        page.wait("document.querySelectorAll('#overview .lineage .box').length === 3")
    assert set(page.texts("#overview .lineage .box .title")) == {"data", "new", "made"}


@pytest.mark.slow
def test_executions_among_many_runs_are_monitored(page: Page, journal: Path) -> None:
    with multitrack.start_run(
        "shop", "service", deployment="eu", config={"delivery": "off", "journal": str(journal)}
    ) as run:
        run.log_metric("latency", 1.5)
        page.wait("!document.querySelector('.tabs').hidden")
        page.click("[data-key='view monitor']")
        page.wait("document.querySelector('#monitor .plot')?.data?.[0].y[0] === 1.5")
        run.log_metric("latency", 2.5)
        page.wait(
            "document.querySelector('#monitor .plot').data[0].y.filter((y) => y !== null).reduce((a, b) => a + b) >= 2"
        )
    with multitrack.start_run("shop", "job", deployment="us", config={"delivery": "off", "journal": str(journal)}):
        page.wait("document.querySelectorAll('#monitor .executions tbody tr').length === 2")
    assert set(page.texts("#monitor .legend button")) == {"eu", "us"}
    assert watched.FEW < RUNS
