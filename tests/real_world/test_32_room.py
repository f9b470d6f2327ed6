"""Case 32: names of any length and width have room, in a terminal and on the page, and many log lines are printed at once."""

import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

import drawn_runs
import multitrack
from browser import Page
from multitrack.cli import main
from multitrack.journal.cursor import Cursor
from multitrack.page.render import write_page
from multitrack.summaries.series import read_lines
from shell import in_terminal, shell

pytestmark = pytest.mark.case(32)

NAMES = [
    "baseline",
    "a name of some words and of 42 characters",
    "trial-0001-with-a-name-without-any-space-in-it",
    "漢字" * 12,
    "👩‍💻🚀" * 8,
    "é" * 30,
]


def terminal(*arguments: str, columns: int) -> list[str]:
    status, written = in_terminal(*arguments, columns=columns)
    assert status == 0
    return re.sub(r"\x1b\[[\d;]*m", "", written.decode()).splitlines()


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with names of all kinds, which no backend has."""
    home = tmp_path_factory.mktemp("names")
    for name in NAMES:
        with multitrack.start_run(
            "a project", name, params={name: name}, config={"delivery": "off", "journal": str(home / "j")}
        ) as run:
            run.log_metric(name, 0.5, step=0)
    return home / "j"


# -- the terminal -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [20, 28, 30, 36, 40, 46, 50, 60, 80, 100, 132, 200])
def test_runs_fit_terminals_of_any_width(journal: Path, columns: int) -> None:
    lines = terminal("runs", "--journal", str(journal), columns=columns)
    assert {line for line in lines if cell_len(line) > columns} == set()
    assert "delivery" not in " ".join(lines)  # which would be empty
    runs = list(multitrack.open_journal(journal).runs())
    text = "\n".join(lines)
    assert len(runs) == len(NAMES)
    if columns >= 28:
        assert all(run.id in text for run in runs), "ids are whole, to be copied"
    told = re.sub(r"\s", "", text)
    for run in runs:  # in one piece, and not a letter a line
        pieces = [
            line
            for line in lines
            if any(line.strip().endswith(piece) or piece in line for piece in _pieces(run.facts.name, 5))
        ]
        assert pieces or re.sub(r"\s", "", run.facts.name) in told, run.facts.name
    lonely = [line.strip() for line in lines if len(line.strip()) == 1]
    assert len(lonely) <= 1  # the last letter of a long word


def _pieces(name: str, length: int) -> list[str]:
    return [name[i : i + length] for i in range(len(name) - length + 1)]


def test_at_40_columns_each_run_has_all_of_itself_below_its_id(journal: Path) -> None:
    lines = terminal("runs", "--journal", str(journal), columns=40)
    first = multitrack.open_journal(journal).run("baseline")
    at = lines.index(first.id)
    assert lines[at + 1 : at + 4] == ["  name baseline", "  project a project", "  status finished"]
    assert [line.split()[0] for line in lines[at + 4 : at + 7]] == ["started", "took", "records"]
    assert [line for line in lines if not line.startswith("  ")] == [
        run.id for run in multitrack.open_journal(journal).runs()
    ]


def test_a_column_that_is_not_empty_stays(tmp_path: Path) -> None:
    config = {"delivery": "off", "backends": ["recording_backends:file"], "journal": str(tmp_path / "d")}
    multitrack.start_run("p", "baseline", params={"a": 1}, config=config).end()
    for columns in (40, 60, 80, 200):
        assert "pending" in " ".join(terminal("runs", "--journal", str(tmp_path / "d"), columns=columns)), columns


@pytest.mark.long("20", "100")
@pytest.mark.parametrize("columns", [20, 40, 60, 100])
def test_other_tables_fit_as_well(journal: Path, columns: int) -> None:
    for command in (
        ["show", "baseline"],
        ["show", NAMES[2]],
        ["compare"],
        ["compare", "--columns", "metadata,params,metrics"],
        ["config"],
        ["backends"],
    ):
        more = [] if command[0] in ("config", "backends") else ["--journal", str(journal)]
        lines = terminal(*command, *more, columns=columns)
        assert len(lines) > 2
        assert {line for line in lines if cell_len(line) > columns} == set(), command


# -- log lines ------------------------------------------------------------------------------------------------------


@pytest.fixture
def logged(tmp_path: Path) -> multitrack.Run:
    with drawn_runs.start(tmp_path / "l", "a") as run:
        for i in range(3000):
            run.log_lines(
                f"line {i}: \x1b[31mloss\x1b[0m\t{i / 7}" if i % 10 == 0 else f"line {i}",
                stream="stderr" if i % 3 else "log",
            )
            run.log_metric("loss", i, step=i)
        run.log_lines([f"of many {i} 漢字 🚀 \u2028" for i in range(9000)])
    return run


def test_lines_are_read_and_printed_many_at_a_time(logged: multitrack.Run) -> None:
    assert logged.directory is not None
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call" and "multitrack" in frame.f_code.co_filename

    for form in ([], ["--json"]):
        calls = 0
        before = sys.getprofile()
        sys.setprofile(count)
        try:
            done = CliRunner().invoke(main, ["logs", "a", "--journal", "l", *form])
        finally:
            sys.setprofile(before)
        assert done.exit_code == 0
        assert len(done.stdout.splitlines()) == 12_000 + 2 * len(form)
        assert calls < 2.5 * 12_000  # of which one a line is the generator's; there were some twenty


def test_they_are_the_lines_of_the_journal(logged: multitrack.Run) -> None:
    assert logged.directory is not None
    expected = []
    cursor = Cursor(logged.directory)
    while stretch := cursor.read():
        expected += [(r.time, r.stream, text) for r in stretch if type(r).__name__ == "Lines" for text in r.lines]
    assert len(expected) == 12_000
    found = json.loads(shell("multitrack logs a --journal l --json").stdout)
    assert [(line["time"], line["stream"], line["text"]) for line in found] == expected
    assert [(r.time, r.stream, text) for r in read_lines(logged.directory) for text in r.lines] == expected
    printed = shell("multitrack logs a --journal l").stdout.decode().splitlines()
    assert len(printed) == 12_000
    assert printed[0].endswith("log    line 0: \\x1b[31mloss\\x1b[0m   0.0")
    assert printed[1].endswith("stderr line 1")
    assert printed[-1].endswith("log    of many 8999 漢字 🚀 \\u2028")
    limited = json.loads(shell("multitrack logs a --journal l --json --limit 5000").stdout)
    assert limited == found[:5000]
    assert len(shell("multitrack logs a --journal l --limit 4097").stdout.splitlines()) == 4097


def test_lines_of_a_run_that_goes_on_and_of_a_damaged_one(tmp_path: Path) -> None:
    run = drawn_runs.start(tmp_path / "l", "open")
    run.log_lines(["one", "two"])
    assert len(shell("multitrack logs open --journal l").stdout.splitlines()) == 2
    run.log_lines("three")
    run.end()
    assert run.directory is not None
    path = next(run.directory.glob("*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    deep = b'{"record":"lines","time":1,"lines":' + b"[" * 100_000 + b"\n"
    path.write_bytes(lines[0] + b'{"record":"lines","time":\n' + deep + b"\0" * 90 + b"\n" + b"".join(lines[1:]))
    done = shell("multitrack logs open --journal l --json")
    assert (done.returncode, [line["text"] for line in json.loads(done.stdout)]) == (0, ["one", "two", "three"])


def test_logs_for_machines_are_one_document_like_all_others(logged: multitrack.Run) -> None:
    drawn_runs.start(Path("l"), "silent").end()
    document = shell("multitrack logs silent --journal l --json").stdout
    assert (document, json.loads(document)) == (b"[]\n", [])
    some = shell("multitrack logs a --journal l --json --limit 2").stdout.decode().splitlines()
    assert (some[0], some[-1], len(some)) == ("[", "]", 4)
    assert json.loads(some[1].rstrip(","))["text"].startswith("line 0")
    for command in ("runs", "show a", "logs a", "logs silent", "compare", "backends", "config", "sync"):
        more = "" if command in ("backends", "config") else "--journal l"
        done = shell(f"multitrack {command} {more} --json")
        assert done.returncode == 0, command
        json.loads(done.stdout)
    assert "one document" in shell("multitrack logs --help").stdout.decode()


# -- the page -------------------------------------------------------------------------------------------------------

TEXTS = {
    "long": "m" * 300,
    "words": "word " * 59 + "word",
    "lines": "line one\nline two\tafter\n\tthird",
    "cjk": "測試" * 150,
    "emoji": "👩‍💻" * 100,
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of which every name and text is long, or has several lines."""
    home = tmp_path_factory.mktemp("long")
    for i, text in enumerate(TEXTS.values()):
        config = {"delivery": "off", "journal": str(home / "j")}
        with multitrack.start_run(
            text, text, params={text: text, "same": text, **{f"{other} x": i + 1 for other in TEXTS.values()}}, tags={text: text},
            notes=text * 3, group=text, config=config,
        ) as run:  # fmt: skip
            for step in range(3):
                run.log_metrics(dict.fromkeys(TEXTS.values(), step + i), step=step)
            run.log_metrics({f"{other} score": i for other in TEXTS.values()})
            run.log_list_metric(f"{text} list", [1, 2, 3])
            run.log_lines([text, "short", text.replace("\n", " ") * 5])
            run.log_artifact_ref(text, "s3://b/" + text.replace("\n", "") * 2, kind=text)
            with multitrack.start_run(
                text, f"child {text}", parent=run, params={f"{text} x": i * 2 + 9}, config=config
            ) as child:
                child.log_metrics({f"{other} score": i * 2 for other in TEXTS.values()})
    write_page(home / "r.html", multitrack.open_journal(home / "j").runs())
    return home / "r.html"


#: Elements that stick out of the window, but those within one that scrolls by itself.
OUTSIDE = """(() => { const width = document.documentElement.clientWidth; return [...document.querySelectorAll('main:not([hidden]) *, header *')]
  .filter((e) => { const r = e.getBoundingClientRect(); if (!r.width || r.right <= width + 1) return false;
    for (let p = e.parentElement; p; p = p.parentElement) if (/auto|scroll|hidden|clip/.test(getComputedStyle(p).overflowX) && p.getBoundingClientRect().right <= width + 1) return false;
    return true; }).map((e) => e.tagName + ' ' + e.textContent.slice(0, 40)); })()"""
#: Pairs of names of axes that stand over each other.
OVER = """(() => { const boxes = [...document.querySelectorAll('.parallel .label')].map((e) => e.getBoundingClientRect()).sort((a, b) => a.left - b.left);
  return boxes.slice(1).filter((box, i) => box.left < boxes[i].right - 1).length; })()"""


def sideways(page: Page) -> tuple[int, list[str]]:
    """By how much the page scrolls sideways, and what makes it."""
    figures = page.all("main:not([hidden]) figure")
    assert figures
    for figure in figures:
        page.js("(arguments[0].scrollIntoView(), 0)", figure)
        page.wait("arguments[0].querySelector('.plot').data", figure)
    return page.js("document.documentElement.scrollWidth - document.documentElement.clientWidth"), page.js(OUTSIDE)


@pytest.mark.long("1280", "320")
@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 700, 390, 320])
def test_the_report_does_not_scroll_sideways(report: Path, browser: Page, width: int) -> None:
    browser.troubles()
    browser.open(report.as_uri(), width=width)
    assert len(browser.all("figure")) > 5
    assert browser.all(".parallel .axis")
    assert sideways(browser) == (0, [])
    assert browser.js(OVER) == 0
    browser.open(f"{report.as_uri()}#filter={'x' * 3000} <", width=width)
    assert browser.texts("#runs .trouble")[0] != ""
    assert sideways(browser) == (0, [])
    runs = list(multitrack.open_journal(report.parent / "j").runs())
    for run in itertools.islice(runs, 0, 2 * len(TEXTS), 2):
        browser.open(f"{report.as_uri()}#run={run.id}", width=width)
        assert browser.texts("#single h1")
        assert sideways(browser) == (0, []), run.facts.name[:9]
    assert browser.troubles() == []


@pytest.mark.slow
def test_a_name_has_one_line_wherever_it_stands(report: Path, browser: Page) -> None:
    text = TEXTS["lines"]
    shown = text.replace("\n", "\\n").replace("\t", "\\t")
    run = multitrack.open_journal(report.parent / "j").run(text)
    browser.open(report.as_uri())
    assert shown in browser.rows()
    assert f"child {shown}" in browser.rows()
    heights = browser.js(
        "[...document.querySelectorAll('table.runs tbody th.name')].map((e) => e.getBoundingClientRect().height)"
    )
    assert max(heights) - min(heights) < 2  # not by a line, but for where pixels begin
    rows = browser.js(
        "[...document.querySelectorAll('table.runs tbody th.name a span')].map((e) => e.getClientRects().length)"
    )
    assert set(rows) == {1}
    assert "line one\\nlin…after\\n\\tthird" in browser.texts(".legend button")  # whole where one points
    for css, end in (
        ("thead .sort", "third x"),
        ("[data-key=objective] option", "third score"),
    ):  # cut, if at all, within
        assert [text for text in browser.texts(css) if text.startswith("line one\\n") and text.endswith(end)], css
    graph = browser.graph(f"metrics.{text}")
    assert shown in [trace["name"] for trace in graph]
    assert shown in browser.texts("figcaption .title")
    one_line = browser.texts(".legend button, figcaption .title, thead .sort, option, .chip")
    axes = browser.js("[...document.querySelectorAll('.parallel .label')].map((e) => e.firstChild.textContent)")
    assert len(one_line) > 20
    assert len(axes) > 5
    assert [text for text in [*one_line, *axes] if "\n" in text or "\t" in text] == []
    browser.open(f"{report.as_uri()}#run={run.id}")
    assert browser.texts("#single h1") == [shown]
    assert shown in browser.texts("#single tbody th")
    assert text in browser.texts("#single tbody td")  # a value has its lines
    assert browser.texts("#single .text")[:3] == ["line one", "line two\tafter", "\tthird"]


@pytest.mark.slow
def test_long_names_are_cut_and_whole_where_one_points(report: Path, browser: Page) -> None:
    browser.open(report.as_uri())
    long = TEXTS["long"]
    browser.graph(f"metrics.{long}")
    titles = browser.js("[...document.querySelectorAll('figcaption .title')].map((e) => [e.textContent, e.title])")
    assert [title for text, title in titles if len(text) <= 100 and title == long]
    assert max(len(text) for text, _ in titles) <= 100
    names = browser.js("[...document.querySelectorAll('.parallel .label title')].map((e) => e.textContent)")
    assert f"{long} x" in names
