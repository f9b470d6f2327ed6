"""The grid of nine trainings: its table, its report, and the pictures that docs/reading.md shows of it."""

import re
import struct
from pathlib import Path

import pytest

import multitrack
from browser import chromium
from pictures import PICTURES, ROOT, run_example, take

pytestmark = pytest.mark.slow


def test_the_grid_ends_with_its_table_and_report_and_the_docs_show_it(tmp_path: Path) -> None:
    out = tmp_path / "digits-grid"
    printed = run_example(out, epochs=2)
    runs = {run.manifest.name: run for run in multitrack.open_journal(out / ".multitrack").runs()}
    trials = {name: run for name, run in runs.items() if name != "grid"}
    assert {(run.get_params()["learning_rate"], run.get_params()["batch_size"]) for run in trials.values()} == {
        (rate, size) for rate in (0.01, 0.001, 0.0001) for size in (32, 64, 128)
    }
    last = {run.id: run.get_metrics("val_accuracy")["val_accuracy"][-1].value for run in trials.values()}
    shown = [line.split()[0] for line in printed.splitlines() if line.split()[:1] and line.split()[0] in last]
    assert [last[run] for run in shown] == sorted(last.values(), reverse=True)
    assert len(shown) == 9
    assert re.search(r"report\.html: 10 runs, \d\.\d MB", printed)

    taken = tmp_path / "pictures"
    taken.mkdir()
    with chromium(tmp_path / "chromium") as page:
        page.open((out / "report.html").as_uri())
        page.click('[data-key="sort metrics.val_accuracy"]')
        assert [last[run.id] for name in page.rows()[:9] for run in [runs[name]]] == sorted(last.values(), reverse=True)
        take(page, out, taken)
        assert page.troubles() == []
    assert {path.name: size_of(path) for path in taken.iterdir()} == {
        path.name: size_of(path) for path in PICTURES.iterdir()
    }, "run: python tests/pages/pictures.py"
    text = (ROOT / "docs" / "reading.md").read_text()
    for path in PICTURES.iterdir():
        assert f"](pictures/{path.name})" in text
        assert path.stat().st_size < 150_000


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return width, height
