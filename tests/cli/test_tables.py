"""Tables in a pipe and on terminals: nothing lost in one, nothing wider than the other, and no thousand calls a row."""

import contextlib
import io
import re
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from multitrack.cli.tables import Heading, Screen, Table

ROWS: list[list[Any]] = [
    ["a", 1, [("finished", "green")], "short"],
    ["漢字", 22, [("failed", "red")], "words that go on below, and averyveryverylongone"],
    ["é🚀", 333, [("x ", "dim"), ("delivered", "green")], [("two\n\nlines", "")]],
]


def drawn(capsys: pytest.CaptureFixture[str], columns: list[Heading], rows: list[list[Any]], best: int = -1) -> str:
    table = Table(columns)
    for i, row in enumerate(rows):
        table.add([str(cell) if isinstance(cell, int) else cell for cell in row], "bold" if i == best else "")
    table.print(Screen())
    return capsys.readouterr().out


def terminal(monkeypatch: pytest.MonkeyPatch, width: int, *, colours: bool = False) -> None:
    for name, value in {
        "TTY_COMPATIBLE": "1",
        "COLUMNS": str(width),
        "FORCE_COLOR" if colours else "NO_COLOR": "1",
    }.items():
        monkeypatch.setenv(name, value)


COLUMNS = [Heading("name"), Heading("n", right=True), Heading("status"), Heading("text", fold=True)]


def test_a_pipe_takes_all_and_wide_characters_stand_in_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.rstrip() for line in drawn(capsys, COLUMNS, ROWS).splitlines()]
    assert lines == [
        "name    n  status       text",
        "a       1  finished     short",
        "漢字   22  failed       words that go on below, and averyveryverylongone",
        "é🚀   333  x delivered  two",
        "",
        " " * 24 + "lines",
    ]


def test_a_terminal_folds_and_cuts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, 38)
    lines = [line.rstrip() for line in drawn(capsys, COLUMNS, ROWS).splitlines()]
    assert lines[2:6] == [
        "漢字   22  failed       words that go",
        " " * 24 + "on below, and", " " * 24 + "averyveryveryl", " " * 24 + "ongone",
    ]  # fmt: skip
    unfolded = [column._replace(fold=False) for column in COLUMNS]
    assert drawn(capsys, unfolded, ROWS[:2]).splitlines()[-1].rstrip() == "漢字  22  failed    words that go on …"
    lines = drawn(capsys, [Heading("a name", widest=3)], [["漢字"], ["abc"]]).splitlines()
    assert lines == ["\x1b[1ma …\x1b[0m", "漢…", "abc"]
    terminal(monkeypatch, 5)  # narrower than anything
    lines = re.sub(r"\x1b\[[\d;]*m", "", drawn(capsys, unfolded, ROWS[:2])).splitlines()
    assert {cell_len(line) for line in lines} == {10}


@pytest.mark.parametrize("width", [6, 11, 20, 27])
def test_cells_stand_below_each_other_where_columns_would_have_one_letter_a_line(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal(monkeypatch, width)
    lines = re.sub(r"\x1b\[[\d;]*m", "", drawn(capsys, COLUMNS, ROWS)).splitlines()
    assert lines[0] == "a"
    assert max(map(cell_len, lines)) <= width
    assert [line for line in lines if line and not line.startswith("  ")] == ["a", "漢字", "é🚀"]
    assert "".join("".join(lines).split()) == (
        "an1statusfinishedtextshort漢字n22statusfailedtextwordsthatgoonbelow,andaveryveryverylongone"
        "é🚀n333statusxdeliveredtexttwolines"
    )
    if width == 20:
        assert lines[4:9] == ["漢字", "  n 22", "  status failed", "  text words that go", "  on below, and"]


def test_an_empty_column_goes_first(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    columns = [Heading("name", fold=True), Heading("took", spare=1), Heading("delivery", fold=True)]
    terminal(monkeypatch, 24)
    table = Table(columns)
    table.add(["a name of 18 cells", "2.0 s", ""])
    assert table.print(Screen()) == []
    header, *lines = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    assert header.split() == ["name", "took"]
    assert [line.rstrip() for line in lines] == ["a name of 18       2.0 s", "cells"]


def test_a_terminal_leaves_out_what_can_be_spared(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = [Heading("run"), Heading("took", spare=1), Heading("words", fold=True), Heading("n", spare=2)]
    rows: list[list[Any]] = [["x" * 10, "y" * 5, "words that go on for longer than that", "z"]]
    for width, titles in (
        (60, "run took words n"),
        (36, "run took words n"),
        (35, "run took words"),
        (30, "run words"),
    ):
        terminal(monkeypatch, width, colours=True)
        lines = re.sub(r"\x1b\[[\d;]*m", "", drawn(capsys, columns, rows)).splitlines()
        assert lines[0].split() == titles.split(), width
        assert max(map(len, lines)) <= width
    table = Table(columns)
    table.add(rows[0])
    assert table.print(Screen()) == ["took", "n"]


def test_colours_and_bold_are_a_terminals(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in drawn(capsys, COLUMNS, ROWS, best=0)
    terminal(monkeypatch, 80, colours=True)
    header, first, second, *_ = drawn(capsys, COLUMNS, ROWS, best=0).splitlines()
    assert re.findall(r"\x1b\[([\d;]*)m([^\x1b]+)\x1b\[0m", header) == [("1", column.title) for column in COLUMNS]
    assert re.findall(r"\x1b\[([\d;]*)m([^\x1b]+)\x1b\[0m", first) == [
        ("1", "a"), ("1", "1"), ("1;32", "finished"), ("1", "short"),
    ]  # fmt: skip
    assert re.findall(r"\x1b\[([\d;]*)m([^\x1b]+)\x1b\[0m", second) == [("31", "failed")]


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab  é漢🚀", min_size=1, max_size=60), st.integers(2, 20))
def test_folded_texts_keep_their_words_and_the_width(text: str, width: int) -> None:
    captured = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(captured):
        terminal(patch, width)
        table = Table([Heading("", fold=True)], header=False)
        table.add([text])
        table.print(Screen())
    lines = captured.getvalue().splitlines()
    assert all(cell_len(line) == min(width, cell_len(text)) for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
    if all(cell_len(word) <= width for word in text.split()):
        assert " ".join(lines).split() == text.split()


def test_a_row_takes_some_calls_a_cell(capsys: pytest.CaptureFixture[str]) -> None:
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    table = Table([Heading(str(i)) for i in range(10)])
    for _ in range(100):
        table.add(["text"] * 9 + [[("finished", "green")]])
    screen = Screen()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        table.print(screen)
    finally:
        sys.setprofile(before)
    assert len(capsys.readouterr().out.splitlines()) == 101
    assert calls < 10 * 100 * 12  # rich's tables take some 250 a cell
