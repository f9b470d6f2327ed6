"""Read a run from the tables with the readers that users have: DuckDB for Parquet, Polars for CSV."""

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from multitrack.testing import NativePoint, NativeReference, NativeRun
from multitrack_files.schema import RECORDED, RUNS, TableSchema

Row = dict[str, Any]
Rows = Callable[[TableSchema], list[Row]]

CSV_TYPES = {"text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "flag": "BOOLEAN", "time": "TIMESTAMPTZ"}
POLARS_TYPES = {
    "text": pl.String, "integer": pl.Int64, "number": pl.Float64, "flag": pl.Boolean, "time": pl.Datetime("ms", "UTC"),
}  # fmt: skip


def parquet_rows(directory: Path) -> Rows:
    """The rows of any table, of all runs: by DuckDB, with no pattern but the README's."""

    def rows(table: TableSchema) -> list[Row]:
        with duckdb.connect() as database:
            found = database.read_parquet(f"{directory}/{table.name}/**/*.parquet")
            return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    return rows


def csv_rows(directory: Path) -> Rows:
    """The same of CSV, by Polars."""

    def rows(table: TableSchema) -> list[Row]:
        schema = {column.name: POLARS_TYPES[column.type] for column in table.columns}
        return pl.read_csv(directory / table.name / "**" / "*.csv", schema=schema).rows(named=True)

    return rows


def read_run(rows: Rows, run: str) -> NativeRun:
    """One run, with the checks that hold for the rows of every run."""
    (about,) = [row for row in rows(RUNS) if row["run"] == run]
    found = {table.name: [row for row in rows(table) if row["run"] == run] for table in RECORDED}
    for table in RECORDED:
        found[table.name].sort(key=lambda row: row["ordinal"])
    check(found, {row["run"] for row in rows(RUNS)}, rows)
    native = NativeRun(
        name=about["name"], status=about["status"], parent=about["parent"], started=ms(about["started"]),
        ended=None if about["ended"] is None else ms(about["ended"]),
        identity={"user": about["user"], "host": about["host"], "program": about["program"]},
    )  # fmt: skip
    native.params = {row["name"]: param(row) for row in found["params"]}
    native.tags = {row["name"]: row["text"] for row in found["tags"]}
    native.artifacts = {row["name"]: row["uri"] for row in found["artifacts"]}
    native.references = {
        row["name"]: NativeReference(row["kind"], row["role"], row["digest"], row["size"], row["version"])
        for row in found["artifacts"]
    }
    native.lines = [row["text"] for row in found["lines"]]
    assert [row["line"] for row in found["lines"]] == list(range(len(native.lines)))
    for row in found["points"]:
        if row["kind"] == "simple":
            assert row["step"] is None
            native.metrics[row["name"]] = number(row)
        else:
            point = NativePoint(row["step"], number(row), ms(row["time"]))
            native.series.setdefault(row["name"], []).append(point)
    return native


def check(found: dict[str, list[Row]], runs: set[str], rows: Rows) -> None:
    """No row twice, and none of a run that is not in ``runs``."""
    for table in RECORDED:
        keys = [tuple(row.get(key) for key in ("ordinal", "name", "step", "line")) for row in found[table.name]]
        assert len(set(keys)) == len(keys), f"rows of {table.name} are there twice"
        assert {row["run"] for row in rows(table)} <= runs


def number(row: Row) -> float:
    """The exact number of a row: ``text`` where it is given, else ``value``."""
    value, text = row["value"], row["text"]
    if text is None:
        assert value is not None and value - value == 0, row
        return float(value)
    if text in {"NaN", "Infinity", "-Infinity"}:
        assert repr(value) == repr(float(text)), row
        return float(text)
    assert value is None or value == float(int(text)) != int(text), row
    return int(text)


def param(row: Row) -> Any:
    """A param in its type; ``value`` is its number, if it is one."""
    kind, text, value = row["type"], row["text"], row["value"]
    if kind in {"none", "str", "list"}:
        assert value is None
        return None if kind == "none" else json.loads(text) if kind == "list" else text
    if kind == "bool":
        assert (value, text) in {(1.0, "true"), (0.0, "false")}
        return text == "true"
    exact = int(text) if kind == "int" else float(text)
    if value is None:
        assert kind == "int" and abs(exact) > 1e308
    else:
        assert repr(value) == repr(float(exact))
    return exact


def ms(time: datetime.datetime) -> int:
    """Milliseconds since the epoch."""
    return (time - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(milliseconds=1)
