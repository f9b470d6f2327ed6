"""Case 31: a filter finds what tables show, and what it cannot mean is an error, short and in its own words."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import drawn_runs
import multitrack
from multitrack.cli import main
from multitrack.compare import compare
from multitrack.errors import QueryError
from multitrack.page.render import Options
from multitrack.page.watched import Watched
from multitrack.plot import overlay, parallel
from multitrack.query.cells import ABSENT, Value
from multitrack.query.columns import METADATA, Column, misread, parse_column
from multitrack.query.filters import parse_where
from multitrack.query.times import parse_duration, parse_time
from multitrack.reading.reader import JournalReader

pytestmark = pytest.mark.case(31)

#: Params, and the texts by which tables on a terminal and on the page show them.
SHOWN: dict[str, tuple[Any, tuple[str, ...]]] = {
    "one": ([1, 2], ("[1,2]", "[1, 2]", "[ 1 ,2]")),
    "nothing": ([], ("[]", "[ ]")),
    "texts": (["a", "b c"], ('["a","b c"]', '["a", "b c"]')),
    "odd": (['"quoted"', "é"], ('["\\"quoted\\"","é"]',)),
    "floats": ([0.1, 1e-7, 2.0], ("[0.1,1e-7,2.0]", "[0.1, 1e-07, 2]")),
    "kinds": ([True, None, 1], ("[true,null,1]",)),
    "nested": ([{"a": [1], "b": None}], ('[{"a":[1],"b":null}]', '[{"b": null, "a": [1]}]')),
    "empty": ({}, ("{}",)),
}


@pytest.fixture
def reader(tmp_path: Path) -> JournalReader:
    for name, (value, _) in SHOWN.items():
        drawn_runs.start(tmp_path / "j", name, params={"lr": value, "x": 1, "y": 1, "on": True, "aug": None}).end()
    drawn_runs.start(tmp_path / "j", "none", params={"x": 2, "on": False, "aug": "None"}).end()
    return multitrack.open_journal(tmp_path / "j")


def found(reader: JournalReader, where: str) -> list[str]:
    return [run.facts.name for run in reader.runs(where=where)]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--journal", "j"])


def wrong(reader: JournalReader, where: str) -> str:
    """What is wrong with a filter, and the place that is shown."""
    with pytest.raises(QueryError) as caught:
        reader.runs(where=where)
    said, shown, arrow = str(caught.value).split("\n")
    return f"{said} at {shown[len(arrow) - 1 :]}"


def refused(where: str) -> str:
    with pytest.raises(QueryError) as caught:
        parse_where(where)
    return str(caught.value)


@pytest.mark.parametrize("name", SHOWN)
def test_what_a_table_shows_is_found(reader: JournalReader, name: str) -> None:
    for text in SHOWN[name][1]:
        assert found(reader, f"params.lr = '{text}'") == [name], text
        assert found(reader, f"inputs.lr = '{text}'") == [name], text
        assert found(reader, f"params.lr in ('[9]', '{text}')") == [name], text
        assert found(reader, f"params.lr != '{text}'") == [other for other in SHOWN if other != name], text
    table = {row.run.facts.name: row.run.get("params.lr") for row in compare(reader.runs()).rows}
    assert table[name] == SHOWN[name][0]
    (line,) = [line for line in invoke("compare", "-c", "name,params.lr").output.splitlines() if f" {name} " in line]
    shown = line.split(f" {name} ")[1].strip()
    assert found(reader, f"params.lr = '{shown}'") == [name]


def test_lists_are_the_same_by_their_values_alone(reader: JournalReader) -> None:
    for text in ("[1]", "[2,1]", "[1,2,3]", "[true,2]", '["1","2"]', "1,2", "[1,2", "[1,2]]", "None", "[[1,2]]", "{}x"):
        assert found(reader, f"params.lr = '{text}'") == [], text
        assert found(reader, f"params.lr != '{text}'") == list(SHOWN), text
    for sign in ("<", "<=", ">", ">="):
        for text in ("'[1,2]'", "abc", "'1'"):
            said = wrong(reader, f"name = x or params.lr {sign} {text}")
            assert said == f"lists have no order; use = or != at {text}"
    assert found(reader, "params.lr ~ '1,2'") == found(reader, "params.lr ~ '1, 2'") == ["one"]
    assert found(reader, "params.lr ~ 'null'") == ["kinds", "nested"]
    nested = "[" * 100_000
    assert found(reader, f"params.lr = '{nested}'") == []


def test_none_true_and_false_are_found_as_tables_show_them(reader: JournalReader) -> None:
    for text in ("None", "none", "NONE"):
        assert found(reader, f"params.aug = {text}") == list(SHOWN)
    assert found(reader, 'params.aug = "None"') == ["none"]
    for text in ("True", "true"):
        assert found(reader, f"params.on = {text}") == list(SHOWN)
        assert found(reader, f"not params.on = {text}") == ["none"]
    assert found(reader, "params.on = False") == ["none"]


COLUMNS = (
    "params.y",
    "tags.y",
    "metrics.loss",
    "metrics.loss:min",
    "lists.l:mean",
    "inputs.x",
    "outputs.x",
    "params.model/units",
)


@pytest.mark.parametrize("sign", ["=", "==", "!=", "<", "<=", ">", ">=", "~", "in"])
def test_two_columns_are_not_compared(reader: JournalReader, sign: str) -> None:
    for column in ("params.x", "tags.x", "metrics.loss", "name", "inputs.x"):
        for other in COLUMNS:
            value = f"(3, {other})" if sign == "in" else other
            where = f"status = finished and {column} {sign} {value}"
            said, shown, arrow = refused(where).split("\n")
            assert said == f'{other} is a column, and two columns cannot be compared; a text is quoted: "{other}"'
            assert shown[len(arrow) - 1 :].startswith(other)
            with pytest.raises(QueryError, match="two columns"):
                list(reader.runs(where=where))
            quoted = value.replace(other, f'"{other}"')
            if column != "metrics.loss" or sign == "~":  # which is a number, and no text
                parse_where(f"{column} {sign} {quoted}")
    if sign != "~":  # which looks for words, and these are words as well
        for column, other in (
            ("user", "host"), ("started", "ended"), ("records", "lines"), ("name", "project"), ("name", "name"),
            ("status", "status"), ("parent", "name"),
        ):  # fmt: skip
            value = f"({other})" if sign == "in" else other
            assert f"{other} is a column, and two columns" in refused(f"{column} {sign} {value}")
    result = invoke("runs", "--where", "params.x = params.y")
    assert (result.exit_code, "two columns cannot be compared" in result.stderr, result.stdout) == (2, True, "")


def test_words_that_are_no_columns_stay_texts(reader: JournalReader) -> None:
    for where in (
        "name = data.csv", "tags.lang = python", "name ~ run", "command ~ python", "parent = 'parent'", "name = 'name'", "params.file = a.b:c",
        "tags.x = parameters.y", "params.x = 'params.y'", "name = été", "name = params",
    ):  # fmt: skip
        assert isinstance(parse_where(where)(lambda column: ABSENT), bool), where


@pytest.fixture
def kinds(tmp_path: Path) -> JournalReader:
    """Params that are numbers in all runs that have them, flags, texts, and now a text and now a number."""
    every: dict[str, dict[str, Any]] = {
        "a": {"lr": 0.1, "on": True, "opt": "adam", "mixed": 1, "ratio": "0.5", "layers": [1], "aug": None},
        "b": {"lr": 9, "on": False, "opt": "7", "mixed": "1", "ratio": "1", "layers": 2, "aug": 3},
        "c": {"lr": float("nan"), "opt": "sgd", "mixed": "auto", "layers": 30},
        "d": {},
    }
    for name, params in every.items():
        with drawn_runs.start(tmp_path / "j", name, params=params, tags={"v": str(params.get("lr", "x"))}) as run:
            run.log_metric("acc", len(params), step=0)
    return multitrack.open_journal(tmp_path / "j")


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ('params.lr = "0.1"', "a"), ('inputs.lr in ("1e-1", 9)', "a b"), ('params.lr > "0.1"', "b"), ('params.lr != "9"', "a c"),
        ('params.lr = "nan"', "c"), ('metrics.acc > "5"', "a b"), ('metrics.acc = "4"', "c"), ('outputs.acc >= "7"', "a b"),
        ('records > "0" and lines = "0"', "a b c d"), ('params.ratio = "0.5"', "a"), ('params.ratio < "1"', "a"),
        ('params.opt = "7"', "b"), ("params.opt = 7", "b"), ('params.mixed = "1"', "a b"), ("params.mixed = auto", "c"),
        ('params.mixed != "1"', "c"), ("params.mixed > abc", "c"), ('tags.v = "9"', "b"), ('tags.v < "1"', "a"),
        ('params.layers > "2"', "c"), ("params.layers = abc", ""), ('params.aug = "3"', "b"), ('params.opt > "b"', "c"),
        ("params.nowhere = abc", ""), ("params.lr ~ abc", ""), ("took < '1e3'", "a b c d"),
    ],
)  # fmt: skip
def test_a_quoted_number_is_one_beside_numbers(kinds: JournalReader, where: str, names: str) -> None:
    assert found(kinds, where) == names.split()


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("params.lr > abc", "'abc' is not a number at abc"), ("params.lr = 0.1;", "'0.1;' is not a number at 0.1;"),
        ('params.lr = "abc"', "'abc' is not a number at \"abc\""), ("params.lr in (9, 'x')", "'x' is not a number at 'x')"),
        ('metrics.acc = "abc"', "'abc' is not a number at \"abc\""), ("inputs.lr != abc", "'abc' is not a number at abc"),
        ('outputs.acc < "abc"', "'abc' is not a number at \"abc\""), ("params.on = yes", "'yes' is neither true nor false at yes"),
        ('params.on = "1"', "'1' is neither true nor false at \"1\""), ("params.aug = x", "'x' is not a number at x"),
        ('params.layers < "[1,3]"', "lists have no order; use = or != at \"[1,3]\""),
        ("name = a and not (params.opt = x or params.lr = y)", "'y' is not a number at y)"),
        ("name = name", 'name is a column, and two columns cannot be compared; a text is quoted: "name" at name'),
    ],
)  # fmt: skip
def test_what_no_run_can_meet_is_an_error(kinds: JournalReader, where: str, said: str) -> None:
    assert wrong(kinds, where) == said
    for command in ("runs", "compare", "plot -m acc", "report", "report --watch"):
        result = invoke(*command.split(), "--where", where)
        assert (result.exit_code, said.partition(" at ")[0] in result.stderr, result.stdout) == (2, True, ""), command


def test_only_the_runs_of_the_project_tell_what_a_param_is(kinds: JournalReader, tmp_path: Path) -> None:
    multitrack.start_run(
        "other", "o", params={"lr": "auto"}, config={"delivery": "off", "journal": str(tmp_path / "j")}
    ).end()
    assert found(kinds, "params.lr = auto") == ["o"]
    with pytest.raises(QueryError, match="'auto' is not a number"):
        kinds.runs("digits", where="params.lr = auto")


def test_a_page_that_is_watched_stays_where_runs_that_come_make_its_filter_an_error(tmp_path: Path) -> None:
    drawn_runs.start(tmp_path / "j", "first", params={"opt": "adam"}).end()
    reader = multitrack.open_journal(tmp_path / "j")
    watched = Watched(
        lambda: reader.runs(where="params.opt = adam"), Options("t", charts=False, points=100, lines=10), 0.0
    )
    assert b'"first"' in watched.changes(0)
    shutil.rmtree(reader.run("first").directory)
    drawn_runs.start(tmp_path / "j", "second", params={"opt": 3}).end()
    assert b'"first"' in watched.changes(0)
    drawn_runs.start(tmp_path / "j", "third", params={"opt": "adam"}).end()
    assert b'"third"' in watched.changes(0)


def test_a_run_that_cannot_be_read_is_said_once(kinds: JournalReader, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = kinds.run("d").directory
    for path in directory.glob("*.*"):
        path.write_bytes(b"{")
    said: list[str] = []
    monkeypatch.setattr("multitrack.reading.reader.log.warning", lambda *message, **_: said.append(str(message)))
    assert found(kinds, "params.opt = nothing") == []
    assert [directory.name in message for message in said] == [True]


LOOK_ALIKES = {
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "＂": '"', "‘": "'", "’": "'", "‚": "'", "`": "'", "´": "'", "≤": "<=",
    "≥": ">=", "≠": "!=", "＝": "=", "＜": "<", "＞": ">",
}  # fmt: skip


@pytest.mark.parametrize("character", LOOK_ALIKES)
def test_what_only_looks_like_the_language_is_said(reader: JournalReader, character: str) -> None:
    meant = LOOK_ALIKES[character]
    for where in (f"name = {character}one{character}", f"name = x and params.lr {character} 3", f"name = it{character}s",
                  f"name in (a, {character}b)", f"{character}name = x", f"params.{character}lr{character} < 3"):  # fmt: skip
        said, shown, arrow = refused(where).split("\n")
        assert said == f"{character} is not {meant}: write {meant}, or put the text in double quotes", where
        assert shown[len(arrow) - 1] == character, where
        result = invoke("runs", "--where", where)
        assert (result.exit_code, result.stdout) == (2, ""), where
    for quote in "'\"":  # where a text may hold anything
        assert parse_where(f"name = {quote}a{character}b{quote}")(lambda column: f"a{character}b")


@pytest.mark.parametrize("dash", "−–—")
def test_dashes_are_no_minus_but_may_stand_in_names(dash: str) -> None:
    for where in (
        f"params.lr < {dash}0.01",
        f"params.lr > 1e{dash}3",
        f"metrics.loss in (1, {dash}inf)",
        f"params.lr = {dash}",
    ):
        assert f"{dash} is not -: write -" in refused(where), where
    assert parse_where(f"name = try{dash}1")(lambda column: f"try{dash}1") is True
    with pytest.raises(QueryError, match="is not -: write -"):
        parse_column(f"{dash}metrics.loss")


def test_characters_that_are_not_seen() -> None:
    for character in "\u200b\u2060\ufeff\u00ad":
        assert f"an invisible character, U+{ord(character):04X}" in refused(f"params.lr{character} < 3")
        assert f"U+{ord(character):04X}" in refused(f"name = one{character}")
    for space in "\u00a0\u2003\u3000\t":  # which are spaces, as they look
        assert parse_where(f"params.lr{space}<{space}3{space}and{space}params.lr > 1")(lambda column: 2) is True
    texts = ("👩‍💻", "été", "实验（一）", "naïve")
    assert [text for text in texts if parse_where(f"name = {text}")({Column.of("metadata", "name"): text}.get)] == [
        *texts
    ]


@pytest.mark.parametrize(
    "name", ["it’s", "“a”", "a≤b", "x\u200by", "−1", "a–b", "l`été`", "tab\tname", "\x01", 'q"', "\\q"]
)
def test_every_name_can_still_be_written(name: str) -> None:
    column = Column.of("params", name)
    assert parse_column(str(column)) == column
    assert parse_where(f"{column} = 3")(lambda asked: 3 if asked == column else ABSENT) is True


@pytest.mark.parametrize("name", ["a\x01b", "\x1b[31m", "tab\there", "new\nline", "\x7f\x9f"])
def test_control_characters_between_quotes_are_part_of_the_name(name: str) -> None:
    assert parse_column(f'params."{name}"') == Column.of("params", name)
    assert parse_where(f'params."{name}" = 3')(lambda column: 3 if column.name == name else ABSENT) is True
    assert parse_where(f"tags.x = \"{name}\" and tags.x = '{name}'")(lambda column: name) is True


@pytest.mark.parametrize("name", ["\\q", "\\", "\\u12", "\\ud800", '\\"', "\\x01"])
def test_what_json_does_not_know_is_no_decoders_error(name: str, reader: JournalReader) -> None:
    said: list[str] = []
    for where in (f'params."a{name}" = 3', f'tags.x = "a{name}"', f'params."a{name}', f"params.'{name}' = 3"):
        try:
            parse_where(where)(lambda column: ABSENT)
        except QueryError as error:
            said.append(str(error))
    assert said, name  # the one whose quote has no end
    for text in said:
        assert any(words in text for words in ("column", "a quote without an end", "part of a filter")), text
        assert not any(word in text for word in ("char", "Invalid", "delimiter")), text
    result = invoke("compare", "-c", f'params."a{name}"')
    assert result.exit_code == 2
    assert "Invalid" not in result.stderr


LONG = "x" * 400_000


@pytest.mark.parametrize(
    "where",
    [
        f"name = {LONG} and", f"name = '{LONG}", f"{LONG} = 3", f"params.{LONG}:mn = 3", f"metrics.loss < {LONG}", f"status = {LONG}",
        f"started > {LONG}", f"took > {LONG}", f"name = x {LONG}", f"name = x and params.x = params.{LONG}", f"{LONG}.x = 3",
        "name = x or " * 40_000, f"name = “{LONG}", f"metrics.{LONG}:{LONG} < 3", "(" * 400_000, f"params.lr in ({LONG}", "not " * 100_000,
        "é " * 200_000, f"name = {LONG} ! x", f"status in (failed, '{LONG}')",
    ],
    ids=range(20),
)  # fmt: skip
def test_an_error_shows_what_is_around_the_place(where: str) -> None:
    said, shown, arrow = refused(where).rsplit("\n", 2)
    assert len(said) < 700
    assert len(shown) < 130
    assert arrow.strip() == "^"
    assert len(arrow) <= len(shown) + 1
    assert "…" in shown


def test_other_errors_are_short_as_well(reader: JournalReader) -> None:
    calls: tuple[Any, ...] = (
        lambda: compare(reader.runs(), LONG), lambda: compare(reader.runs(), f"params.{LONG}"), lambda: compare(reader.runs(), f"params.{LONG}*"),
        lambda: compare(reader.runs(), sort=f"metrics.{LONG}"), lambda: compare(reader.runs(), best=f"params.{LONG}"),
        lambda: compare(reader.runs(), best=f"params.{LONG}:max"), lambda: compare(reader.runs(), reduction=LONG), lambda: reader.run(LONG),
        lambda: list(reader.runs(status=LONG)), lambda: list(reader.runs(since=LONG)), lambda: list(reader.run("one").get_lines(LONG)),
        lambda: overlay(reader.runs(), LONG), lambda: overlay([], LONG), lambda: parallel(reader.runs(), LONG),
        lambda: reader.follow_metric(LONG), lambda: reader.run("one").get(f"lists.{LONG}:{LONG}"), lambda: parse_column(f'"{LONG}'),
        lambda: parse_time(LONG), lambda: parse_duration(LONG),
    )  # fmt: skip
    for call in calls:
        with pytest.raises((ValueError, multitrack.MultitrackError)) as caught:
            call()
        assert 10 < len(str(caught.value)) < 900, str(caught.value)[:200]


def test_names_that_are_long_are_proposed_in_short(tmp_path: Path) -> None:
    with drawn_runs.start(tmp_path / "k", "a", params={"p" * 1900 + str(i): i for i in range(5)}) as run:
        run.log_metric("m" * 1900, 1.0, step=0)
    runs = multitrack.open_journal(tmp_path / "k")
    for call in (
        lambda: compare(runs.runs(), "params." + "p" * 1900),
        lambda: compare(runs.runs(), "params.q"),
        lambda: overlay(runs.runs(), "m" * 1899),
    ):
        with pytest.raises(QueryError, match=r"did you mean|there are") as caught:
            call()
        assert len(str(caught.value)) < 1500


def test_the_language_is_one_table() -> None:
    assert misread("plain-ascii_1.0") is None
    assert {"name", "status", "parent"} <= set(METADATA)
    value = Value("list", [1, 2], "code")
    assert parse_where("inputs.lr = '[1,2]'")(lambda column: value) is True
