"""A data set with files that are missing or damaged: everything that reads it or exports to it says so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import fsspec
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import multitrack
from exported_runs import files_of
from multitrack.cli import main
from multitrack.errors import ExportError
from multitrack.export import export, exporting


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No test changes it."""
    found = tmp_path_factory.mktemp("damage") / "j"
    with multitrack.start_run(
        "p", run_id="r0", params={"a": 1}, config={"journal": str(found), "delivery": "off"}
    ) as run:
        for step in range(1000):
            run.log_metric("loss", step * 1.37, step=step)
    return found


@pytest.fixture
def data(journal: Path, tmp_path: Path) -> Path:
    return exported(journal, tmp_path / "data")


def exported(journal: Path, data: Path, storage: Literal["parquet", "delta"] = "parquet") -> Path:
    export(multitrack.open_journal(journal).runs(), data, storage=storage)
    return data


def points_of(data: Path) -> Path:
    (found,) = files_of(data, "points")
    return Path(found)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def damage_page(file: Path) -> None:
    """Damage the header of a page; the footer stays readable."""
    with pq.ParquetFile(file) as opened:
        group = opened.metadata.row_group(0)
    (column,) = (group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema == "value")
    start = column.dictionary_page_offset or column.data_page_offset
    content = bytearray(file.read_bytes())
    content[start : start + 50] = b"\xff" * 50
    file.write_bytes(content)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def check_told(result: Result, *texts: str) -> None:
    """Check that a command failed with one line, which has some texts."""
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()
    for text in texts:
        assert text in line, line
    assert "\\n" not in line, line


@pytest.mark.parametrize("damage", [Path.unlink, truncate], ids=["missing", "truncated"])
def test_sql_names_a_file(damage: Callable[[Path], None], data: Path) -> None:
    file = points_of(data)
    damage(file)
    result = invoke("sql", "select count(*) from runs", "--journal", data)
    advice = f"if the data set is damaged, delete {data} and export again"
    check_told(result, "cannot read the table points", str(file), advice)


@pytest.mark.parametrize("damage", [Path.unlink, truncate, damage_page], ids=["missing", "truncated", "page"])
def test_compare_names_a_file(damage: Callable[[Path], None], data: Path) -> None:
    file = points_of(data)
    damage(file)
    result = invoke("compare", "--journal", data)
    check_told(result, f"cannot read {file}: ", f"if the data set is damaged, delete {data} and export again")


@pytest.mark.parametrize("command", ["sql", "compare", "export"])
@pytest.mark.parametrize("damage", [Path.unlink, truncate], ids=["missing", "truncated"])
def test_a_damaged_log_of_a_delta_table(
    damage: Callable[[Path], None], command: str, journal: Path, tmp_path: Path
) -> None:
    data = exported(journal, tmp_path / "data", "delta")
    damage(max((data / "points" / "_delta_log").glob("*.json")))
    check_told(
        run_command(command, data, journal, "delta"), "cannot read the table points", f"delete {data} and export"
    )


def run_command(command: str, data: Path, journal: Path, storage: str = "parquet") -> Result:
    if command == "sql":
        return invoke("sql", "select count(*) from points", "--journal", data)
    if command == "compare":
        return invoke("compare", "--journal", data)
    return invoke("export", data, "--journal", journal, "--format", storage)


@pytest.mark.parametrize("command", ["sql", "compare", "export"])
def test_a_damaged_manifest_and_a_missing_state(command: str, data: Path, journal: Path) -> None:
    content = (data / "dataset.json").read_bytes()
    (data / "dataset.json").write_bytes(content[:100])
    advice = f"if the data set is damaged, delete {data} and export again"
    check_told(run_command(command, data, journal), f"cannot read dataset.json in {data}", advice)
    (data / "dataset.json").write_bytes(content)
    if command == "sql":  # which does not need the state
        return
    state = data / json.loads(content)["state"]
    state.write_bytes(state.read_bytes()[:20])
    check_told(run_command(command, data, journal), f"cannot read the state in {data}", advice)
    state.unlink()
    check_told(run_command(command, data, journal), f"cannot read {state}", advice)


def test_an_export_notices_files_that_are_missing_or_short(data: Path, journal: Path) -> None:
    file = points_of(data)
    size = file.stat().st_size
    truncate(file)
    advice = f"delete {data} and export again"
    check_told(run_command("export", data, journal), f"{file} has {size - 100:,} bytes instead of {size:,}: {advice}")
    file.unlink()
    check_told(run_command("export", data, journal), f"{file} is missing: {advice}")
    shutil.rmtree(data)
    assert "1 run; 1 new" in run_command("export", data, journal).stdout
    (empty,) = files_of(data, "lines")
    Path(empty).unlink()
    check_told(run_command("export", data, journal), f"{empty} is missing: {advice}")


def test_an_export_notices_files_of_delta_tables(journal: Path, tmp_path: Path) -> None:
    data = exported(journal, tmp_path / "data", "delta")
    assert "1 unchanged" in run_command("export", data, journal, "delta").stdout
    (file,) = (data / "points").glob("*.parquet")
    truncate(file)
    check_told(run_command("export", data, journal, "delta"), f"{file} has ", f": delete {data} and export again")


def test_an_export_to_an_object_store_notices_it(journal: Path) -> None:
    url, memory = "memory://damage/runs", fsspec.filesystem("memory")
    export(multitrack.open_journal(journal).runs(), url)
    assert export(multitrack.open_journal(journal).runs(), url).unchanged == 1
    (path,) = (path for path in memory.find("/damage/runs/points") if "-empty" not in path)
    memory.pipe_file(path, b"short")
    with pytest.raises(ExportError, match=r"has 5 bytes instead of .* delete memory://damage/runs and export again"):
        export(multitrack.open_journal(journal).runs(), url)
    memory.rm("/damage", recursive=True)


def test_files_that_another_export_has_replaced_are_no_damage(journal: Path, tmp_path: Path) -> None:
    """It finishes after this export has read the state, and deletes what it replaced."""
    url = "memory://replaced/runs"
    shutil.copytree(journal, tmp_path / "gpu1")
    export(multitrack.open_journal(journal).runs(), url)
    with multitrack.start_run("p", run_id="r0", config={"journal": str(tmp_path / "gpu1"), "delivery": "off"}) as run:
        run.log_metric("loss", 0, step=2000)
    read = exporting.read_state
    between = iter([lambda: export(multitrack.open_journal(tmp_path / "gpu1").runs(), url, keep=0)])

    def read_before(*arguments: Any) -> Any:
        state = read(*arguments)
        next(between, lambda: None)()
        return state

    with mock.patch.object(exporting, "read_state", read_before):
        found = export(multitrack.open_journal(journal).runs(), url)
    assert (found.unchanged, found.generation) == (1, 2)
    fsspec.filesystem("memory").rm("/replaced", recursive=True)


def test_the_cache_of_sql_is_made_again(journal: Path, cache: Path) -> None:
    query = ("sql", "select count(*) as n from points", "--json", "--journal", journal)
    assert json.loads(invoke(*query).stdout) == [{"n": 1000}]
    (file,) = (file for file in cache.rglob("points/**/*.parquet") if "-empty" not in file.name)
    file.unlink()
    assert json.loads(invoke(*query).stdout) == [{"n": 1000}]
