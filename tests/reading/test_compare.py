"""Runs side by side: columns, sorting, the best one, and every form that it is handed on in."""

import argparse
import csv
import datetime
import io
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import yaml
from click.testing import CliRunner, Result

import multitrack
from multitrack import QueryError, RunError
from multitrack.again import Rerun
from multitrack.cells import Value
from multitrack.cli import main
from multitrack.compare import Comparison, compare
from multitrack.reader import JournalReader, Measured

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202e [bold red]x[/] <script>alert(1)</script> '\"&|`*_\\"


def start(name: str, **more: Any) -> multitrack.Run:
    return multitrack.start_run("digits", name, config={"delivery": "off"}, **more)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JournalReader:
    """Three runs that ended, and what they have: ``b`` fails, and has no accuracy."""
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", "import train"])  # the tests' own arguments are no params
    (tmp_path / "conf.yaml").write_text("model: {units: 64}\n")
    for i, name in enumerate("abc"):
        tags = {"deployment": "eu" if i else "us", "build": str(i)}
        run = start(name, params={"lr": 0.1 / 10**i, "note": "same"}, tags=tags, group="g" if i else None)
        run.log_params(argparse.Namespace(seed=i))
        run.log_params(tmp_path / "conf.yaml")
        run.log_artifact_ref("data", "s3://b/data", kind="dataset", role="input", digest="sha256:00")
        run.log_artifact_ref("weights", f"s3://b/{i}", kind="model")
        for step in range(5):
            run.log_metric("loss", abs(step - 2.0) + i, step=step)
        run.log_list_metric("latency", [3, 1, 2, 10 + i])
        if i != 1:
            run.log_metric("accuracy", 0.9 + i / 100)
        run.end("failed" if i == 1 else "finished")
    return multitrack.open_journal()


def names(comparison: Comparison) -> list[str]:
    return [row.run.facts.name for row in comparison.rows]


def column(comparison: Comparison, name: str) -> list[Any]:
    return [row.cells.get(name) for row in comparison.rows]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", *arguments], prog_name="multitrack")


# -- filters --------------------------------------------------------------------------------------------------------


def test_runs_by_each_filter(reader: JournalReader) -> None:
    def found(**filters: Any) -> str:
        return "".join(run.facts.name for run in reader.runs(**filters))

    first, second, third = (run.facts.created for run in reader.runs())
    assert found() == found(project="digits") == "abc"
    assert found(project="other") == ""
    assert found(status="finished") == found(status=["finished", "killed"]) == "ac"
    assert found(status={"finished", "failed"}) == "abc"
    assert found(tags={"deployment": "eu"}) == "bc"
    assert found(tags={"deployment": "eu", "build": 2}) == "c"
    assert found(group="g") == "bc"
    assert found(since=second) == found(since="1d") if first == second else "bc"
    assert found(until=second) == ("abc" if second == third else "ab")
    assert found(since="2100-01-01") == ""
    assert found(where="params.lr < 0.05 and metrics.loss:min >= 1", status="finished") == "c"
    assert found(where="metrics.accuracy or lists.latency:max = 11") == "abc"
    for wrong in ({"where": "lr < 3"}, {"since": "yesterday"}, {"status": "FINISHED"}, {"status": ["failed", "x"]}):
        with pytest.raises(QueryError):  # at the call, not when the first run is looked at
            reader.runs(**wrong)  # type: ignore[arg-type]


def test_a_parent_is_a_run_or_what_one_is_called(reader: JournalReader) -> None:
    parent = start("parent")
    for name in "xy":
        start(name, parent=parent).end()
    parent.end()
    for asked in ("parent", parent.id, parent.id[:-1], parent, reader.run("parent")):
        assert [run.facts.name for run in reader.runs(parent=asked)] == ["x", "y"], asked
    assert list(reader.runs(parent="x")) == []
    for where in ("parent = parent", f"parent = {parent.id}", "parent in (a, parent)", "parent != a and parent != none",
                  "parent ~ AREN", f"parent ~ {parent.id[:-1]}", "parent"):  # fmt: skip
        assert [run.facts.name for run in reader.runs(where=where)] == ["x", "y"], where
    for where in ("parent != parent", f"parent != {parent.id}", "parent = a", f"parent = {parent.id[:-1]}"):
        assert list(reader.runs(where=where)) == [], where
    assert [run.facts.name for run in reader.runs(where="parent = none")] == ["a", "b", "c", "parent"]
    with pytest.raises(RunError, match="no run is called 'nobody'"):
        reader.runs(parent="nobody")
    shutil.rmtree(str(parent.directory))
    assert len(list(reader.runs(parent=parent.id))) == 2  # children outlive it
    assert len(list(reader.runs(where=f"parent = {parent.id}"))) == 2
    assert list(reader.runs(where="parent = parent")) == []


def test_log_lines_between_times_of_every_form(reader: JournalReader) -> None:
    run = start("lines")
    run.log_lines(["one", "two"])
    run.end()
    recorded = reader.run("lines")
    (time, _) = (line.time for line in recorded.get_lines())
    moment = datetime.datetime.fromtimestamp(time / 1000, datetime.UTC)
    for asked, count in (
        ({"from_time": "1h"}, 2), ({"to_time": "1h"}, 0), ({"from_time": moment, "to_time": moment}, 2),
        ({"from_time": time + 1}, 0), ({"to_time": np.int64(time)}, 2), ({"from_time": float(time), "limit": 1}, 1), ({"limit": 0}, 0),
        ({"from_time": "2100-01-01"}, 0),
    ):  # fmt: skip
        assert len(list(reader.get_lines(recorded, **asked))) == count, asked  # type: ignore[arg-type]
    for wrong, error in (({"limit": -1}, ValueError), ({"to_time": "soon"}, QueryError), ({"to_time": []}, TypeError)):
        with pytest.raises(error):  # at the call
            recorded.get_lines(**wrong)  # type: ignore[arg-type]


def test_what_is_asked_of_the_journal_by_run(reader: JournalReader) -> None:
    assert [point.value for point in reader.get_metrics("a")["loss"]] == [2, 1, 0, 1, 2]
    assert reader.get_list_metrics("a", "latency") == {"latency": [3, 1, 2, 10]}
    assert list(reader.get_lines("a", limit=3)) == []
    run = reader.run("a")
    assert reader.get_metrics(run) == reader.get_metrics("a") == run.get_metrics("loss")
    assert reader.get_list_metrics(run) == {"latency": [3, 1, 2, 10]}
    assert reader.run(run) is run
    with pytest.raises(TypeError, match=r'such as \{"stage": "prod"\}, not \[\'t\'\]'):
        reader.runs(tags=["t"])  # type: ignore[arg-type]
    assert (run.get("params.lr"), run.get("metrics.loss"), run.get("metrics.loss", "min")) == (0.1, 2, 0)
    assert run.get("lists.latency:median") == 2.5
    assert (run.get("params.nothing"), run.get("lists.nothing"), run.get("inputs.nothing")) == (None, None, None)


def test_a_metric_is_followed_over_runs(reader: JournalReader) -> None:
    ids = {run.facts.name: (run.id, run.facts.name, run.facts.created) for run in reader.runs()}
    assert reader.follow_metric("accuracy") == {None: [Measured(*ids["a"], 0.9), Measured(*ids["c"], 0.92)]}
    by = reader.follow_metric("metrics.loss:min", by="tags.deployment", where="name != x")
    assert by == {"us": [Measured(*ids["a"], 0.0)], "eu": [Measured(*ids["b"], 1.0), Measured(*ids["c"], 2.0)]}
    assert reader.follow_metric("accuracy", where="name = b") == {}  # others have it
    assert reader.follow_metric("acuracy", project="none") == {}
    for metric, by, meant in (("acuracy", None, "metrics.accuracy"), ("metrics.los:min", None, "metrics.loss"),
                              ("accuracy", "tags.deploymnt", "tags.deployment")):  # fmt: skip
        for filters in ({}, {"where": "name = b"}):
            with pytest.raises(QueryError, match=rf"no run has .* \(did you mean {meant}\?\)"):
                reader.follow_metric(metric, by=by, **filters)
    assert repr(reader) == f"<JournalReader of {reader.directory}>"


# -- columns --------------------------------------------------------------------------------------------------------


def test_the_columns_of_each_group(reader: JournalReader) -> None:
    found = compare(reader.runs(), ["metadata", "tags", "params", "metrics", "lists", "inputs", "outputs"])
    shown = [str(one) for one in found.columns]
    assert shown[0] == "run"
    assert {"name", "status", "started", "took", "user", "host", "commit", "python", "records"} <= set(shown)
    assert shown[shown.index("tags.deployment") :] == [
        "tags.deployment", "tags.build", "params.lr", "params.note", "params.seed", "params.model/units",
        "metrics.loss", "metrics.accuracy", "lists.latency",
        "inputs.lr", "inputs.note", "inputs.seed", "inputs.model/units", "inputs.data",
        "outputs.loss", "outputs.latency", "outputs.accuracy", "outputs.weights",
    ]  # fmt: skip
    cells = found.rows[0].cells
    assert cells["inputs.lr"] == Value("float", 0.1, "code")
    assert cells["inputs.seed"] == Value("int", 0, "command line")
    assert cells["inputs.model/units"] == Value("int", 64, f"{Path.cwd() / 'conf.yaml'}:model.units")
    assert cells["inputs.data"] == Value("dataset", "s3://b/data", "sha256:00")
    assert cells["outputs.loss"] == Value("float", 2.0, "series of 5, the last")
    assert cells["outputs.latency"] == Value("int", 10, "list of 4, the last")
    assert cells["outputs.accuracy"] == Value("float", 0.9, "simple metric")
    assert cells["outputs.weights"] == Value("model", "s3://b/0", "")
    assert column(found, "metrics.accuracy") == [0.9, None, 0.92]
    assert {one.kind for one in found.columns if one.group == "params" and one.name != "note"} == {"number"}
    assert found.rows[0].statistics["lists.latency"].median == 2.5


def test_what_has_one_name_stands_side_by_side() -> None:
    run = start("a", params={"data": "v1", "data (reference)": 2})
    run.log_artifact_ref("data", "s3://b/data", kind="dataset", role="input")
    run.log_artifact_ref("loss", "s3://b/loss", kind="plot")
    run.log_metric("loss", 3.0, step=1)
    run.log_metric("loss", 5.0)
    run.end()
    found = compare(multitrack.open_journal().runs(), "inputs,outputs")
    assert {name: value.value for name, value in next(found.to_dicts()).items() if name != "run"} == {
        "inputs.data": "v1", 'inputs."data (reference)"': 2, 'inputs."data (reference) (reference)"': "s3://b/data",
        "outputs.loss": 5.0, 'outputs."loss (series)"': 3.0, 'outputs."loss (reference)"': "s3://b/loss",
    }  # fmt: skip
    page = Page(multitrack.open_journal().run("a")._repr_html_()).text
    assert re.search(r"data\s*v1\s*str\s*code", page)
    assert page.count("s3://b/data") == page.count("s3://b/loss") == 1


def test_the_reduction_is_chosen_afterwards(reader: JournalReader) -> None:
    asked = [f"lists.latency:{how}" for how in ("last", "first", "min", "max", "mean", "median", "count")]
    found = compare(reader.runs(where="name = a"), [*asked, "metrics.loss:best", "metrics.accuracy:count"])
    assert list(found.rows[0].cells.values())[1:] == [10, 3, 1, 10, 4, 2.5, 4, 0, 1]
    found = compare(reader.runs(), ["metrics:min", "lists.*"], reduction="max")
    assert [str(one) for one in found.columns] == ["run", "metrics.loss:min", "metrics.accuracy:min", "lists.latency"]
    assert column(found, "metrics.loss:min") == [0, 1, 2]
    assert column(found, "lists.latency") == [10, 11, 12]
    with pytest.raises(QueryError, match=r"say lists\.latency:min or :max"):
        compare(reader.runs(), ["lists.latency:best"])
    with pytest.raises(QueryError, match="no reduction 'sum'"):
        compare(reader.runs(), reduction="sum")


def test_of_a_group_what_nobody_knows_the_best_of_is_left_out(reader: JournalReader) -> None:
    run = start("odd")
    run.log_metric("simple", 3.0)
    for value in (4.0, 2.0):
        run.log_metrics({"m:x <y>": value, "speed": value, "val_loss": value}, step=0)
    run.end()
    for *arguments, reduced in (
        ("-c", "metrics", "--reduce", "best", ""), ("-c", "metrics:best", ":best"), ("-c", "metrics.*:best", ":best"),
    ):  # fmt: skip
        result = invoke("odd", "--csv", *arguments)
        assert result.exit_code == 0, result.output
        head, row = (line.split(",")[1:] for line in result.stdout.splitlines())
        cells = dict(zip(head, row, strict=True))
        assert cells == {f"metrics.simple{reduced}": "3.0", f"metrics.val_loss{reduced}": "2.0"}
        assert result.stderr == (
            'multitrack: left out: metrics."m:x <y>", metrics.speed; is the least or the most of it the best? '
            'say metrics."m:x <y>":min or :max\n'
        )
    result = invoke("odd", "-c", 'metrics,metrics."m:x <y>":min', "--reduce", "best", "--without", "metrics.speed")
    assert result.stderr.startswith('multitrack: left out: metrics."m:x <y>";')
    result = invoke("odd", "-c", 'metrics."m:x <y>":best')
    assert (result.exit_code, result.stderr) == (
        2, 'multitrack: is the least or the most of metrics."m:x <y>" the best? say metrics."m:x <y>":min or :max\n',
    )  # fmt: skip
    found = compare(reader.run("odd"), "metrics", reduction="best")
    assert [str(one) for one in found.undecided] == ['metrics."m:x <y>"', "metrics.speed"]


def test_columns_more_fewer_and_those_that_differ(reader: JournalReader) -> None:
    found = compare(reader.runs(), ["params.*"], also=["name"], without=["params.note", "params.model/*"])
    assert [str(one) for one in found.columns] == ["run", "params.lr", "params.seed", "name"]
    found = compare(reader.runs(), ["params.lr", "metrics:min", "metrics:max"], without=["metrics.l*", "metrics:max"])
    assert [str(one) for one in found.columns] == ["run", "params.lr", "metrics.accuracy:min"]
    found = compare(reader.runs(), ["metrics.loss", "metrics.loss:min"], without=["metrics.loss:min"])
    assert [str(one) for one in found.columns] == ["run", "metrics.loss"]
    found = compare(reader.runs(), ["params", "project", "metrics.accuracy"], diff=True)
    assert [str(one) for one in found.columns] == ["run", "params.lr", "params.seed", "metrics.accuracy"]
    assert list(found.to_dicts())[1] == {"run": found.rows[1].id, "params.lr": 0.01, "params.seed": 1}
    assert [str(one) for one in compare(reader.runs(where="name = a"), diff=True).columns] == ["run"]
    found = compare(
        [], ["params.nothing", "lists", "params.n*", "metrics:min"], sort=["params.nothing"], best="metrics.nothing:min"
    )
    assert [str(one) for one in found.columns] == ["run", "params.nothing", "metrics.nothing"]


def test_what_a_search_lacks_is_no_difference_between_its_trials() -> None:
    search = start("search", params={"tuner": "random", "objective": "loss"})
    for i in range(2):
        trial = start(f"trial {i}", params={"lr": i, "epochs": 3} | ({"dropout": 0.1} if i else {}), parent=search)
        trial.log_metric("seconds", 7.0)
        trial.end()
    search.end()
    journal = multitrack.open_journal()
    shown = [str(one) for one in compare(journal.runs(), ["params", "metrics"], diff=True).columns]
    assert shown == ["run", "params.lr", "params.dropout"]
    start("alone", params={"epochs": 3}).end()  # a peer of the search
    shown = [str(one) for one in compare(journal.runs(), ["params", "metrics"], diff=True).columns]
    assert shown == ["run", "params.tuner", "params.objective", "params.lr", "params.epochs", "params.dropout"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"columns": ["name", "metrics.losss:min"]}, "no run has metrics.losss (did you mean metrics.loss?)"),
        ({"also": ["params.model/unit"]}, "no run has params.model/unit (did you mean params.model/units?)"),
        (
            {"columns": ["outputs.nada"]},
            "no run has outputs.nada; there are outputs.loss, outputs.latency, outputs.accuracy, outputs.weights",
        ),
        ({"columns": ["lists.nots"]}, "no run has lists.nots (did you mean params.note?)"),
        ({"columns": ["modl*"]}, "no run has a column modl*"),
        ({"columns": ["metrics.lat*"]}, "no run has a column metrics.lat*; there are metrics.loss, metrics.accuracy"),
        ({"sort": ["-metrics.latency"]}, "no run has metrics.latency (did you mean lists.latency?)"),
        ({"best": "metrics.accuracies:max"}, "no run has metrics.accuracies (did you mean metrics.accuracy?)"),
        ({"best": "params.note:max"}, "params.note is no number, so that no run is the best by it"),
        ({"without": ["params.nope"]}, "no run has params.nope (did you mean params.note?)"),
        (
            {"without": ["params.q*"]},
            "no run has a column params.q*; there are params.lr, params.note, params.seed, params.model/units",
        ),
    ],
)
def test_a_column_that_no_run_has_is_said(reader: JournalReader, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryError, match=f"{re.escape(message)}$"):
        compare(reader.runs(), **asked)
    assert compare([], **asked).rows == []


def test_a_column_of_runs_that_the_filters_left_out_is_empty(reader: JournalReader) -> None:
    asked = "name,metrics.accuracy,params.model/*,metrics.acc*"
    arguments = ["--where", "not metrics.accuracy", "--without", "params"]
    result = invoke("--csv", "-c", asked, *arguments, "--sort", "-metrics.accuracy", "--diff")
    assert (result.exit_code, result.output) == (0, f"run\n{reader.run('b').id}\n")
    result = invoke("--csv", "-c", asked, *arguments)
    assert [line.split(",")[1:] for line in result.output.splitlines()] == [["name", "metrics.accuracy"], ["b", ""]]
    result = invoke(*arguments, "--best", "metrics.accuracy")
    assert result.exit_code == 0
    assert "no run is the best by metrics.accuracy" in result.stderr
    for wrong, meant in (("metrics.accurcy", "metrics.accuracy"), ("params.nots", "params.note"), ("metrics.acx*", "")):
        result = invoke("-c", wrong, *arguments)
        assert result.exit_code == 2
        assert f"{wrong} (did you mean {meant}?)" in result.stderr if meant else f"column {wrong}" in result.stderr
    start("elsewhere", params={"other": 1}).end()
    assert invoke("-c", "params.other", "--tag", "build=0").exit_code == 0
    chosen = list(reader.runs(where="name = b"))
    with pytest.raises(QueryError, match=r"no run has metrics\.accuracy"):  # which it cannot know
        compare(chosen, "metrics.accuracy")
    looked = []

    def among() -> Iterator[Any]:
        looked.append(1)
        yield from reader.runs()

    assert column(compare(chosen, "metrics.loss", among=among()), "metrics.loss") == [3.0]
    assert looked == []  # as it takes a look at every run
    assert column(compare(chosen, "metrics.accuracy", among=among()), "metrics.accuracy") == [None]
    assert looked == [1]


def test_a_text_is_a_list_with_commas_and_what_is_no_run_is_said(reader: JournalReader) -> None:
    start("odd", params={'a, "b"': 1}).end()
    found = compare(
        reader.runs(), "name", also=r'params."a, \"b\"",params.lr', without="params.lr", sort="-status,-name"
    )
    assert [column.name for column in found.columns] == ["run", "name", 'a, "b"']
    assert names(found) == ["odd", "c", "a", "b"]
    assert names(compare(reader.run("a"))) == ["a"]
    for wrong in (["a"], "a", reader, None):
        with pytest.raises(TypeError, match=r"compare takes runs as open_journal\(\)"):
            compare(wrong)  # type: ignore[arg-type]


def test_rows_are_sorted_and_those_without_a_value_come_last(reader: JournalReader) -> None:
    start("nan", params={"lr": 0.1}).end()
    run = multitrack.start_run(run_id=reader.run("nan").id, config={"delivery": "off"})
    run.log_metric("accuracy", math.nan)
    run.end()
    for sort, order in (
        (("metrics.accuracy",), "a c b nan"), (("-metrics.accuracy",), "c a b nan"), (("-name",), "nan c b a"),
        (("-params.lr", "-name"), "nan a b c"), (("-params.lr", "name"), "a nan b c"), (("-status", "-started"), "nan c a b"),
        (("tags.build",), "a b c nan"), (("inputs.lr",), "c b a nan"),
    ):  # fmt: skip
        assert " ".join(names(compare(reader.runs(), sort=sort))) == order, sort


def test_the_best_run_and_what_it_takes_to_run_it_again(reader: JournalReader) -> None:
    found = compare(reader.runs(), ["name"], best="metrics.accuracy")
    assert found.best is not None
    assert (found.best.row.run.facts.name, found.best.direction) == ("c", "max")
    assert [str(one) for one in found.columns] == ["run", "name", "metrics.accuracy"]
    rerun = found.rerun()
    assert rerun.arguments() == ["--lr=0.001", "--note=same", "--seed=2", "--model/units=64"]
    assert yaml.safe_load(rerun.yaml()) == {"lr": 0.001, "note": "same", "seed": 2, "model": {"units": 64}}
    assert {"command", "directory", "Python"} <= set(rerun.facts())
    for best, name in (
        ("metrics.loss", "a"), ("metrics.loss:max", "c"), ("metrics.loss:first:min", "a"), ("params.lr:min", "c"),
        ("lists.latency:median:max", "a"),
    ):  # fmt: skip
        found = compare(reader.runs(), best=best)
        assert found.best is not None
        assert found.best.row.run.facts.name == name, best
    for value, name in ((math.inf, "up"), (math.nan, "nan"), (-math.inf, "down")):
        run = start(name)
        run.log_metric("accuracy", value)
        run.end()
    for best, name in (("metrics.accuracy:max", "c"), ("metrics.accuracy:min", "a")):
        found = compare(reader.runs(), best=best)
        assert found.best is not None
        assert found.best.row.run.facts.name == name, best
    assert compare([reader.run("up"), reader.run("nan")], best="metrics.accuracy:max").best is None
    result = invoke("up", "nan", "--best", "metrics.accuracy:max")
    assert "no run is the best by metrics.accuracy:max: none has a finite number there" in result.stderr
    with pytest.raises(QueryError, match=r"say lists\.latency:min or"):
        compare(reader.runs(), best="lists.latency")
    with pytest.raises(QueryError, match=r"which of several runs\? name one, or .* --best \(best=\)"):
        compare(reader.runs()).rerun()


def test_params_as_yaml_are_read_back_as_they_were() -> None:
    params = {
        "a/b": 1, "a/c/d": 1e-05, "a/c/e": 1.5e300, "yes": True, "no": None, "nan": math.nan, "inf": -math.inf, "1": "1e5",
        "text": "a: b # 'c'\n\t\x7f\x85\u2028é😀", "list": [1, "x", [2.5, 1e22]], "empty": "", "true": "false", "big": 2**80,
    }  # fmt: skip
    run = start("odd", params=params)
    run.end()
    rerun = Rerun.of(multitrack.open_journal().run(run.id))
    Path("again.yaml").write_text(rerun.yaml())
    again = start("again", params=Path("again.yaml"))
    again.end()
    assert repr(multitrack.open_journal().run("again").get_params()) == repr(params)
    for odd in ({"a": 1, "a/b": 2}, {"a/b": 2, "a": 1}):
        assert yaml.safe_load(Rerun("r", odd, None).yaml()) == odd
    assert yaml.safe_load(Rerun("r", {}, None).yaml()) == {}


# -- handed on ------------------------------------------------------------------------------------------------------


def test_csv_is_read_back_and_holds_no_formula(reader: JournalReader) -> None:
    start("=1+1", params={"@evil": "-2+3", "n": -3, "t": 'a,"b"\nc'}).end()
    found = compare(reader.runs(), ["name", "started", "params", "inputs.n"])
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert rows[-1]["name"] == "'=1+1"
    assert (rows[-1]["params.@evil"], rows[-1]["params.n"], rows[-1]["params.t"]) == ("'-2+3", "-3", 'a,"b"\nc')
    assert (rows[0]["params.lr"], rows[0]["params.n"], rows[-1]["inputs.n"]) == ("0.1", "", "-3")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", rows[0]["started"])


def test_csv_and_frames_say_the_type_and_source_of_inputs_and_outputs(reader: JournalReader) -> None:
    start("d", params={"seed": None}).end()
    found = compare(reader.runs(where="name in (a, d)"), "inputs.seed,inputs.data,outputs.accuracy,params.seed")
    rows: list[list[Any]] = [
        [0, "int", "command line", "s3://b/data", "dataset", "sha256:00", 0.9, "float", "simple metric", 0],
        [None, "none", "code", *[None] * 7],
    ]
    names = [f"{name}{field}" for name in ("inputs.seed", "inputs.data", "outputs.accuracy")
             for field in ("", " type", " source")]  # fmt: skip
    first, *written = csv.reader(io.StringIO(found.to_csv()))
    assert first == ["run", *names, "params.seed"]
    assert [line[1:] for line in written] == [list(map(str, rows[0])), ["None", "none", "code", *[""] * 6, "None"]]
    for frame in (found.to_polars().to_dict(as_series=False), found.to_arrow().to_pydict()):
        assert list(frame) == first
        assert [list(row)[1:] for row in zip(*frame.values(), strict=True)] == rows
    pandas = found.to_pandas()
    assert list(pandas.columns) == first
    assert list(pandas["inputs.seed type"]) == ["int", "none"]


def test_markdown_marks_the_best_and_escapes(reader: JournalReader) -> None:
    start("a|b *c*\nd <b>").end()
    text = compare(reader.runs(), ["name", "metrics.loss:min"], best="metrics.loss:min").to_markdown()
    lines = text.splitlines()
    assert lines[0] == "| run | name | metrics.loss:min |"
    assert lines[1] == "| --- | --- | ---: |"
    assert lines[2].endswith("| **a** | **0** |")
    assert lines[-1].endswith(r"| a\|b \*c\*\\nd \<b\> |  |")
    assert len(lines) == 6


def test_data_frames_hold_the_values(reader: JournalReader) -> None:
    mixed = start("mixed", params={"lr": "auto", "l": [1, 2], "big": 2**70})
    mixed.end()
    found = compare(reader.runs(), ["name", "started", "params", "metrics.accuracy", "inputs.seed", "took"])
    pandas, polars, arrow = found.to_pandas(), found.to_polars(), found.to_arrow()
    lr = ["0.1", "0.01", "0.001", "auto"]  # of one type
    assert list(pandas["params.lr"]) == polars["params.lr"].to_list() == arrow["params.lr"].to_pylist() == lr
    assert polars["metrics.accuracy"].to_list() == arrow["metrics.accuracy"].to_pylist() == [0.9, None, 0.92, None]
    assert [x for x in pandas["metrics.accuracy"] if x == x] == [0.9, 0.92]
    assert polars["inputs.seed"].to_list() == arrow["inputs.seed"].to_pylist() == [0, 1, 2, None]
    assert arrow["params.big"].to_pylist() == [None, None, None, float(2**70)]
    created = [run.facts.created for run in reader.runs()]
    for times in (list(pandas["started"]), polars["started"].to_list(), arrow["started"].to_pylist()):
        assert [round(time.timestamp() * 1000) for time in times] == created
    for frame in (compare([]).to_pandas(), compare([]).to_polars(), compare([]).to_arrow()):
        assert len(frame) == 0


def test_frames_with_nested_params_and_large_integers_can_be_written(tmp_path: Path) -> None:
    params = {"dict": {}, "list": [{"a": 1}], "big": 10**400, "least": -(2**63), "below": -(2**63) - 1}
    start("a", params=params).end()
    start("b", params={"dict": {}, "big": 1}).end()
    found = compare(multitrack.open_journal().runs(), "name,params")
    for text in (found.to_pandas().to_csv(), found.to_polars().write_csv()):
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [(row["params.dict"], row["params.list"]) for row in rows] == [("{}", "[{'a': 1}]"), ("{}", "")]
    pyarrow.parquet.write_table(found.to_arrow(), tmp_path / "a.parquet")
    back = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert [back[f"params.{name}"].to_pylist() for name in ("dict", "big", "least", "below")] == [
        ["{}", "{}"], [math.inf, 1.0], [-(2**63), None], [float(-(2**63)), None],
    ]  # fmt: skip


def test_runs_and_comparisons_show_what_they_are(reader: JournalReader) -> None:
    evil_run().end()
    found = compare(reader.runs(), "name,params.lr")
    assert repr(found) == "<Comparison of 4 runs in 3 columns>"
    assert str(found) == found.to_markdown()
    run = reader.run("a")
    assert repr(run) == str(run) == f"<RecordedRun 'a' ({run.id}) of 'digits'>"
    assert "\x1b" not in f"{found.rows[3].run!r}{found}"


def test_numbers_that_differ_look_different() -> None:
    for i, name in enumerate("abc"):
        params = {
            "tiny": 1.0 + i * 1e-7,
            "huge": 2**53 + i,
            "next": math.nextafter(0.1, i),
            "odd": [math.nan, math.inf, 1.0][i],
        }
        run = start(name, params=params)
        run.log_metric("ts", 1.79528e9 + i / 1000)
        run.log_metric("nan", math.nan)
        run.end()
    found = compare(multitrack.open_journal().runs(), "params,inputs.tiny,metrics", diff=True)
    rows = [
        re.split(r"  +", line.strip())[1:]
        for line in invoke("--diff", "-c", "params,inputs.tiny,metrics").output.splitlines()
    ]
    assert rows == [
        ["params.tiny", "params.huge", "params.next", "params.odd", "inputs.tiny", "metrics.ts"],
        ["1", "9007199254740992", "0.099999999999999992", "nan", "1 (float, code)", "1795280000"],
        ["1.0000001", "9007199254740993", "0.10000000000000002", "inf", "1.0000001 (float, code)", "1795280000.001"],
        ["1.0000002", "9007199254740994", "0.10000000000000002", "1", "1.0000002 (float, code)", "1795280000.002"],
    ]  # fmt: skip
    assert [row.split(" | ")[1:3] for row in found.to_markdown().splitlines()[2:]] == [row[:2] for row in rows[1:]]
    text = Page(found._repr_html_()).text
    assert all(cell in text for row in rows for cell in row)


def test_none_is_a_value_and_nothing_is_none() -> None:
    start("has", params={"p": None, "q": 1}).end()
    start("has not", params={"q": 1}).end()
    journal = multitrack.open_journal()
    found = compare(journal.runs(), ["name", "params.p", "inputs.p", "params.q"], diff=True)
    name = {"run": found.rows[0].id, "name": "has"}
    assert list(found.to_dicts()) == [
        name | {"params.p": None, "inputs.p": Value("none", None, "code")}, {"run": found.rows[1].id, "name": "has not"},
    ]  # fmt: skip
    assert [line.split(",")[1:] for line in found.to_csv().splitlines()[1:]] == [
        ["has", "None", "None", "none", "code"],
        ["has not", "", "", "", ""],
    ]
    assert [line.split(" | ")[1:] for line in found.to_markdown().splitlines()[2:]] == [
        ["has", "None", "None (none, code) |"],
        ["has not", "", " |"],
    ]
    assert Page(found._repr_html_()).text.count("None") == 2
    told = json.loads(invoke("--json", "-c", "params.p").output)["rows"]
    assert [row.get("params.p", "nothing") for row in told] == [None, "nothing"]
    assert found.to_polars()["params.p"].to_list() == [None, None]
    for where, expected in (("params.p", ["has"]), ("params.p = none", ["has"]), ("not params.p", ["has not"]),
                            ("params.nope = none", []), ("parent = none", ["has", "has not"])):  # fmt: skip
        assert [run.facts.name for run in journal.runs(where=where)] == expected, where
    assert journal.run("has").get("params.p") is journal.run("has").get("params.x") is None


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_library_that_is_missing_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    method = f"to_{library.removeprefix('py')}"
    with pytest.raises(ImportError, match=rf"{method}\(\) needs {library}: pip install {library}"):
        getattr(compare([]), method)()


class Page(HTMLParser):
    """Tags and text of a piece of HTML; each tag closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def evil_run() -> multitrack.Run:
    run = start(EVIL, params={EVIL: EVIL}, tags={EVIL: EVIL}, notes=EVIL, group=EVIL)
    run.log_metric(EVIL, 1.0, step=0)
    run.log_metric("loss", 1.0, step=0)
    run.log_list_metric(f"{EVIL}l", [1])
    run.log_artifact_ref(EVIL, "s3://x/" + EVIL, kind=EVIL)
    return run


def test_html_in_notebooks_is_whole_and_nothing_in_it_does_anything(reader: JournalReader) -> None:
    run = evil_run()
    live = Page(run._repr_html_())  # while it is written
    run.end()
    everything = ["metadata", "tags", "params", "metrics", "lists", "inputs", "outputs"]
    comparison = compare(reader.runs(), everything, best="metrics.loss:min")
    for page in (live, Page(comparison._repr_html_()), Page(reader.run(run.id)._repr_html_())):
        assert page.tags <= {"div", "table", "thead", "tbody", "tr", "th", "td", "p", "b", "br", "code", "span"}
        assert page.attributes <= {"style"}
        assert "<script>alert(1)</script>" in page.text  # as text
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", page.text)
    text = Page(reader.run("a")._repr_html_()).text
    for part in ("a", "digits", "finished", "0.1", "command line", "loss", "latency", "2.5", "us", "s3://b/data"):
        assert part in text
    assert "★" in Page(comparison._repr_html_()).text
    assert "records nothing" in multitrack.start_run(disabled=True)._repr_html_()


def test_a_long_comparison_shows_its_beginning(reader: JournalReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multitrack.notebook._ROWS", 2)
    assert "… and 1 more runs" in Page(compare(reader.runs())._repr_html_()).text


# -- the command ----------------------------------------------------------------------------------------------------


def test_the_command_prints_a_table(reader: JournalReader) -> None:
    result = invoke("--best", "metrics.accuracy:max", "--where", "params.lr < 0.05")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert re.split(r"  +", lines[0].strip()) == [
        "run", "name", "status", "started", "took", "tags.deployment", "tags.build", "params.lr", "params.note",
        "params.seed", "params.model/units", "metrics.loss", "metrics.accuracy", "lists.latency",
    ]  # fmt: skip
    assert re.match(rf"{reader.run('c').id} \*  c +finished ", lines[2])
    told = dict(re.split(r"  +", line, maxsplit=1) for line in lines[4:])
    assert told["best"] == f"{reader.run('c').id} c, finished, metrics.accuracy = 0.92"
    assert told["params as arguments"] == "--lr=0.001 --note=same --seed=2 --model/units=64"
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
        said = f"multitrack: no run is chosen, of 3 that there are in {reader.directory}\n"
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
    arguments = invoke("a", "--rerun", "args").output.splitlines()
    assert arguments[0] == f"# run: {reader.run('a').id}"
    assert arguments[-1] == "--lr=0.1 --note=same --seed=0 --model/units=64"
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
        result = invoke(*asked, "--rerun", "args")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.count(said) == 1
        assert "which of several" not in result.stderr
    with pytest.raises(QueryError, match="there is no run"):
        compare([], best="metrics.accuracy").rerun()


def test_arguments_to_run_again_are_what_a_shell_makes_of_them(reader: JournalReader) -> None:
    odd = {"name": "try 0", "text": "it's\n\\n\ta $HOME `x`\x07é", "glob": "*", "a b": "", "bell\x07'": "\u202e\x9b1"}
    run = start("odd", params=odd)
    run.end()
    lines = [invoke("odd", "--rerun", "args").output.splitlines()[-1]]
    run = start("best", params=odd)
    run.log_metric("accuracy", 2.0)
    run.end()
    label = "params as arguments"
    told = invoke("best", "--best", "metrics.accuracy").output.splitlines()
    lines += [line.removeprefix(label).strip() for line in told if line.startswith(f"{label} ")]
    assert len(lines) == 2
    for line in lines:
        script = f"printf '%s\\0' {line}"
        shell = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
        assert shell.stdout.decode().split("\0")[:-1] == [f"--{name}={value}" for name, value in odd.items()]


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


def test_nothing_recorded_can_do_anything_to_a_terminal() -> None:
    run = evil_run()
    run.end()
    everything = "metadata,tags,params,metrics,lists,inputs,outputs"
    for form in (
        (),
        ("--json",),
        ("--markdown",),
        ("--rerun", "yaml"),
        ("--rerun", "args"),
        ("--best", "metrics.loss:min"),
    ):
        text = invoke("-c", everything, *form).output
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text), form
        assert "[bold red]x[/]" in text.replace("\\[", "[").replace("\\]", "]"), form


def test_the_best_is_by_what_the_table_shows() -> None:
    for name, losses in (("a", (0.1, 0.5)), ("b", (0.3, 0.4))):
        with start(name) as run:
            for step, loss in enumerate(losses):
                run.log_metric("val.loss", loss, step=step)
    runs = list(multitrack.open_journal().runs())
    for reduction, name, value in (("last", "b", 0.4), ("min", "a", 0.1), ("best", "a", 0.1), ("max", "b", 0.4)):
        found = compare(runs, ["metrics"], best="metrics.val.loss", reduction=reduction)
        assert found.best is not None
        assert (found.best.row.run.facts.name, found.best.value) == (name, value)
        assert found.best.row.cells["metrics.val.loss"] == value
        told = invoke("--reduce", reduction, "--best", "metrics.val.loss").output
        assert f"{name}, finished, metrics.val.loss = {value}\n" in told
    (followed,) = multitrack.open_journal().follow_metric("val.loss").values()
    assert [point.value for point in followed] == [0.5, 0.4]


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
    assert re.search(r"\d more columns, 2 of them the same in all runs; --columns picks", text)
    assert max(map(len, text.splitlines())) <= 100
    for i in range(3):
        run = start(f"many {i}", params={f"p{j}": i for j in range(4)} if i else {f"search{j}": 1 for j in range(4)})
        run.log_metrics({f"m{j}": i for j in range(4)})
        run.end()
    text = re.sub(r"\x1b\[[\d;]*m", "", invoke("many 0", "many 1", "many 2").output)
    header = text.splitlines()[0].split()
    assert [name.partition(".")[2] for name in header if "." in name] == ["p0", "p1", "m0", "m1", "m2"]
