"""Whole and once: kills with a reader in between, merged parts, full disks, and the imports of each process."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest
from files_reader import csv_rows, parquet_rows, read_run
from files_runs import name_of, part_files, start, sync, tables
from pyarrow import parquet

import multitrack
from multitrack.delivery.lane import Lane
from multitrack.errors import BackendNotInstalledError, ConfigError
from multitrack.journal.manifest import read_manifest
from multitrack.tables.schema import POINTS
from multitrack_files import backend, durable, parts

TRAINING = """
import time
from pathlib import Path
import multitrack

config = {"journal": "journal", "interval": 0.05, "files": {"directory": "tables"}}
run = multitrack.start_run(config=config, backends=["files"], project="kill", params={"lr": 0.1})
step = 0
while not Path("enough").exists():
    run.log_metric("loss", step * 0.5, step=step)
    run.log_lines(f"step {step}")
    print(step, flush=True)
    step += 1
    time.sleep(0.002)
run.end()
"""


def courier_of(journal: Path) -> int | None:
    """The pid of a living courier."""
    pids = [int(log.stem.partition("-")[2]) for log in journal.glob("courier-*.log")]
    return next((pid for pid in pids if Path(f"/proc/{pid}").exists()), None)


def steps_seen(tmp_path: Path) -> list[int] | None:
    """The steps that a reader sees now; None if a file was merged during its query."""
    try:
        with duckdb.connect() as database:
            points = database.read_parquet(str(tmp_path / "tables/points/**/*.parquet"))
            return [step for (step,) in points.order("ordinal").project("step").fetchall()]
    except duckdb.IOException:
        return None


def test_a_reader_sees_a_beginning_while_couriers_are_killed(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with (tmp_path / "steps").open("w") as steps:
        training = subprocess.Popen([sys.executable, "-c", TRAINING], cwd=tmp_path, stdout=steps)
    seen, killed, most, failed = 0, 0, 0, 0
    limit = time.monotonic() + 120
    try:
        while killed < 3 and time.monotonic() < limit and training.poll() is None:
            if not (tmp_path / "tables/points/empty.parquet").exists():
                time.sleep(0.01)
                continue
            found = steps_seen(tmp_path)
            if found is None:
                failed += 1
                continue
            assert found == list(range(len(found))), "a reader saw a gap or a row twice"
            seen += 1
            most = max(most, len(part_files(tmp_path)))
            if len(found) > 150 * (killed + 1) and (pid := courier_of(journal)) is not None:
                os.kill(pid, signal.SIGKILL)
                killed += 1
        (tmp_path / "enough").touch()
        training.wait(60)
    finally:
        training.kill()
        training.wait()
    assert killed == 3
    assert seen > 20
    assert failed <= seen
    acknowledged = int((tmp_path / "steps").read_text().splitlines()[-1]) + 1
    assert wait_for(lambda: multitrack.sync(journal) == {})
    (run,) = multitrack.open_journal(journal).runs()
    native = read_run(parquet_rows(tmp_path / "tables"), run.id)
    assert [(point.step, point.value) for point in native.series["loss"]] == [
        (step, step * 0.5) for step in range(acknowledged)
    ]
    assert native.lines == [f"step {step}" for step in range(acknowledged)]
    assert native.status == "finished"
    assert 3 <= most <= 16, "parts are merged while a run is open, a few at a time"
    assert len(part_files(tmp_path)) == 1


def wait_for(condition: Callable[[], Any]) -> Any:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("not in time")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_small_parts_become_one_at_the_end(tmp_path: Path, suffix: str) -> None:
    run = start(tmp_path, options={"format": suffix[1:]})
    for step in range(30):
        run.log_metric("loss", 1.0, step=step)
        run.log_lines(f"{step}")
        sync(tmp_path)
        assert len(part_files(tmp_path, suffix=suffix)) <= 12
    assert len(part_files(tmp_path, suffix=suffix)) > 1
    run.end()
    sync(tmp_path)
    assert len(part_files(tmp_path, suffix=suffix)) == len(part_files(tmp_path, "lines", suffix)) == 1
    rows = (parquet_rows if suffix == ".parquet" else csv_rows)(tmp_path / "tables")
    assert [row["step"] for row in rows(POINTS)] == list(range(30)), "rows are in order in the file itself"


def test_a_flush_writes_the_new_rows_in_the_order_of_the_calls(tmp_path: Path) -> None:
    """Hooks get metrics before lists, and in the same table; rows are not kept in memory after they were written."""
    run = start(tmp_path)
    assert run.directory is not None
    lane = Lane(run.directory, read_manifest(run.directory).backends[0], plugin=backend, notice=pytest.fail)
    for first in (0, 2):
        run.log_list_metric("list", [1.0, 2.0])
        run.log_metric("loss", 0.5, step=first)
        run.log_list_metric("list", 3.0)
        while lane.step() or not lane.idle:
            pass
    lane.release()
    rows = [parquet.read_table(path).to_pylist() for path in part_files(tmp_path)]
    assert [[(row["name"], row["step"]) for row in part] for part in rows] == [
        [("list", 0), ("list", 1), ("loss", 0), ("list", 2)], [("list", 3), ("list", 4), ("loss", 2), ("list", 5)],
    ]  # fmt: skip
    ordinals = [row["ordinal"] for part in rows for row in part]
    assert ordinals == sorted(ordinals)


def test_a_full_disk_delays_and_changes_nothing(tmp_path: Path) -> None:
    run = start(tmp_path)
    full = OSError(errno.ENOSPC, "No space left on device")
    written = 0

    def write(*arguments: Any) -> None:
        nonlocal written
        written += 1
        if written in {1, 3, 4}:  # in the first table, and after the first one was written
            raise full
        durable.write_durably(*arguments)

    for step in range(5):
        run.log_metric("loss", 1.0, step=step)
        run.log_lines(f"{step}")
    run.end()
    with mock.patch.object(parts, "write_durably", write):
        sync(tmp_path)
        report = run.flush()
    assert written > 4
    assert report.complete, report
    assert not report["files"].set_aside
    native = read_run(tables(tmp_path), name_of(run))
    assert [point.step for point in native.series["loss"]] == list(range(5))
    assert native.lines == [f"{step}" for step in range(5)]


def test_pyarrow_is_imported_in_the_courier_only_and_not_for_csv(tmp_path: Path) -> None:
    script = """
import sys
import multitrack

def imported():
    return sorted({"pyarrow", "numpy", "multitrack_files.recording"} & sys.modules.keys())

for format in ("csv", "parquet"):
    config = {"delivery": "off", "files": {"directory": format, "format": format}}
    with multitrack.start_run(config=config, backends=["files"]) as run:
        run.log_metric("loss", 0.5, step=0)
    print(format, "recorded", imported())
    assert multitrack.sync()[run.id].complete
    print(format, "delivered", imported())
"""
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=True
    ).stdout.splitlines()
    assert found == [
        "csv recorded []",
        "csv delivered ['multitrack_files.recording']",
        "parquet recorded ['multitrack_files.recording']",
        "parquet delivered ['multitrack_files.recording', 'numpy', 'pyarrow']",
    ]


def test_without_pyarrow_the_start_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multitrack.plugins.sdk._find", lambda module: (None, None))
    with pytest.raises(
        BackendNotInstalledError, match=r"'pyarrow', which is not installed: in a checkout, pip install"
    ):
        start(tmp_path)


@pytest.mark.parametrize("options", [{"format": "excel"}, {"folder": "x"}])
def test_a_wrong_option_is_an_error_at_the_start(tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        start(tmp_path, options=options)
