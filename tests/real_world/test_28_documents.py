"""Case 28: a document is the same bytes in a pipe, a file and Python; on a terminal nothing in it acts."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
import yaml

import multitrack
from multitrack.compare import Comparison, compare
from shell import in_terminal, shell

pytestmark = pytest.mark.case(28)

#: A title, colours, a link, the clipboard; tabs, returns, bells; what turns text round; what CSV quotes; other scripts.
EVIL = (
    "\x1b]0;owned\x07", "\x1b[31mred\x1b[0m", "\x1b]8;;https://x\x1b\\a\x1b]8;;\x1b\\", "\x1b]52;c;ZXZpbA==\x07", "a\tb",
    "a\rb", "a\r\nb", "a\nb", "\x9b31m", "\u202egnp.exe", "\u2028", 'a "quoted", one', "=1+1", "héllo 世界 🚀", "  ",
)  # fmt: skip
ACTIVE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
FORMS = ("--csv", "--markdown", "--json", "--rerun yaml", "--rerun json", "--rerun command", "--rerun requirements")


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    for i, text in enumerate(EVIL):
        with multitrack.start_run(
            "p", f"n{i} {text}", params={"text": text, f"name {text}": i}, tags={text.strip() or "tag": text}, notes=text,
            config={"delivery": "off"},
        ) as run:  # fmt: skip
            run.log_metric("loss", float(i), step=0)
            run.log_lines(f"x{text}", stream="stderr")
    return compare(multitrack.open_journal().runs())


def test_csv_is_the_same_in_a_pipe_a_file_and_python(comparison: Comparison) -> None:
    expected = comparison.to_csv().encode()
    assert b"\x1b]0;owned\x07" in expected
    assert shell("multitrack compare --csv").stdout == expected
    assert shell("multitrack compare --csv > out.csv; cat out.csv").stdout == expected
    assert shell("multitrack compare --csv | cat").stdout == expected
    for more in (
        {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"},
        {"NO_COLOR": "1", "TERM": "dumb"},
        {"PYTHONIOENCODING": "latin-1"},
    ):
        assert shell("multitrack compare --csv", **more).stdout == expected


def test_csv_comes_back_as_it_was(comparison: Comparison) -> None:
    header, *rows = csv.reader(io.StringIO(comparison.to_csv(), newline=""))
    texts = [row[header.index("params.text")] for row in rows]
    assert [text.removeprefix("'") for text in texts] == list(EVIL)


@pytest.mark.long("--markdown", "--rerun yaml")
@pytest.mark.parametrize("form", FORMS)
def test_other_documents_are_the_same_in_a_pipe_and_a_file(comparison: Comparison, form: str) -> None:
    chosen = comparison.rows[0].id if "--rerun" in form else ""
    piped = shell(f"multitrack compare {chosen} {form} | cat").stdout
    assert shell(f"multitrack compare {chosen} {form} > out; cat out").stdout == piped
    assert piped
    if form == "--markdown":
        assert piped == comparison.to_markdown().encode()
    if form == "--rerun yaml":
        assert piped.endswith(compare(multitrack.open_journal().run(chosen)).rerun().to_yaml().encode())
    if form != "--csv":  # which is as it was recorded
        assert not ACTIVE.search(piped.decode())


#: The command for each of several runs, one after the other in one process.
EACH = """
import sys
from multitrack.cli import main
for run in sys.argv[2:]:
    try:
        main(["compare", run, *sys.argv[1].split()], prog_name="multitrack")
    except SystemExit as end:
        if end.code:
            raise
    print("status 0")
"""


@pytest.mark.long("--csv", "--rerun json")
@pytest.mark.parametrize("form", FORMS)
def test_nothing_acts_on_a_terminal(comparison: Comparison, form: str) -> None:
    ids = [row.id for row in comparison.rows]
    if "--rerun" in form:
        status, written = in_terminal(form, *ids, program=("-c", EACH))
        assert written.count(b"status 0") == len(ids) == len(EVIL)
        if form in ("--rerun yaml", "--rerun json"):
            assert b"owned" in written
        outputs = [(status, written)]
    else:
        outputs = [in_terminal("compare", *chosen, form) for chosen in ([], ids[:1])]
    for status, written in outputs:
        assert status == 0
        assert not ACTIVE.search(written.decode()), form


def test_a_terminal_shows_csv_with_escapes(comparison: Comparison) -> None:
    _, written = in_terminal("compare", "--csv")
    text = written.decode()
    for piece in (
        "\\x1b]0;owned\\x07",
        "\\x1b[31mred\\x1b[0m",
        "a\\tb",
        "a\\rb",
        "\\x9b31m",
        "\\u202egnp.exe",
        "世界 🚀",
    ):
        assert piece in text
    assert text == re.sub(ACTIVE, lambda match: _escape(match[0]), comparison.to_csv())


def _escape(character: str) -> str:
    code = ord(character)
    return {"\t": "\\t", "\r": "\\r"}.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def test_json_and_yaml_hold_the_same_values_everywhere(comparison: Comparison) -> None:
    for command in (
        "compare --json",
        "runs --json",
        f"show {comparison.rows[0].id} --json",
        f"logs {comparison.rows[0].id} --json",
    ):
        _, written = in_terminal(*command.split())
        assert json.loads(written) == json.loads(shell(f"multitrack {command}").stdout), command
    chosen = comparison.rows[8].id
    for form in ("yaml", "json"):
        _, written = in_terminal("compare", chosen, "--rerun", form)
        document = written.decode().replace("\r\n", "\n")
        if form == "json":
            document = document[document.index("\n{") + 1 :]  # after the comments on stderr
        assert yaml.safe_load(document) == yaml.safe_load(shell(f"multitrack compare {chosen} --rerun {form}").stdout)
        assert yaml.safe_load(document)["text"] == EVIL[8]


def test_what_people_read_is_the_same_text_in_a_pipe_and_on_a_terminal(comparison: Comparison) -> None:
    shown_as = {f"show {comparison.rows[0].id}": "\\x1b", f"logs {comparison.rows[5].id}": "\\r", "runs": "\\x1b"}
    for command, escape in shown_as.items():
        piped = shell(f"multitrack {command}").stdout.decode()
        status, written = in_terminal(*command.split(), columns=400)
        shown = [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", written.decode()).splitlines()]
        piped = re.sub("  delivery$", "", piped, count=1, flags=re.MULTILINE)  # empty, so a terminal has no such column
        assert (status, shown) == (0, [line.rstrip() for line in piped.splitlines()])
        assert not ACTIVE.search(piped)
        assert escape in piped
