"""Read a run from the tables with the readers that users have: DuckDB for Parquet, Polars for CSV."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from multitrack.tables.schema import RECORDED, TableSchema
from multitrack.tables.values import number_cells, number_in, param_cells, param_in
from multitrack.testing import NativePoint, NativeReference, NativeRun
from multitrack_files.schema import RUNS

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
    found = number_in(row["value"], row["text"])
    assert found is not None, row
    assert repr(number_cells(found)) == repr((row["value"], row["text"])), "both columns are of one number"
    return found


def param(row: Row) -> Any:
    """A param in its type; ``value`` is its number, if it is one."""
    found = param_in(row["type"], row["value"], row["text"])
    assert repr(param_cells(found, row["type"])) == repr((row["value"], row["text"])), "both columns are of one value"
    return found


def ms(time: datetime.datetime) -> int:
    """Milliseconds since the epoch."""
    return (time - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(milliseconds=1)
