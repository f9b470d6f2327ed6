"""Runs side by side: columns, sorting, reductions and the best one."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import multitrack
from multitrack import QueryError
from multitrack.compare import compare
from multitrack.query.cells import Value
from multitrack.reading.reader import JournalReader
from three_runs import Page, column, evil_run, invoke, names, start


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
            'multitrack: left out: metrics."m:x <y>", metrics.speed; is a low or a high value better? '
            'say metrics."m:x <y>":min or :max\n'
        )
    result = invoke("odd", "-c", 'metrics,metrics."m:x <y>":min', "--reduce", "best", "--without", "metrics.speed")
    assert result.stderr.startswith('multitrack: left out: metrics."m:x <y>";')
    result = invoke("odd", "-c", 'metrics."m:x <y>":best')
    assert (result.exit_code, result.stderr) == (
        2, 'multitrack: is a low or a high metrics."m:x <y>" better? say metrics."m:x <y>":min or :max\n',
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
        ({"best": "params.note:max"}, "params.note is not a number, so no run is the best by it"),
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
    assert json.loads(rerun.to_json()) == {"lr": 0.001, "note": "same", "seed": 2, "model": {"units": 64}}
    assert yaml.safe_load(rerun.to_yaml()) == json.loads(rerun.to_json())
    assert rerun.command() == rerun.facts()["command"]
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
