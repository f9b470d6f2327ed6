"""Every value is exact in both formats, by each of the three readers; and the content of the other columns."""

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest
from files_reader import CSV_TYPES, POLARS_TYPES
from files_runs import name_of, start, sync, tables

from multitrack.tables.schema import ARTIFACTS, LINES, PARAMS, POINTS, TAGS, Row, TableSchema
from multitrack.tables.values import number_cells, utc
from multitrack_files.csv_format import CsvFormat

NUMBERS: list[int | float] = [
    0.1, 0.30000000000000004, -0.0, 0.0, 5e-324, 1.7976931348623157e308, math.nan, math.inf, -math.inf, 3, -(2**53),
    2**53 + 1, -(2**63), 2**64 + 1, 10**400, -(10**400),
]  # fmt: skip
TEXTS = ["", "NA", "NaN", 'a "quote", a comma', "\r-", "\u2028 🚀 \x1b[0m", "a\0b", " x "]


def duckdb_parquet(directory: Path, table: TableSchema) -> list[tuple[Any, ...]]:
    with duckdb.connect() as database:
        return database.read_parquet(f"{directory}/{table.name}/**/*.parquet").order("ordinal").fetchall()


def duckdb_csv(directory: Path, table: TableSchema) -> list[tuple[Any, ...]]:
    types = {column.name: CSV_TYPES[column.type] for column in table.columns}
    with duckdb.connect() as database:
        found = database.sql(
            f"FROM read_csv('{directory}/{table.name}/**/*.csv', columns = {types}, header = true, quote = '\"', "
            "allow_quoted_nulls = false)"
        )
        return found.order("ordinal").fetchall()


def polars_parquet(directory: Path, table: TableSchema) -> list[tuple[Any, ...]]:
    return pl.read_parquet(directory / table.name / "**" / "*.parquet").sort("ordinal").rows()


def polars_csv(directory: Path, table: TableSchema) -> list[tuple[Any, ...]]:
    schema = {column.name: POLARS_TYPES[column.type] for column in table.columns}
    return pl.read_csv(directory / table.name / "**" / "*.csv", schema=schema).sort("ordinal").rows()


def pandas_parquet(directory: Path, table: TableSchema) -> list[tuple[Any, ...]]:
    frame = pd.read_parquet(directory / table.name, dtype_backend="pyarrow").sort_values("ordinal")
    return [tuple(None if cell is pd.NA else cell for cell in row) for row in frame.itertuples(index=False, name=None)]


READERS: dict[str, Callable[[Path, TableSchema], list[tuple[Any, ...]]]] = {
    "duckdb_parquet": duckdb_parquet, "duckdb_csv": duckdb_csv, "polars_parquet": polars_parquet,
    "polars_csv": polars_csv, "pandas_parquet": pandas_parquet,
}  # fmt: skip


def record(tmp_path: Path, form: str) -> Path:
    """One run; return the directory of its tables."""
    run = start(tmp_path, run_id="0003", options={"format": form})
    for step, value in enumerate(NUMBERS):
        run.log_metric("loss", value, step=step)
    run.log_list_metric("list", NUMBERS)
    run.log_lines(TEXTS, stream="stderr")
    run.set_tags({"NULL": "", "a": "two\nlines"})
    run.end()
    sync(tmp_path)
    return tmp_path / "tables"


@pytest.mark.parametrize("reader", READERS)
def test_each_reader_gets_every_number(tmp_path: Path, reader: str) -> None:
    rows = READERS[reader](record(tmp_path, reader.partition("_")[2]), POINTS)
    expected = [(step, *number_cells(value)) for step, value in enumerate(NUMBERS)]
    names = [column.name for column in POINTS.columns]
    for kind in ("series", "list"):
        found = [dict(zip(names, row, strict=True)) for row in rows if kind in row]
        told = [(row["step"], row["value"], row["text"]) for row in found]
        assert list(map(repr, told)) == list(map(repr, expected))
        assert {row["run"] for row in found} == {"0003"}, "a name of digits is a text"


@pytest.mark.parametrize("reader", READERS)
def test_each_reader_gets_every_text(tmp_path: Path, reader: str) -> None:
    directory = record(tmp_path, reader.partition("_")[2])
    lines = READERS[reader](directory, LINES)
    assert [row[4] for row in sorted(lines, key=lambda row: row[1])] == TEXTS
    assert {row[2] for row in lines} == {"stderr"}
    tags = READERS[reader](directory, TAGS)
    assert {row[1]: row[2] for row in tags} == {"NULL": "", "a": "two\nlines"}


def test_the_cells_of_a_number_tell_every_two_numbers_apart() -> None:
    assert len({repr(number_cells(value)) for value in NUMBERS}) == len(NUMBERS)
    assert [number_cells(value)[1] for value in (math.nan, math.inf, -math.inf, 0.1)] == [
        "NaN", "Infinity", "-Infinity", None,
    ]  # fmt: skip
    assert number_cells(2**53) == (2.0**53, None)
    assert number_cells(2**53 + 1) == (2.0**53, "9007199254740993")
    assert number_cells(10**309) == (None, "1" + "0" * 309)


def test_inexact_integers_are_reported_once(tmp_path: Path) -> None:
    run = start(tmp_path)
    for step in range(3):
        run.log_metrics({"count": 2**53 + 1, "loss": math.nan, "even": 2**60}, step=step)
        sync(tmp_path)
    run.log_list_metric("list", [10**400])
    run.end()
    sync(tmp_path)
    told = run.flush()["files"].stand_ins
    assert sorted(told) == [
        f"metric {name}: has integers that no double holds; the column text has them exactly"
        for name in ("count", "list")
    ]


def test_params_have_their_source_and_what_they_were(tmp_path: Path) -> None:
    (tmp_path / "params.toml").write_text("seed = 7")
    run = start(tmp_path, params={"model": {"units": 64}, "loss": len, "none": None, "big": 2**53 + 1, "flag": True})
    run.log_params({"many": ["x" * 400, len] * 5, "list": [1, None, "a"]})
    run.log_params(tmp_path / "params.toml")
    run.end()
    sync(tmp_path)
    rows = {row["name"]: row for row in tables(tmp_path)(PARAMS)}
    told = {name: (row["type"], row["value"], row["text"]) for name, row in rows.items() if name != "many"}
    assert told == {
        "model/units": ("int", 64.0, "64"), "loss": ("str", None, "builtins.len"), "none": ("none", None, None),
        "big": ("int", 2.0**53, "9007199254740993"), "flag": ("bool", 1.0, "true"), "list": ("list", None, '[1,null,"a"]'),
        "seed": ("int", 7.0, "7"),
    }  # fmt: skip
    assert rows["loss"]["object"] == "builtins.builtin_function_or_method"
    assert rows["seed"]["source"] == str(tmp_path / "params.toml")
    assert rows["flag"]["source"] == "code"
    assert rows["seed"]["object"] is rows["seed"]["whole"] is None


def test_the_whole_text_of_an_object_is_kept(tmp_path: Path) -> None:
    class Long:
        def __repr__(self) -> str:
            return "Long(" + "x" * 3000 + ")"

    run = start(tmp_path, params={"long": Long()})
    run.end()
    sync(tmp_path)
    (row,) = tables(tmp_path)(PARAMS)
    assert row["whole"] == repr(Long())
    assert len(row["text"]) < 600
    assert row["object"].endswith("Long")


def test_references_have_their_details_and_their_history(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log_artifact_ref("data", "s3://b/1", kind="dataset", role="input", digest="sha256:00", size=3)
    run.log_artifact_ref("data", "s3://b/2", kind="dataset", role="input")
    run.end()
    sync(tmp_path)
    told = [(row["uri"], row["kind"], row["role"], row["digest"], row["size"]) for row in tables(tmp_path)(ARTIFACTS)]
    assert told == [("s3://b/1", "dataset", "input", "sha256:00", 3), ("s3://b/2", "dataset", "input", None, None)]


def test_simple_metrics_and_tags_keep_every_write(tmp_path: Path) -> None:
    run = start(tmp_path, tags={"stage": "draft"})
    run.log_metric("best", 0.9)
    run.log_metric("best", 0.5)
    run.set_tags({"stage": "final"})
    run.end()
    sync(tmp_path)
    points = tables(tmp_path)(POINTS)
    assert [(row["name"], row["kind"], row["step"], row["value"]) for row in points] == [
        ("best", "simple", None, 0.9), ("best", "simple", None, 0.5),
    ]  # fmt: skip
    assert [(row["name"], row["text"]) for row in tables(tmp_path)(TAGS)] == [("stage", "draft"), ("stage", "final")]
    assert points[0]["ordinal"] < points[1]["ordinal"]
    assert name_of(run) == run.id


def test_a_csv_file_is_as_the_readme_says() -> None:
    rows: list[Row] = [
        ("0003", "a,b", "series", 7, 1_700_000_000_007, 0.1, None, 1),
        ("0003", 'the "best"', "simple", None, 1_700_000_000_007, math.nan, "NaN", 2),
        ("0003", "", "simple", None, 1_700_000_000_007, None, "1000", 3),
    ]
    file = io.BytesIO()
    CsvFormat().write(POINTS, [CsvFormat().encode(POINTS, rows)], file)
    assert file.getvalue().decode() == (
        "run,name,kind,step,time,value,text,ordinal\n"
        '"0003","a,b","series",7,2023-11-14T22:13:20.007Z,0.1,,1\n'
        '"0003","the ""best""","simple",,2023-11-14T22:13:20.007Z,NaN,"NaN",2\n'
        '"0003","","simple",,2023-11-14T22:13:20.007Z,,"1000",3\n'
    )


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000_007, "2023-11-14T22:13:20.007Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_times_in_csv(ms: int, text: str) -> None:
    assert utc(ms) == text
