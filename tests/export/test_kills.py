"""``kill -9`` of an export at every step: readers see the data set as it was, or whole, and the next export completes it."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import multitrack
from exported_runs import files_of
from multitrack.dataset.schema import TABLES
from multitrack.export import export

SCRIPT = Path(__file__).parent / "killed_export.py"


def record(journal: Path, run_id: str, **params: object) -> None:
    config = {"journal": str(journal), "delivery": "off"}
    with multitrack.start_run("p", run_id=run_id, params=params, config=config) as run:
        run.log_metric("loss", len(params), step=0)
        run.log_lines("a line")


def contents(data: Path) -> dict[str, list[str]]:
    """Every row of every table, without what differs from export to export: the files' names and order."""
    return {
        table.name: sorted(repr(row) for file in files_of(data, table.name) for row in pq.read_table(file).to_pylist())
        for table in TABLES
    }


class Exports:
    """A data set of one export, and a journal in which a run is new and one has changed since."""

    def __init__(self, base: Path) -> None:
        self.journal, self.data, self._first = base / "journal", base / "data", base / "first"
        record(self.journal, "r0", a=1)
        record(self.journal, "r1", a=1)
        export(multitrack.open_journal(self.journal).runs(), self._first)
        record(self.journal, "r1", b=2)
        record(self.journal, "r2", c=3)
        self.before = contents(self._first)
        shutil.copytree(self._first, self.data)
        export(multitrack.open_journal(self.journal).runs(), self.data, keep=0)
        self.after = contents(self.data)
        assert self.before != self.after

    def begin(self) -> None:
        shutil.rmtree(self.data)
        shutil.copytree(self._first, self.data)

    def run(self, step: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPT), str(self.journal), str(self.data), str(step)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def check(self) -> bool:
        """Look at what a killed export left, then complete it; return whether it was visible already."""
        left = contents(self.data)
        assert left in (self.before, self.after)
        export(multitrack.open_journal(self.journal).runs(), self.data, keep=0)
        assert contents(self.data) == self.after
        named = {file for table in TABLES for file in files_of(self.data, table.name)}
        assert {str(file) for file in self.data.rglob("*.parquet") if file.name != "-empty.parquet"} <= named
        assert len(list((self.data / "_state").iterdir())) == 1
        return left == self.after


@pytest.mark.slow
@pytest.mark.long("some")
@pytest.mark.parametrize("every", [pytest.param(11, id="some"), pytest.param(1, id="all")])
def test_kills_at_every_step(every: int, tmp_path: Path) -> None:
    exports = Exports(tmp_path)
    exports.begin()
    done = exports.run(0)
    assert (done.returncode, done.stderr) == (0, "")
    steps = int(done.stdout)
    assert steps > 30
    visible = []
    for step in range(1, steps + 1, every):
        exports.begin()
        done = exports.run(step)
        assert done.returncode == -signal.SIGKILL, (step, done.stderr)
        visible.append(exports.check())
    assert set(visible) == {False, True}
    assert visible == sorted(visible)


@pytest.mark.slow
@pytest.mark.long
def test_kills_at_random_moments(tmp_path: Path) -> None:
    """Of exports that go on one after the other, two at a time."""
    exports = Exports(tmp_path)
    numbers, killed = random.Random(1), 0
    for _ in range(40):
        exports.begin()
        command = [sys.executable, str(SCRIPT), str(exports.journal), str(exports.data), "0"]
        both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
        for process in both:
            try:
                process.wait(numbers.uniform(0.3, 0.9))
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
        for process in both:
            process.wait()
        exports.check()
    assert killed > 5
