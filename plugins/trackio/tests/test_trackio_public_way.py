"""Writing with Trackio's public functions: each row once, whoever is killed."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from trackio_reader import reader

from multitrack.errors import RetryableError
from multitrack_trackio import public_way
from multitrack_trackio.public_way import ROW, PublicWriter
from multitrack_trackio.rows import LogRow

pytestmark = pytest.mark.slow
ROWS = 2000
_WRITE = f"""
import sys
from pathlib import Path
from multitrack_trackio.public_way import PublicWriter
from multitrack_trackio.rows import LogRow
place = Path(sys.argv[1])
writer = PublicWriter(place / "trackio", "digits", "id-1", "ours", place / "lane", 0)
writer.open()
writer.write([LogRow(str(i), i, i, {{"loss": 0.5}}) for i in range({ROWS})], {{"lr": 0.1}})
"""


def writer_in(place: Path) -> PublicWriter:
    (place / "lane").mkdir(exist_ok=True)
    return PublicWriter(place / "trackio", "digits", "id-1", "ours", place / "lane", 0)


def ids(place: Path) -> list[str]:
    (run,) = reader().runs(place / "trackio", "digits")
    return [row[ROW] for row in run["logs"] if ROW in row]


def test_a_row_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    rows = [LogRow(str(i), i, i, {"loss": 0.5}) for i in range(5)]
    for some in (rows[:3], rows, rows):
        writer = writer_in(tmp_path)
        writer.open()
        writer.write(some, {"lr": 0.1, "_Group": "search"})
    assert sorted(ids(tmp_path)) == ["0", "1", "2", "3", "4", "start"]
    (run,) = reader().runs(tmp_path / "trackio", "digits")
    assert run["config"]["lr"] == 0.1
    assert writer_in(tmp_path).open().config["lr"] == 0.1


def test_a_later_config_replaces_the_earlier_one(tmp_path: Path) -> None:
    writer = writer_in(tmp_path)
    writer.open()
    for stage in ("draft", "final"):
        writer.write([], {"tags/stage": stage})
    (run,) = reader().runs(tmp_path / "trackio", "digits")
    assert run["config"]["tags/stage"] == "final"


def test_after_a_kill_the_next_courier_waits_for_the_process_that_still_writes(tmp_path: Path) -> None:
    writer = writer_in(tmp_path)
    courier = subprocess.Popen([sys.executable, "-c", _WRITE, str(tmp_path)])
    fd = os.open(tmp_path / "lane" / "trackio.lock", os.O_RDWR | os.O_CREAT)
    while not list(_children(courier.pid)):
        time.sleep(0.01)
    courier.send_signal(signal.SIGKILL)
    courier.wait()
    with pytest.raises(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)
    writer.open()
    writer.write([LogRow(str(i), i, i, {"loss": 0.5}) for i in range(ROWS)], {"lr": 0.1})
    found = ids(tmp_path)
    assert len(found) == len(set(found)) == ROWS + 1


def _children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def test_another_process_that_writes_for_long_is_waited_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_way, "_PATIENCE", 0.3)
    writer = writer_in(tmp_path)
    with (tmp_path / "lane" / "trackio.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RetryableError, match="still writes"):
            writer.open()
    writer.open()


def test_rows_that_do_not_arrive_are_not_taken_for_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    writer = writer_in(tmp_path)
    writer.open()
    with pytest.raises(RetryableError, match="1 of 1 rows"):
        writer.write([LogRow("0", 0, 0, {"loss": 0.5})], None)
