"""Delta tables: read by their own library, by Polars and by DuckDB, also after an export that was killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import deltalake
import polars as pl
import pytest

import multitrack
from exported_runs import as_compared, compared, plain, record_odd_runs
from multitrack.export import export


def rows(data: Path, table: str) -> list[dict[str, Any]]:
    version = json.loads((data / "dataset.json").read_text())["versions"][table]
    found: list[dict[str, Any]] = pl.read_delta(str(data / table), version=version).to_dicts()
    return found


def record(journal: Path, run_id: str, **params: object) -> None:
    with multitrack.start_run(
        "p", run_id=run_id, params=params, config={"journal": str(journal), "delivery": "off"}
    ) as run:
        run.log_metric("loss", len(params), step=len(params))


def test_the_table_of_compare(tmp_path: Path) -> None:
    record_odd_runs(tmp_path / "j")
    found = export(multitrack.open_journal(tmp_path / "j").runs(), tmp_path / "data", storage="delta")
    assert (found.new, found.runs) == (10, 10)
    tables = {table: rows(tmp_path / "data", table) for table in ("runs", "params", "tags", "metrics")}
    for row in tables["runs"]:
        for column in ("started", "ended"):
            row[column] = row[column] and round(row[column].timestamp() * 1000)
    assert plain(as_compared(*tables.values())) == plain(compared(tmp_path / "j"))


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    journal, data = tmp_path / "it's here", tmp_path / "data"
    for run_id in ("r0", "r1"):
        record(journal, run_id, a=1)
    export(multitrack.open_journal(journal).runs(), data, storage="delta")
    before = deltalake.DeltaTable(str(data / "points")).version()
    assert export(multitrack.open_journal(journal).runs(), data, storage="delta").unchanged == 2
    assert deltalake.DeltaTable(str(data / "points")).version() == before
    record(journal, "r1", b=1, c=1)
    found = export(multitrack.open_journal(journal).runs(), data, storage="delta")
    assert (found.changed, found.unchanged) == (1, 1)
    assert sorted((row["run"], row["step"]) for row in rows(data, "points")) == [("r0", 1), ("r1", 1), ("r1", 2)]
    assert sorted((row["run"], row["name"]) for row in rows(data, "params")) == [
        ("r0", "a"), ("r1", "a"), ("r1", "b"), ("r1", "c"),
    ]  # fmt: skip


@pytest.mark.parametrize("first", [True, False])
def test_an_export_that_failed_between_two_tables_is_repeated(first: bool, tmp_path: Path) -> None:
    journal, data = tmp_path / "j", tmp_path / "data"
    record(journal, "r0", a=1)
    if not first:
        export(multitrack.open_journal(journal).runs(), data, storage="delta")
        record(journal, "r1", a=1)
    write, left = deltalake.write_deltalake, 13 if first else 5  # of the first export, eight empty tables and then five

    def fails(*arguments: Any, **options: Any) -> None:
        nonlocal left
        if not left:
            raise OSError(5, "Input/output error")
        left -= 1
        write(*arguments, **options)

    with mock.patch.object(deltalake, "write_deltalake", fails), pytest.raises(OSError, match="Input/output"):
        export(multitrack.open_journal(journal).runs(), data, storage="delta")
    if not first:
        assert {row["run"] for row in rows(data, "params")} == {"r0"}, "the version of before"
    assert deltalake.DeltaTable(str(data / "params")).version() >= 1
    export(multitrack.open_journal(journal).runs(), data, storage="delta")
    expected = ["r0"] if first else ["r0", "r1"]
    for table in ("runs", "params", "points"):
        assert sorted(row["run"] for row in rows(data, table)) == expected
