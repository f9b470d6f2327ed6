"""Runs of every source in one journal: one table, one page, one best run."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import fidelity
from multitrack.cli import main
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source
from segment_times import assert_times_rise

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_a_mixture_of_all_sources_is_one_table(tmp_path: Path) -> None:
    journal, expected = tmp_path / "journal", {}
    for name, write in fidelity.SOURCES.items():
        (tmp_path / name).mkdir()
        source = open_source(str(write(tmp_path / name)))
        for done in import_runs(source, journal):
            assert isinstance(done, Imported)
            assert done.outcome == "new"
            assert done.id not in expected
            expected[done.id] = source.tracker
    assert set(expected.values()) == {
        "mlflow", "wandb", "neptune", "tensorboard", "trackio", "keras-tuner", "csv",
    }  # fmt: skip
    assert_times_rise(journal)

    def call(*words: str) -> str:
        done = CliRunner().invoke(main, [*words, "--journal", str(journal)])
        assert done.exit_code == 0, done.output
        return done.stdout

    rows = list(
        csv.DictReader(io.StringIO(call("compare", "--columns", "run,tracker,params.lr,metrics.loss:min", "--csv")))
    )
    assert {row["run"]: row["tracker"] for row in rows} == expected
    assert len({row["tracker"] for row in rows if row["metrics.loss:min"]}) >= 5
    call("report", "--output", str(tmp_path / "report.html"))
    block = re.search(r'id="data">(.*?)</script>', (tmp_path / "report.html").read_text(), re.DOTALL)
    assert block is not None
    assert {run["id"] for run in json.loads(block[1])["runs"]} == expected.keys()
