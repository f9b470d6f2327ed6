"""DuckDB, Polars and pandas read a data set, and have the table of ``multitrack compare``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import multitrack
import multitrack.compare
from exported_runs import as_compared, compared, files_of, plain, record_odd_runs
from multitrack.export import export

TABLES = ("runs", "params", "tags", "metrics")


def by_duckdb(files: list[str]) -> list[dict[str, Any]]:
    return duckdb.read_parquet(files).to_arrow_table().to_pylist()


def by_polars(files: list[str]) -> list[dict[str, Any]]:
    return pl.read_parquet(files).to_dicts()


def by_pandas(files: list[str]) -> list[dict[str, Any]]:
    frame = pd.concat([pd.read_parquet(file, dtype_backend="pyarrow") for file in files])
    return pa.Table.from_pandas(frame, preserve_index=False).to_pylist()


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("odd") / ".multitrack"
    record_odd_runs(found)
    return found


@pytest.mark.parametrize("read", [by_duckdb, by_polars, by_pandas])
def test_the_table_of_compare(read: Callable[[list[str]], list[dict[str, Any]]], journal: Path, tmp_path: Path) -> None:
    export(multitrack.open_journal(journal).runs(), tmp_path / "data")
    rows = {table: read(files_of(tmp_path / "data", table)) for table in TABLES}
    for row in rows["runs"]:
        for column in ("started", "ended"):
            row[column] = row[column] and round(row[column].timestamp() * 1000)
    found, expected = as_compared(*rows.values()), compared(journal)
    assert len(expected) == 10
    assert plain(found) == plain(expected)
