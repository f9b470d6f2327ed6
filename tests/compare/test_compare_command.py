"""``multitrack compare``, as it prints."""

import csv
import io
import json
import math
import re
import shlex
import sys

import pytest
import yaml

from multitrack import QueryError
from multitrack.compare import compare
from multitrack.reading.reader import JournalReader
from three_runs import evil_run, invoke, start


def test_the_command_prints_a_table(reader: JournalReader) -> None:
    result = invoke("--best", "metrics.accuracy:max", "--where", "params.lr < 0.05")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert re.split(r"  +", lines[0].strip()) == [
        "run", "name", "status", "started", "took", "tags.deployment", "tags.build", "params.lr", "params.note",
        "params.seed", "params.model/units", "versions.data", "metrics.loss", "metrics.accuracy", "lists.latency",
    ]  # fmt: skip
    assert re.match(rf"{reader.run('c').id} \*  c +finished ", lines[2])
    told = dict(re.split(r"  +", line, maxsplit=1) for line in lines[4:])
    assert told["best"] == f"{reader.run('c').id} c, finished, metrics.accuracy = 0.92"
    assert told["command"] == shlex.join(sys.orig_argv)
    assert told["params"] == "4 (--rerun json)"
    assert {"command", "directory", "Python"} <= set(told)


def test_long_texts_that_few_runs_have_are_shown_where_they_are_asked_for(reader: JournalReader) -> None:
    start("search", params={"search/space/x": "x" * 41, "search/y": 1}, tags={"long": "y" * 41}).end()
    for arguments, there in (
        ((), False), (("--with", "params.search/space/x"), True), (("-c", "params"), True), (("search",), True),
    ):  # fmt: skip
        text = invoke(*arguments).output
        assert ("params.search/space/x" in text.splitlines()[0], "x" * 41 in text) == (there, there), arguments
        assert "params.search/y" in text
    assert (
        invoke().output.splitlines()[-1].startswith("2 more columns, 0 of them the same in all runs; --columns picks")
    )
    assert "x" * 41 in invoke("--csv").output


def test_the_command_chooses_runs_columns_and_order(reader: JournalReader) -> None:
    def rows(*arguments: str) -> list[list[str]]:
        result = invoke("--csv", *arguments)
        assert result.exit_code == 0, result.output
        return [row[1:] for row in csv.reader(io.StringIO(result.output))]

    assert rows("-c", "name", "--sort", "-name") == [["name"], ["c"], ["b"], ["a"]]
    assert rows("-c", "name", "a", "c", "a") == [["name"], ["a"], ["c"]]
    assert rows("-c", "name", "--limit", "1") == [["name"], ["c"]]
    assert rows("-c", "name", "--tag", "deployment=eu", "--tag", "build=1", "--group", "g") == [["name"], ["b"]]
    for none in (["a", "c", "--status", "failed"], ["--since", "1d", "--until", "2000-01-01"], ["--project", "x"]):
        result = invoke("--csv", "-c", "name", *none)
        said = f"multitrack: no runs match (3 in {reader.directory})\n"
        assert (result.exit_code, result.stdout, result.stderr) == (0, "run,name\n", said)
    result = invoke("--where", "name = a and metrics.accurcy > 0.5 and metrics.accuracy > 2 and params.x")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[1:] == [
        "multitrack: no run has metrics.accurcy (did you mean metrics.accuracy?)", "multitrack: no run has params.x; there are params.lr, params.note, params.seed, params.model/units",
    ]  # fmt: skip
    assert rows("-c", "name, lists", "--reduce", "min", "a") == [["name", "lists.latency"], ["a", "1"]]
    assert rows("--diff", "--with", "inputs.seed", "--without", "metadata,tags,metrics,lists", "a", "b") == [
        ["params.lr", "params.seed", "inputs.seed", "inputs.seed type", "inputs.seed source"],
        ["0.1", "0", "0", "int", "command line"], ["0.01", "1", "1", "int", "command line"],
    ]  # fmt: skip
    start("odd", params={'a, "b"': 1}).end()
    assert rows("-c", r'params."a, \"b\"",name', "odd")[1] == ["1", "odd"]


def test_json_is_one_document_with_a_run_a_line(reader: JournalReader) -> None:
    run = start("nan", params={"x": math.nan, "l": [math.inf]})
    run.log_metric("accuracy", -math.inf)
    run.end()
    output = invoke("--json", "--with", "inputs.x", "--best", "metrics.loss:min").output
    found = json.loads(output)
    assert [row["name"] for row in found["rows"]] == ["a", "b", "c", "nan"]
    assert found["rows"][3]["params.x"] == "NaN"
    assert found["rows"][3]["params.l"] == ["Infinity"]
    assert found["rows"][3]["metrics.accuracy"] == "-Infinity"
    assert found["rows"][3]["inputs.x"] == {"type": "float", "value": "NaN", "source": "code"}
    assert found["best"] == {"run": reader.run("a").id, "column": "metrics.loss:min", "direction": "min"}
    assert {"group": "params", "name": "x", "reduction": None, "kind": "number", "column": "params.x"} in found[
        "columns"
    ]
    assert [json.loads(line.rstrip(","))["name"] for line in output.splitlines()[2:-1]] == ["a", "b", "c", "nan"]
    assert json.loads(invoke("--json", "--project", "none").stdout)["rows"] == []


def test_what_it_takes_to_run_again_is_printed_alone(reader: JournalReader) -> None:
    command = invoke("a", "--rerun", "command")
    assert command.stderr.startswith(f"# run: {reader.run('a').id}\n# directory: ")
    assert shlex.split(command.stdout) == sys.orig_argv
    params = {"lr": 0.1, "note": "same", "seed": 0, "model": {"units": 64}}
    assert json.loads(invoke("a", "--rerun", "json").stdout) == params
    told = invoke("a", "--best", "metrics.accuracy").stdout
    assert re.search(r"^command +" + re.escape(command.stdout), told, re.MULTILINE)
    assert re.search(r"^params +4 \(--rerun json\)$", told, re.MULTILINE)
    text = invoke("--best", "metrics.accuracy", "--rerun", "yaml").output
    assert yaml.safe_load(text)["model"] == {"units": 64}
    assert "# command: " in text
    assert re.search(r"^msgspec==", invoke("a", "--rerun", "requirements").output, re.MULTILINE)
    result = invoke("--rerun", "yaml")
    assert (result.exit_code, "--best (best=) metrics" in result.output) == (2, True)
    run = start("nan")
    run.log_metric("nan", math.nan)
    run.end()
    nobody = "no run is the best by metrics.nan:max: none has a finite number there"
    for asked, said in (
        (["--best", "metrics.accuracy", "--where", "params.lr > 100"], "there is no run that could be run again"),
        (["--best", "metrics.nan:max"], nobody), (["nan", "--best", "metrics.nan:max"], nobody),
    ):  # fmt: skip
        result = invoke(*asked, "--rerun", "command")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.count(said) == 1
        assert "which of several" not in result.stderr
    with pytest.raises(QueryError, match="there is no run"):
        compare([], best="metrics.accuracy").rerun()


def test_what_the_command_cannot_understand_exits_with_2(reader: JournalReader) -> None:
    result = invoke("--where", "params.lr < 0.1 and")
    assert result.exit_code == 2
    assert (
        result.output
        == "multitrack: expected a column, such as params.lr or status\n  params.lr < 0.1 and\n" + " " * 21 + "^\n"
    )
    for wrong in (
        ("-c", "foo"),
        ("--sort", "lr"),
        ("--best", "metrics.odd"),
        ("--tag", "x"),
        ("--since", "x"),
        ("--reduce", "x"),
        ("--columns", "metrics.losss"),
        ("--without", "params.nope"),
        ("--csv", "--json"),
        ("a", "--rerun", "yaml", "--markdown"),
    ):
        assert invoke(*wrong).exit_code == 2, wrong
    assert "--json and --csv: one form at a time" in invoke("--csv", "--json").stderr
    assert invoke("nobody").exit_code == 1
    assert invoke("--journal", "nowhere").exit_code == 1


def test_nothing_recorded_can_do_anything_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "\x1b]0;owned\x07[bold red]x[/]\u202e"])
    run = evil_run()
    run.end()
    everything = "metadata,tags,params,metrics,lists,inputs,outputs"
    for form in (
        (),
        ("--json",),
        ("--markdown",),
        ("--rerun", "yaml"),
        ("--rerun", "json"),
        ("--rerun", "command"),
        ("--best", "metrics.loss:min"),
    ):
        text = invoke("-c", everything, *form).output
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text), form
        assert "[bold red]x[/]" in text.replace("\\[", "[").replace("\\]", "]"), form


def test_a_narrow_terminal_shows_what_differs(reader: JournalReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    # What two short runs took may be the same or not.
    told = invoke("--sort", "-metrics.loss:min", "--with", "metrics.loss:min", "--without", "took").output
    text = re.sub(r"\x1b\[[\d;]*m", "", told)
    header = text.splitlines()[0].split()
    assert header[:2] == ["run", "name"]
    assert {"metrics.accuracy", "metrics.loss", "metrics.loss:min"} <= set(header)
    assert not {"params.note", "params.model/units", "started"} & set(header)
    assert re.search(r"\d more columns, 3 of them the same in all runs; --columns picks", text)
    assert max(map(len, text.splitlines())) <= 100
    for i in range(3):
        run = start(f"many {i}", params={f"p{j}": i for j in range(4)} if i else {f"search{j}": 1 for j in range(4)})
        run.log_metrics({f"m{j}": i for j in range(4)})
        run.end()
    text = re.sub(r"\x1b\[[\d;]*m", "", invoke("many 0", "many 1", "many 2").output)
    header = text.splitlines()[0].split()
    assert [name.partition(".")[2] for name in header if "." in name] == ["p0", "p1", "m0", "m1", "m2"]
