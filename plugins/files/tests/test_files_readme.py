"""The README's examples run and print the output shown there, and its tables are those of the schema."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow.parquet as pq
import pytest

import multitrack
from multitrack_files import SCHEMA_VERSION, FilesOptions
from multitrack_files.schema import TABLES, schema_json

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
RECORD, *QUERIES, CSV = [text for language, text in BLOCKS if language == "python"]
SHOWN = [text for language, text in BLOCKS if language == "text"]


def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str = "") -> None:
    """Record the README's runs, by its config, in the current directory."""
    monkeypatch.chdir(tmp_path)
    (config,) = [text for language, text in BLOCKS if language == "toml"]
    (tmp_path / "multitrack.toml").write_text('delivery = "off"\n' + config + settings)
    run_code(RECORD)
    assert {report.complete for report in multitrack.sync().values()} == {True}


def run_code(text: str) -> dict[str, Any]:
    scope: dict[str, Any] = {}
    exec(text, scope)  # noqa: S102 - our own README
    return scope


@pytest.mark.parametrize(("query", "shown"), [*zip(QUERIES, SHOWN, strict=False)], ids=["duckdb", "polars", "pandas"])
def test_a_query_prints_what_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], query: str, shown: str
) -> None:
    record(tmp_path, monkeypatch)
    capsys.readouterr()
    run_code(query)
    printed = capsys.readouterr().out
    assert [line.rstrip() for line in printed.strip().splitlines()] == shown.strip().splitlines()


def test_the_csv_example_reads_the_same_by_all_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path, monkeypatch, 'format = "csv"\n')
    code = CSV
    if tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1):  # as the README says of these releases
        code = CSV.replace("pd.read_csv(\n        path,", 'pd.read_csv(\n        path, float_precision="round_trip",')
        assert code != CSV
    scope = run_code(code)
    expected = sorted(
        [("val_loss", "series", epoch, lr + 1 / (epoch + 1)) for lr in (0.1, 0.01) for epoch in range(5)]
        + [("accuracy", "simple", -1, 1 - lr) for lr in (0.1, 0.01)]
    )
    duck = scope["by_duckdb"].select("name, kind, coalesce(step, -1), value").fetchall()
    polar = scope["by_polars"].collect().select("name", "kind", "step", "value").fill_null(-1).rows()
    panda = scope["by_pandas"]
    pandas_rows = panda.assign(step=panda["step"].fillna(-1))[["name", "kind", "step", "value"]]
    assert sorted(duck) == expected
    assert sorted(polar) == expected
    assert sorted(pandas_rows.itertuples(index=False, name=None)) == expected
    assert scope["by_polars"].collect_schema()["time"] == scope["polar"]["time"]
    assert str(panda["time"].dtype).endswith("UTC]")
    assert set(panda["text"]) == {""}


def test_the_schema_is_what_the_readme_says(tmp_path: Path) -> None:
    told = {}
    for name, columns in re.findall(
        r"^\*\*(\w+)\*\*: .*\n\n\| column .*\n\|---.*\n((?:\|.*\n)+)", README, re.MULTILINE
    ):
        told[name] = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", columns, re.MULTILINE))
    expected = {table.name: {column.name: column.type for column in table.columns} for table in TABLES}
    assert told == expected
    assert json.loads(schema_json("csv")) == {"version": SCHEMA_VERSION, "format": "csv", "tables": expected}
    assert f"Version {SCHEMA_VERSION}." in README


def test_every_file_has_the_schema_and_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for suffix in ("parquet", "csv"):
        (tmp_path / suffix).mkdir()
        record(tmp_path / suffix, monkeypatch, f'format = "{suffix}"\n')
    for table in TABLES:
        count = 3 if table.name in {"runs", "points", "params"} else 1
        names = [column.name for column in table.columns]
        parquet, csv = (sorted((tmp_path / form / "tables" / table.name).rglob("*.*")) for form in ("parquet", "csv"))
        assert [path.suffix for path in parquet] == [".parquet"] * count
        assert [path.suffix for path in csv] == [".csv"] * count
        for path in parquet:
            footer = pq.read_schema(path)
            assert footer.names == names
            assert footer.metadata[b"multitrack.schema_version"] == str(SCHEMA_VERSION).encode()
            assert footer.metadata[b"multitrack.table"] == table.name.encode()
        for path in csv:
            assert path.read_text().splitlines()[0] == ",".join(names)


def test_every_option_is_told_with_its_name() -> None:
    told = re.findall(r"^\| `(\w+)` \| `.*` \| .* \|$", README, re.MULTILINE)
    assert told == [field.name for field in msgspec.structs.fields(FilesOptions)]
