"""``multitrack sql`` and :func:`multitrack.export.connect`, over journals and data sets."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner, Result

import multitrack
from exported_runs import as_compared, compared, plain, record_odd_runs
from multitrack.cli import main
from multitrack.export import connect, export


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    for i in range(3):
        record(tmp_path / "gpu1", f"r{i}", i)
    return tmp_path / "gpu1"


def record(journal: Path, run_id: str, value: int) -> None:
    with multitrack.start_run("p", f"=rün {value}", run_id=run_id, params={"lr": value / 10, "ok": value > 0},
                              config={"journal": str(journal), "delivery": "off"}) as run:  # fmt: skip
        for step in range(3):
            run.log_metric("loss", value + step, step=step)


def sql(query: str, *options: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["sql", query, *map(str, options)], input=stdin)


def test_a_query_of_a_journal(journal: Path, tmp_path: Path) -> None:
    result = sql("select run, last from metrics order by run", "--journal", journal)
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["run", "last"],
        ["r0", "2"],
        ["r1", "3"],
        ["r2", "4"],
    ]
    record(journal, "r3", 3)
    shutil.rmtree(journal / "runs" / "r0")
    result = sql("-", "--journal", journal, "--json", stdin="select run, last, now() > timestamptz '2020-01-01' as later "
                 "from metrics order by run")  # fmt: skip
    assert json.loads(result.stdout) == [{"run": f"r{i}", "last": i + 2.0, "later": True} for i in (1, 2, 3)]
    assert not (tmp_path / "gpu1" / "dataset.json").exists()


def test_several_journals_and_data_sets(journal: Path, tmp_path: Path) -> None:
    record(tmp_path / "gpu2", "r0", 7)
    export(multitrack.open_journal(journal).runs(), tmp_path / "data")
    both = ("--journal", journal, "--journal", tmp_path / "gpu2")
    query = "select run, value from params join runs using (run) where params.name = 'lr' order by run"
    assert json.loads(sql(query, *both, "--json").stdout) == [
        {"run": "gpu1:r0", "value": 0.0}, {"run": "gpu2:r0", "value": 0.7}, {"run": "r1", "value": 0.1},
        {"run": "r2", "value": 0.2},
    ]  # fmt: skip
    for data in (tmp_path / "data", "memory://sql/data"):
        export(multitrack.open_journal(journal).runs(), data)
        assert json.loads(sql(query, "--journal", data, "--json").stdout) == [
            {"run": "r0", "value": 0.0}, {"run": "r1", "value": 0.1}, {"run": "r2", "value": 0.2},
        ]  # fmt: skip
    export(multitrack.open_journal(journal).runs(), tmp_path / "delta", storage="delta")
    assert len(json.loads(sql(query, "--journal", tmp_path / "delta", "--json").stdout)) == 3
    result = sql(query, "--journal", tmp_path / "data", "--journal", tmp_path / "gpu2", "--json")
    assert [row["run"] for row in json.loads(result.stdout)] == ["gpu1:r0", "gpu2:r0", "r1", "r2"]


def test_values_of_every_type(journal: Path) -> None:
    query = """select started, true as flag, name, 1180591620717411303424::hugeint as huge, 'nan'::double as nan, [1, null] as list,
        date '2026-11-30' as day, {'a': 0.5::decimal(3,1)} as nested, null as nothing from runs where run = 'r1'"""
    (row,) = json.loads(sql(query, "--journal", journal, "--json").stdout)
    assert row.pop("started").endswith("Z")
    assert row == {
        "flag": True, "name": "=rün 1", "huge": 2**70, "nan": "NaN", "list": [1, None], "day": "2026-11-30",
        "nested": {"a": 0.5}, "nothing": None,
    }  # fmt: skip
    (names, values) = csv.reader(io.StringIO(sql(query, "--journal", journal, "--csv").stdout))
    assert names[:3] == ["started", "flag", "name"]
    assert values[1:] == ["True", "'=rün 1", str(2**70), "nan", "[1, None]", "2026-11-30", "{'a': 0.5}", ""]
    assert "=rün 1" in sql(query, "--journal", journal).stdout
    assert sql("select 1 where false", "--journal", journal, "--json").stdout == "[]\n"


def test_columns_with_equal_names(journal: Path) -> None:
    query = """select runs.run, params.name, runs.name, 'n' as name_1, value from runs join params using (run)
        where run = 'r1' and params.name = 'lr'"""
    assert json.loads(sql(query, "--journal", journal, "--json").stdout) == [
        {"run": "r1", "name": "lr", "name_2": "=rün 1", "name_1": "n", "value": 0.1}
    ]
    assert sql(query, "--journal", journal, "--csv").stdout.splitlines()[0] == "run,name,name_2,name_1,value"
    assert sql(query, "--journal", journal).stdout.splitlines()[0].split() == [
        "run", "name", "name_2", "name_1", "value",
    ]  # fmt: skip


def test_errors(journal: Path, tmp_path: Path) -> None:
    result = sql("select * from run", "--journal", journal)
    assert result.exit_code == 2
    assert 'Did you mean "runs"?' in result.stderr
    assert "the tables are runs, params, tags, metrics, artifacts, points, lines, compacted" in result.stderr
    result = sql("select * from pg_enumm", "--journal", journal)
    assert "the tables are runs" in result.stderr
    assert "Did you mean" not in result.stderr
    result = sql("select nonsense from runs", "--journal", journal)
    assert (result.exit_code, 'column "nonsense" not found' in result.stderr) == (2, True), result.stderr
    assert "LINE 1" in result.stderr
    assert "no journal in" in sql("select 1", "--journal", tmp_path / "gone").stderr
    assert "the query is empty" in sql(" ", "--journal", journal).stderr
    assert "one form at a time" in sql("select 1", "--json", "--csv").stderr
    with mock.patch.dict("sys.modules", duckdb=None):
        result = sql("select 1", "--journal", journal)
    assert (result.exit_code, "SQL needs DuckDB: in a checkout, pip install '.[sql]'" in result.stderr) == (2, True)


def test_several_statements(journal: Path, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    statements = ["create table mine as select 7 as v", f"copy mine to '{file}'", "select v + 1 as w from mine"]
    result = sql("; ".join(statements), "--journal", journal, "--csv")
    assert (result.exit_code, result.stdout.split()) == (0, ["w", "8"]), result.output
    assert file.read_text().split() == ["v", "7"]
    assert "mine" in sql("select * from mine", "--journal", journal).stderr, "the table is gone"


def test_a_connection(tmp_path: Path) -> None:
    """Its views have the table of `multitrack compare`, and stay as they are while the data set is exported to."""
    record_odd_runs(tmp_path / "j")
    export(multitrack.open_journal(tmp_path / "j").runs(), tmp_path / "data")
    with connect(tmp_path / "data") as connection:
        record(tmp_path / "j", "later", 1)
        export(multitrack.open_journal(tmp_path / "j").runs(), tmp_path / "data")
        rows = [
            connection.sql(f"from {table}").to_arrow_table().to_pylist()
            for table in ("runs", "params", "tags", "metrics")
        ]
    for row in rows[0]:
        for column in ("started", "ended"):
            row[column] = row[column] and round(row[column].timestamp() * 1000)
    expected = {run: row for run, row in compared(tmp_path / "j").items() if run != "later"}
    assert plain(as_compared(*rows)) == plain(expected)


@pytest.mark.parametrize("storage", ["parquet", "delta"])
def test_runs_that_are_gone_are_pruned_if_asked(storage: str, journal: Path, tmp_path: Path) -> None:
    data, command = str(tmp_path / "data"), ["--journal", str(journal), "--format", storage]
    CliRunner().invoke(main, ["export", data, *command])
    shutil.rmtree(journal / "runs" / "r1")
    record(journal, "r3", 3)
    result = CliRunner().invoke(main, ["export", data, *command, "--prune"])
    assert "3 runs; 1 new, 0 changed, 2 unchanged, 1 removed" in result.stdout, result.output
    for table in ("runs", "params", "metrics", "points"):
        found = json.loads(sql(f"from {table} select distinct run order by run", "--journal", data, "--json").stdout)
        assert [row["run"] for row in found] == ["r0", "r2", "r3"]
    result = CliRunner().invoke(main, ["export", data, *command, "--prune"])
    assert "3 runs; 0 new, 0 changed, 3 unchanged; 0 rows" in result.stdout


def test_the_lineage_is_a_join(tmp_path: Path) -> None:
    config = {"journal": str(tmp_path / "j"), "delivery": "off"}
    model = {"kind": "model", "digest": "sha256:" + "ab" * 32}
    with multitrack.start_run("p", run_id="prepare", config=config) as run:
        run.log_artifact_ref("clean", "https://b/clean", kind="dataset", version="dvc:md5:0a1b")
    with multitrack.start_run("p", run_id="train", config=config) as run:
        run.log_artifact_ref("data", "https://elsewhere/clean", kind="dataset", role="input", version="dvc:md5:0a1b")
        run.log_artifact_ref("classifier", "s3://b/model", **model)
    with multitrack.start_run("p", run_id="use", config=config) as run:
        run.log_artifact_ref("copy", "s3://other/model", role="input", **model)
    query = """select distinct made.run as source, used.run as target from artifacts made join artifacts used using (data)
        where made.role = 'output' and used.role = 'input' order by all"""
    found = json.loads(sql(query, "--journal", tmp_path / "j", "--json").stdout)
    graph = multitrack.open_journal(tmp_path / "j").lineage().graph
    into = {edge.target: edge.source for edge in graph.edges if edge.role == "output"}
    expected = sorted((into[edge.source], edge.target) for edge in graph.edges if edge.role == "input")
    assert [(row["source"], row["target"]) for row in found] == expected == [("prepare", "train"), ("train", "use")]
    query = "select name, model_version from artifacts where model_version is not null"
    assert json.loads(sql(query, "--journal", tmp_path / "j", "--json").stdout) == [
        {"name": "classifier", "model_version": "1.0.0"}
    ]
