"""Spark reads a data set, and has the table of ``multitrack compare``. ``make spark`` runs this; it needs Java."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import multitrack
from exported_runs import as_compared, compared, files_of, plain, record_odd_runs
from multitrack.export import export

pytest.importorskip("pyspark", reason="needs PySpark and Java: make spark")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # PySpark has warnings of its own


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    assert shutil.which("java"), "Spark needs Java: apt-get install default-jre-headless"
    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    yield session
    session.stop()


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("odd") / ".multitrack"
    record_odd_runs(found)
    return found


def test_the_table_of_compare(spark: Any, journal: Path, tmp_path: Path) -> None:
    export(multitrack.open_journal(journal).runs(), tmp_path / "data")
    rows = {}
    for table in ("runs", "params", "tags", "metrics"):
        frame = spark.read.parquet(*files_of(tmp_path / "data", table))
        if table == "runs":
            frame = frame.selectExpr(
                "* except (started, ended)", "unix_millis(started) as started", "unix_millis(ended) as ended"
            )
        rows[table] = [row.asDict() for row in frame.collect()]
    expected = compared(journal)
    assert len(expected) == 10
    assert plain(as_compared(*rows.values())) == plain(expected)


def test_points_of_several_exports(spark: Any, tmp_path: Path) -> None:
    """Summed by Spark, over files that differ in age and size, and tables without rows."""
    config = {"journal": str(tmp_path / "j"), "delivery": "off"}
    for i in range(3):
        with multitrack.start_run("ü ☃", run_id=f"r{i}", config=config) as run:
            for step in range(10):
                run.log_metric("loss", i * step, step=step)
        export(multitrack.open_journal(tmp_path / "j").runs(), tmp_path / "data")
    points = spark.read.parquet(*files_of(tmp_path / "data", "points"))
    points.createOrReplaceTempView("points")
    found = spark.sql(
        "select project, run, sum(value), count(*) from points group by project, run order by run"
    ).collect()
    assert [tuple(row) for row in found] == [("ü ☃", f"r{i}", 45.0 * i, 10) for i in range(3)]
    assert spark.read.parquet(*files_of(tmp_path / "data", "lines")).count() == 0


def test_the_example_in_the_docs(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spark is not None
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    record, *_, example = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "multitrack.toml").write_text('delivery = "off"\n')
    exec(record, {})  # noqa: S102 - of this repository
    export(multitrack.open_journal().runs(), "runs-data")
    found: dict[str, Any] = {"files": lambda table: files_of(Path("runs-data").absolute(), table)}
    exec(example, found)  # noqa: S102 - of this repository
    assert found["best"]["last"] == 0.92
