"""``multitrack verify --against files``: every value is read back, and one that was changed or deleted is found."""

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from files_runs import name_of, part_files, start, sync

import multitrack
from multitrack.migration.verifying import Verified, verify_run
from multitrack.tables import merging
from multitrack.tables.schema import PARAMS
from multitrack_files.csv_format import CsvFormat

FORMATS = ["parquet", "csv"]
NUMBERS = [0.1, -0.0, 5e-324, math.nan, math.inf, -math.inf, 3, 2**53 + 1, -(2**64), 10**400]


def record(tmp_path: Path, form: str = "parquet") -> multitrack.Run:
    run = start(tmp_path, name="näme 🚀", options={"format": form}, notes="a\nb", group="g")
    run.log_params({"lr": 0.1, "nan": math.nan, "big": 10**400, "no": None, "yes": True, "some": [1, {"a": None}]})
    run.log_params({"empty": {}, "text": 'a "q",\n', "fn": len, "long": functools.partial(print, "x" * 1500)})
    for value in NUMBERS:
        run.log_metrics({"loss": value, "ä / 🚀": 1.0}, step=3)
    run.log_metric("loss", 0.5)
    run.log_metric("best", math.nan)
    run.log_list_metric("list", NUMBERS)
    run.log_list_metric("list", [1.0, 2.0])
    run.log_lines(["", 'a "q", b', "\r-", "\u2028\0 x "], stream="stderr")
    run.log_lines("log")
    run.log_artifact_ref("weights", "s3://bucket/w", kind="model", digest=f"sha256:{'0' * 64}", version="dvc:md5:1")
    run.set_tags({"stage": "dev", "NULL": ""})
    run.set_tags({"stage": "prod"})
    run.end()
    sync(tmp_path)
    return run


def verified(tmp_path: Path, run: multitrack.Run) -> Verified:
    return verify_run(multitrack.open_journal(tmp_path / "journal").run(run.id), "files")


def wrong(found: Verified) -> dict[str, tuple[str, int, str]]:
    assert found.error is None
    return {each.thing: (each.outcome, each.count, each.detail) for each in found.findings}


@pytest.mark.parametrize("form", FORMATS)
def test_every_value_is_read_back(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "FEWEST", 2)
    found = verified(tmp_path, record(tmp_path, form))
    assert (wrong(found), found.extra, found.passed) == ({}, 0, True)
    assert found.equal == 5 + 10 + 3 * len(NUMBERS) + 2 + 2 + 5 + 1 + 2


@pytest.mark.parametrize("form", FORMATS)
def test_many_rows_are_read_back(tmp_path: Path, form: str) -> None:
    run = start(tmp_path, options={"format": form})
    run.log_list_metric("list", list(range(20_000)))
    run.log_lines([f"line {i}\n".strip() for i in range(5000)])
    run.end()
    sync(tmp_path)
    found = verified(tmp_path, run)
    assert (wrong(found), found.equal) == ({}, 5 + 20_000 + 5000)


def changed(path: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Rewrite a Parquet file with another program."""
    change(pl.read_parquet(path)).write_parquet(path)


def test_a_value_that_was_changed_or_deleted_is_found(tmp_path: Path) -> None:
    run = record(tmp_path)
    (points,), (params,), (lines,) = (part_files(tmp_path, table) for table in ("points", "params", "lines"))
    name, value, text = pl.col("name"), pl.col("value"), pl.col("text")
    in_list = (name == "list") & (pl.col("step") == 2)
    changed(points, lambda rows: rows.filter(~in_list).with_columns(
        value=pl.when((name == "loss") & (value == 0.1)).then(9.0).when(text == str(2**53 + 1)).then(None).otherwise(value)
    ))  # fmt: skip
    changed(params, lambda rows: rows.with_columns(value=pl.when(name == "lr").then(0.2).otherwise(value)))
    changed(lines, lambda rows: rows.with_columns(text=pl.when(text == "log").then(pl.lit("x")).otherwise(text)))
    changed(tmp_path / "tables" / "runs" / "delivery" / f"{name_of(run)}.parquet", lambda rows: rows.with_columns(
        status=pl.lit("failed")
    ))  # fmt: skip
    (tags,) = part_files(tmp_path, "tags")
    tags.unlink()
    found = verified(tmp_path, run).findings
    assert {(each.thing, each.outcome): each.count for each in found} == {
        ("metric loss", "missing"): 1, ("metric loss", "different"): 1, ("metric list", "missing"): 2,
        ("param lr", "different"): 1, ("lines", "different"): 1, ("status", "different"): 1,
        ("tag stage", "missing"): 1, ("tag NULL", "missing"): 1,
    }  # fmt: skip
    assert [each.detail for each in found if each.thing == "param lr"] == ["0.1 is 0.2"]


def test_a_changed_csv_file_is_found(tmp_path: Path) -> None:
    run = record(tmp_path, "csv")
    (params,) = part_files(tmp_path, "params", ".csv")
    params.write_text(params.read_text().replace('"0.1"', '"0.3"').replace(",0.1,", ",0.3,"))
    assert wrong(verified(tmp_path, run)) == {"param lr": ("different", 1, "0.1 is 0.3")}


@pytest.mark.parametrize("form", FORMATS)
def test_a_damaged_file_is_named(tmp_path: Path, form: str) -> None:
    run = record(tmp_path, form)
    (points,) = part_files(tmp_path, suffix=f".{form}")
    points.write_bytes(points.read_bytes()[:-30])
    assert str(verified(tmp_path, run).error).startswith(f"{points} cannot be read: ")
    points.unlink()
    found = verified(tmp_path, run)
    assert not found.passed
    assert wrong(found)["metric loss"][:2] == ("missing", len(NUMBERS))


def test_deleted_tables_are_named(tmp_path: Path) -> None:
    run = record(tmp_path)
    row = tmp_path / "tables" / "runs" / "delivery" / f"{name_of(run)}.parquet"
    row.unlink()
    assert verified(tmp_path, run).error == f"{row} was deleted"
    schema = tmp_path / "tables" / "schema.json"
    schema.write_text(schema.read_text().replace('"version": 1', '"version": 9'))
    assert "has tables of schema version 9" in str(verified(tmp_path, run).error)
    schema.unlink()
    assert verified(tmp_path, run).error == f"{tmp_path / 'tables'} has no tables: schema.json is missing"


def test_a_table_of_an_older_release_lacks_a_column(tmp_path: Path) -> None:
    path = tmp_path / "part.csv"
    path.write_text('run,name\n"r","lr"\n')
    (row,) = CsvFormat().rows(PARAMS, path)
    assert row == ("r", "lr", *[None] * 8)
    path.write_text('run,name\n"r"\n')
    with pytest.raises(ValueError, match="row 2 has 1 fields, not 2"):
        list(CsvFormat().rows(PARAMS, path))


def test_two_journals_with_one_id(tmp_path: Path) -> None:
    runs: list[Any] = []
    for journal in ("journal", "other"):
        run = start(tmp_path, journal, run_id="nightly", name=journal)
        run.log_metric("x", float(len(runs)), step=0)
        run.end()
        sync(tmp_path, journal)
        runs.append(multitrack.open_journal(tmp_path / journal).run("nightly"))
    assert [verify_run(run, "files").passed for run in runs] == [True, True]
