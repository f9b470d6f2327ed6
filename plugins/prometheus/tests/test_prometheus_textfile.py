"""Files for node_exporter: whole at any moment, fresh while a courier lives, and not more and more of them."""

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from prometheus_reader import of_run, parsed, written
from prometheus_runs import delivered, start, training
from prometheus_server import node_exporter, prometheus, until

import multitrack
from multitrack_prometheus import backend, textfile


def options(tmp_path: Path, **more: object) -> dict[str, object]:
    return {"mode": "textfile", "directory": str(tmp_path / "node"), **more}


def test_node_exporter_and_prometheus_show_the_runs_of_two_trainings(tmp_path: Path) -> None:
    """Several files with the same families, and one run that has a label more than the other."""
    (tmp_path / "node").mkdir()
    other = start(tmp_path, options(tmp_path))
    other.log_metric("loss", 0.5, step=0)
    other.end()
    delivered(tmp_path, other)
    with (
        node_exporter(tmp_path / "exporter", tmp_path / "node") as port,
        prometheus(tmp_path / "prometheus", port) as server,
    ):
        with training(tmp_path, options(tmp_path, tags=["team"])):
            acc = 'multitrack_metric{run="nightly",metric="val/acc",tag_team="vision"}'
            first = until(lambda: server.query(acc), "metric")[0].value
            until(lambda: server.query(f"{acc} > {first}"), "later value")
        server.scrape()
        last = multitrack.open_journal(tmp_path / "journal").run("nightly").get_metrics("val/acc")["val/acc"][-1]
        assert [sample.value for sample in server.query(acc)] == [last.value]
        assert {s.labels["run"] for s in server.query("multitrack_run_info")} == {other.id, "nightly"}
        errors = server.query("node_textfile_scrape_error")
        assert [error.value for error in errors] == [0]


def test_a_file_is_whole_at_any_moment(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path))
    run.log_metrics({f"m{i}": 1.0 for i in range(50)}, step=0)
    delivered(tmp_path, run)
    (path,) = (tmp_path / "node").iterdir()
    lines, over = {path.read_bytes().count(b"\n")}, threading.Event()

    def read() -> None:
        while not over.is_set():
            parsed(path.read_bytes().decode())
            lines.add(path.read_bytes().count(b"\n"))

    reader = threading.Thread(target=read)
    reader.start()
    for step in range(20):
        run.log_metrics({f"m{i}": 1.0 for i in range(50)}, step=step)
        delivered(tmp_path, run)
    over.set()
    reader.join()
    assert len(lines) == 1, lines


def test_others_may_read_the_file(tmp_path: Path) -> None:
    """node_exporter is another user."""
    before = os.umask(0o022)
    try:
        run = start(tmp_path, options(tmp_path), params={"lr": 0.1})
        delivered(tmp_path, run)
    finally:
        os.umask(before)
    (path,) = (tmp_path / "node").iterdir()
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_file_is_refreshed_while_the_courier_lives(tmp_path: Path) -> None:
    """Records that wait for another backend change without any record of this one."""
    with training(tmp_path, options(tmp_path), others=["recording_backends:waiting"]):
        until(lambda: list((tmp_path / "node").glob("*.prom")), "file")
        until(lambda: pending(tmp_path) > 20, "pending records")
        (tmp_path / "enough").touch()
        until(lambda: b"run_end_timestamp_seconds{" in content(tmp_path), "end of the run")
        assert pending(tmp_path) > 20
        (tmp_path / "go").touch()
    until(lambda: pending(tmp_path) == 0, "delivery to the other backend in the file")


def test_a_file_that_is_written_with_a_delivery_counts_it(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path))
    for end in (False, True):
        run.log_metric("x", 1.0, step=0)
        if end:
            run.end()
        delivered(tmp_path, run)
        found = [s.value for s in parsed(content(tmp_path).decode()) if s.name == "multitrack_pending_records"]
        assert found == [0]


def test_a_file_is_refreshed_without_a_delivery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfile, "REFRESH", 0.05)
    run = start(tmp_path, options(tmp_path))
    run.log_metric("x", 1.0, step=0)
    delivered(tmp_path, run)
    run.log_metric("x", 2.0, step=1)  # nobody delivers it
    waiting = b'multitrack_pending_records{journal="%b",lane="prometheus",project="digits",run="%b"} 1.0'
    _, _, journal = run.backend_ids["prometheus"].partition("/")
    until(lambda: waiting % (journal.encode(), run.id.encode()) in content(tmp_path), "pending record in the file")
    run.end()


def content(tmp_path: Path) -> bytes:
    (path,) = (tmp_path / "node").glob("*.prom")
    return path.read_bytes()


def pending(tmp_path: Path) -> float:
    found = parsed(content(tmp_path).decode())
    return sum(s.value for s in found if s.name == "multitrack_pending_records" and s.labels["lane"] == "waiting")


def test_a_refresh_changes_nothing_that_another_courier_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfile, "REFRESH", 0.05)
    run = start(tmp_path, options(tmp_path))
    run.log_metric("x", 1.0, step=0)
    backend_id, _ = delivered(tmp_path, run)
    run.end()
    sync = "import multitrack; multitrack.sync('journal')"
    subprocess.run([sys.executable, "-c", sync], cwd=tmp_path, check=True, timeout=240)
    time.sleep(0.5)
    statuses = {labels.get("status") for _, labels, _ in of_run(written(tmp_path / "node"), backend_id)}
    assert statuses == {None, "finished"}


def test_old_files_make_room(tmp_path: Path) -> None:
    runs = []
    for _ in range(4):
        run = start(tmp_path, options(tmp_path, max_runs=2))
        run.end()
        runs.append(run)
        delivered(tmp_path, run)
    kept = {path.name.rpartition("-")[0] for path in (tmp_path / "node").iterdir()}
    assert kept == {f"multitrack-{run.id}" for run in runs[-2:]}


def test_files_that_a_courier_writes_are_left_and_dead_ones_are_not(tmp_path: Path) -> None:
    """Those of open runs make no room, unless nobody has written them for a minute."""
    first = start(tmp_path, options(tmp_path, max_runs=1), params={"lr": 0.1})
    delivered(tmp_path, first)
    backend.stop()  # its courier is gone
    second = start(tmp_path, options(tmp_path, max_runs=1))
    second.log_metric("x", 1.0)
    multitrack.sync(tmp_path / "journal", [second.id])
    (path,) = (tmp_path / "node").iterdir()
    assert first.id in path.name
    os.utime(path, (time.time() - 61, time.time() - 61))
    (tmp_path / "node" / ".multitrack-x-0.prom.1.2").touch()
    os.utime(tmp_path / "node" / ".multitrack-x-0.prom.1.2", (1, 1))
    foreign = tmp_path / "node" / "backup.prom"
    foreign.touch()
    os.utime(foreign, (1, 1))
    second.log_metric("x", 2.0)
    multitrack.sync(tmp_path / "journal", [second.id])
    assert {path.name.rpartition("-")[0] for path in (tmp_path / "node").iterdir()} == {
        f"multitrack-{second.id}", "",
    }  # fmt: skip
    assert foreign.exists()
    second.end()
    first.end()


def test_a_full_disk_stops_nothing(tmp_path: Path) -> None:
    """A limit on file size stands for the disk: it is retried, and nothing is set aside."""
    run = start(tmp_path, options(tmp_path), deployment="eu")
    run.log_metrics({f"m{i}": float(i) for i in range(90)}, step=0)
    run.log_metric("latency", 0.5)
    script = """
        import resource, signal, multitrack
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
        import threading
        threading.Timer(2.5, resource.setrlimit, (resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)).start()
        for report in multitrack.sync("journal").values():
            print(report)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "File too large" in done.stderr
    assert "3 delivered" in done.stdout, done
    assert "set aside" not in done.stdout
    (path,) = (tmp_path / "node").iterdir()
    found = parsed(path.read_bytes().decode())
    assert sum(s.name == "multitrack_metric" for s in found) == 91
    counts = [s.value for s in found if s.labels.get("kind") == "metric" or s.name == "multitrack_metric_values_count"]
    assert counts == [2, 1], "what was retried counts once"
    run.end()
