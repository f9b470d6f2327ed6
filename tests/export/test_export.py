"""What a second export writes, which runs are which, and what readers see meanwhile."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import multitrack
from exported_runs import PROJECTS, compared, files_of, plain, record_odd_runs
from multitrack.cli import main
from multitrack.compaction.runs import compact_runs
from multitrack.dataset.manifest import State
from multitrack.errors import ExportError
from multitrack.export import Exported, export, files
from multitrack.journal.manifest import Compaction
from multitrack.records import Compacted
from multitrack.tables import merging, parquet


def config(journal: Path, **more: object) -> dict[str, object]:
    return {"journal": str(journal), "delivery": "off", **more}


def exported(journal: Path | list[Path], data: Path, **options: Any) -> Exported:
    return export(multitrack.open_journal(journal).runs(), data, **options)


def rows(data: Path, table: str) -> list[dict[str, Any]]:
    return [row for file in files_of(data, table) for row in pq.read_table(file).to_pylist()]


def values(data: Path, run: str, name: str) -> list[tuple[int, float]]:
    found = [row for row in rows(data, "points") if (row["run"], row["name"]) == (run, name)]
    return [(row["step"], row["value"]) for row in sorted(found, key=lambda row: row["ordinal"])]


def all_files(data: Path) -> set[str]:
    return {path.relative_to(data).as_posix() for path in data.rglob("*.parquet")}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "gpu1" / ".multitrack"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_an_unchanged_journal_writes_nothing(journal: Path, data: Path) -> None:
    record_odd_runs(journal)
    first = exported(journal, data)
    assert (first.new, first.changed, first.unchanged) == (10, 0, 0)
    before = (data / "dataset.json").read_bytes(), all_files(data)
    second = exported(journal, data)
    assert (second.new, second.changed, second.unchanged, second.rows) == (0, 0, 10, 0)
    assert ((data / "dataset.json").read_bytes(), all_files(data)) == before


def test_a_run_that_goes_on_writes_only_what_is_new(journal: Path, data: Path) -> None:
    with multitrack.start_run("p", "done", config=config(journal), run_id="done") as run:
        run.log_metric("loss", 0.5, step=0)
    run = multitrack.start_run("p", "live", config=config(journal), run_id="live", params={"lr": 1})
    for step in range(100):
        run.log_metric("loss", step, step=step)
    run.log_list_metric("l", [1, 2])
    run.log_lines("one")
    assert exported(journal, data).new == 2
    first = set(files_of(data, "points"))
    assert [row["status"] for row in rows(data, "runs") if row["run"] == "live"] == ["running"]
    run.log_metric("loss", 100, step=100)
    run.log_list_metric("l", [3])
    run.log_lines("two")
    run.set_tags({"stage": "prod"})
    run.end()
    second = exported(journal, data)
    assert (second.new, second.changed, second.unchanged) == (0, 1, 1)
    (added,) = set(files_of(data, "points")) - first
    assert first < set(files_of(data, "points"))
    assert pq.read_table(added).num_rows == 2  # the point and the number, not the hundred before
    assert values(data, "live", "loss") == [(step, step) for step in range(101)]
    assert values(data, "live", "l") == [(0, 1), (1, 2), (2, 3)]
    assert sorted((row["line"], row["text"]) for row in rows(data, "lines")) == [(0, "one"), (1, "two")]
    assert sorted((row["run"], row["status"]) for row in rows(data, "runs")) == [
        ("done", "finished"),
        ("live", "finished"),
    ]
    assert [(row["run"], row["text"]) for row in rows(data, "tags")] == [("live", "prod")]


def test_a_resumed_run_replaces_its_state(journal: Path, data: Path) -> None:
    for i in range(3):
        with multitrack.start_run("p", config=config(journal), run_id=f"r{i}", params={"lr": i}) as run:
            run.log_metric("accuracy", i)
    exported(journal, data)
    with multitrack.start_run("p", config=config(journal), run_id="r1", params={"more": True}) as run:
        run.log_metric("accuracy", 10)
    assert exported(journal, data).changed == 1
    assert sorted((row["run"], row["last"]) for row in rows(data, "metrics")) == [("r0", 0), ("r1", 10), ("r2", 2)]
    assert [row["value"] for row in rows(data, "points") if row["run"] == "r1"] == [1, 10]
    assert sorted((row["run"], row["name"]) for row in rows(data, "params")) == [
        ("r0", "lr"), ("r1", "lr"), ("r1", "more"), ("r2", "lr"),
    ]  # fmt: skip


def test_what_compaction_left_and_what_it_removed(journal: Path, data: Path) -> None:
    """Exported before and after, the removed points go, and figures of windows come."""
    settings = config(journal, compact_after="1s")
    with multitrack.start_run("p", deployment="eu", config=settings, run_id="served") as run:
        for i in range(500):
            run.log_metric("score", i % 7)
        run.log_metric("loss", 1, step=0)
    with multitrack.start_run("p", config=settings, run_id="served") as run:
        run.log_metric("score", 3)
    exported(journal, data)
    assert len([row for row in rows(data, "points") if row["name"] == "score"]) == 501
    assert rows(data, "compacted") == []
    list(compact_runs([journal / "runs" / "served"], Compaction(0, ["metrics"])))
    assert exported(journal, data).changed == 1
    left = [
        record for record in multitrack.open_journal(journal).run("served").records() if isinstance(record, Compacted)
    ]
    removed = sum(record.records for record in left)
    assert removed > 400
    windows = [row for row in rows(data, "compacted") if row["name"] == "score"]
    assert sum(row["count"] for row in windows) == sum(
        record.metrics["score"].count for record in left if record.metrics
    )
    assert sum(row["records"] for row in rows(data, "compacted")) == removed
    points = [row["value"] for row in rows(data, "points") if row["name"] == "score"]
    assert len(points) + sum(row["count"] for row in windows) == 501
    assert sum(points) + sum(row["sum"] for row in windows) == sum(i % 7 for i in range(500)) + 3
    (row,) = rows(data, "runs")
    assert (row["compacted"], row["records"]) == (removed, 503)
    assert row["compacted_until"] is not None
    assert values(data, "served", "loss") == [(0, 1)]


def test_equal_ids_and_copies(tmp_path: Path, data: Path) -> None:
    """As in a list of several journals; also if the journals come one after the other."""
    journals = [tmp_path / machine / ".multitrack" for machine in ("gpu1", "gpu2", "gpu3")]
    for i, place in enumerate(journals[:2]):
        with multitrack.start_run("p", config=config(place), run_id="base", params={"at": i}) as run:
            run.log_metric("loss", i, step=0)
            with multitrack.start_run("p", config=config(place), run_id="child", parent=run):
                pass
    shutil.copytree(journals[0], journals[2])
    exported(journals, data)
    told = {(row["run"], row["journal"], row["id"], row["parent"]) for row in rows(data, "runs")}
    assert told == {
        ("gpu1:base", "gpu1", "base", None), ("gpu1:child", "gpu1", "child", "gpu1:base"),
        ("gpu2:base", "gpu2", "base", None), ("gpu2:child", "gpu2", "child", "gpu2:base"),
    }  # fmt: skip
    assert exported(journals[2], data).new == 0
    other = tmp_path / "other"
    for place in journals:
        exported(place, other)
    told = {(row["run"], row["journal"], row["id"], row["parent"]) for row in rows(other, "runs")}
    assert told == {
        ("base", "gpu1", "base", None), ("child", "gpu1", "child", "base"),
        ("gpu2:base", "gpu2", "base", None), ("gpu2:child", "gpu2", "child", "gpu2:base"),
    }  # fmt: skip
    assert {row["run"]: row["text"] for row in rows(other, "params")} == {"base": "0", "gpu2:base": "1"}


def test_copies_of_different_lengths(tmp_path: Path, data: Path) -> None:
    """An older copy takes nothing away; copies that went on differently are different runs."""
    one, other = tmp_path / "one", tmp_path / "other"

    def resume(journal: Path, step: int) -> None:
        with multitrack.start_run("p", config=config(journal), run_id="r") as run:
            run.log_metric("loss", step, step=step)

    resume(one, 0)
    shutil.copytree(one, other)
    resume(one, 1)
    assert exported(one, data).new == 1
    found = exported(other, data)
    assert (found.new, found.changed, found.unchanged) == (0, 0, 1)
    assert values(data, "r", "loss") == [(0, 0), (1, 1)]
    resume(other, 2)
    assert exported(other, data).new == 1
    assert values(data, "r", "loss") == [(0, 0), (1, 1)]
    assert values(data, "other:r", "loss") == [(0, 0), (2, 2)]
    both = tmp_path / "both"
    assert exported([one, other], both).new == 2
    assert values(both, "one:r", "loss") == [(0, 0), (1, 1)]
    assert values(both, "other:r", "loss") == [(0, 0), (2, 2)]
    assert exported([one, other], both).unchanged == 2


def test_prune_spares_runs_that_cannot_be_read(journal: Path, data: Path) -> None:
    for i in range(2):
        with multitrack.start_run("p", config=config(journal), run_id=f"r{i}"):
            pass
    exported(journal, data)
    for file in ("manifest.json", "000001.jsonl"):
        (journal / "runs" / "r1" / file).write_text("{")
    result = CliRunner().invoke(main, ["export", str(data), "--journal", str(journal), "--prune"])
    assert result.exit_code == 1
    assert "--prune would remove runs that cannot be read now: r1" in result.stderr
    assert {row["run"] for row in rows(data, "runs")} == {"r0", "r1"}


@pytest.mark.parametrize("prune", [False, True])
def test_a_filter_that_no_run_matches(prune: bool, journal: Path, data: Path) -> None:
    """It may be a typo: nothing is removed."""
    for i in range(2):
        with multitrack.start_run("p", config=config(journal), run_id=f"r{i}", params={"lr": i}):
            pass
    command = ["export", str(data), "--journal", str(journal)]
    assert "2 runs; 2 new" in CliRunner().invoke(main, command).stdout
    options = ["--where", "params.ls = 1", *(["--prune"] if prune else [])]
    result = CliRunner().invoke(main, [*command, *options])
    assert result.exit_code == prune
    assert f"no runs match (2 in {journal})" in result.stderr
    assert "no run has params.ls; there are params.lr" in result.stderr
    assert ("--prune would remove all runs of" in result.stderr) == prune
    assert {row["run"] for row in rows(data, "runs")} == {"r0", "r1"}
    shutil.rmtree(journal / "runs" / "r0")
    assert "1 run; 0 new, 0 changed, 1 unchanged, 1 removed" in CliRunner().invoke(main, [*command, "--prune"]).stdout


KILLED = """
import os, sys, multitrack
parent = multitrack.start_run("p", config={"journal": sys.argv[1], "delivery": "off"}, run_id="parent")
child = multitrack.start_run("p", config={"journal": sys.argv[1], "delivery": "off"}, run_id="child", parent=parent)
print("open", flush=True)
sys.stdin.read(1)
os.kill(os.getpid(), 9)
"""


def test_runs_that_are_killed(journal: Path, data: Path) -> None:
    """Their files do not change then; and a killed parent ends with its last child."""
    command = [sys.executable, "-c", KILLED, str(journal)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "open\n"
        exported(journal, data)
        assert {(row["run"], row["status"], row["ended"]) for row in rows(data, "runs")} == {
            ("parent", "running", None), ("child", "running", None),
        }  # fmt: skip
        process.stdin.write("x")
        process.stdin.flush()
        process.wait()
    assert exported(journal, data).changed == 2
    killed = {row["run"]: row for row in rows(data, "runs")}
    assert {row["status"] for row in killed.values()} == {"killed"}
    with multitrack.start_run("p", config=config(journal), run_id="child"):
        pass
    assert exported(journal, data).changed == 2
    assert {row["run"]: row["status"] for row in rows(data, "runs")} == {"parent": "killed", "child": "finished"}
    (ended,) = {row["ended"] for row in rows(data, "runs")}
    assert ended > killed["parent"]["ended"]
    assert exported(journal, data).changed == 0


def test_files_are_merged(journal: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "FEWEST", 3)
    for i in range(10):
        with multitrack.start_run("p", config=config(journal), run_id=f"r{i}", params={"lr": i}) as run:
            run.log_metric("loss", i, step=0)
        exported(journal, data, keep=0)
        assert len(files_of(data, "points")) <= 4
    assert sorted(row["run"] for row in rows(data, "points")) == [f"r{i}" for i in range(10)]
    assert len(rows(data, "runs")) == 10
    named = {file for table in ("runs", "points", "params") for file in files_of(data, table)}
    assert {str(data / file) for file in all_files(data) if file.split("/")[0] in ("runs", "points", "params")} == named


def test_files_that_were_replaced_stay_for_readers_that_began_before(journal: Path, data: Path) -> None:
    def record(**params: object) -> None:
        with multitrack.start_run("p", config=config(journal), run_id="r", params=params):
            pass

    record(a=1)
    exported(journal, data)
    before = files_of(data, "params")
    record(b=2)
    exported(journal, data)
    assert files_of(data, "params") != before
    assert [row["name"] for file in before for row in pq.read_table(file).to_pylist()] == ["a"]
    record(c=3)
    exported(journal, data, keep=0)
    assert not any(Path(file).exists() for file in before)
    assert len(list((data / "_state").iterdir())) == 1


def test_large_tables_are_split(journal: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "LARGEST", 10_000)
    monkeypatch.setattr(parquet, "ROWS_A_GROUP", 500)
    monkeypatch.setattr(files, "_ROWS_AT_ONCE", 500)
    for i in range(3):
        with multitrack.start_run("p", config=config(journal), run_id=f"r{i}") as run:
            run.log_list_metric("l", [j * 1.234567 + i for j in range(2_000)])
    exported(journal, data)
    assert len(files_of(data, "points")) > 2
    for run_id in ("r0", "r1"):  # whose rows are in several files
        with multitrack.start_run("p", config=config(journal), run_id=run_id) as run:
            run.log_list_metric("l", [0.5])
    exported(journal, data, keep=0)
    assert [len(values(data, f"r{i}", "l")) for i in range(3)] == [2_001, 2_001, 2_000]


def test_a_run_that_cannot_be_read_is_named(
    journal: Path, data: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are exported, and what an earlier export has of it stays."""
    for i in range(2):
        with multitrack.start_run("p", config=config(journal), run_id=f"r{i}") as run:
            run.log_metric("loss", i, step=0)
    exported(journal, data)
    for i in range(2):
        with multitrack.start_run("p", config=config(journal), run_id=f"r{i}") as run:
            run.log_metric("loss", i, step=1)
    opened = Path.open

    def refused(path: Path, *arguments: Any, **options: Any) -> Any:
        if path == journal.absolute() / "runs" / "r0" / "000002.jsonl":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    runs = list(multitrack.open_journal(journal).runs())
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refused)
        found = export(runs, data, prune=True)
    assert (found.changed, found.removed) == (1, 0)
    assert "000002.jsonl: [Errno 13] Permission denied" in caplog.text
    assert len(values(data, "r0", "loss")) == 1
    assert len(values(data, "r1", "loss")) == 2
    assert exported(journal, data).changed == 1
    assert len(values(data, "r0", "loss")) == 2


def test_a_reader_sees_the_export_before_or_the_whole_new_one(journal: Path, data: Path) -> None:
    """At each step of an export: what `dataset.json` names is there, and belongs together."""
    from multitrack.dataset import stores

    record_odd_runs(journal)
    with multitrack.start_run("digits", config=config(journal), run_id="resumed", params={"lr": 1}):
        pass
    exported(journal, data)
    began = (data / "dataset.json").open()
    before = (data / "dataset.json").read_text()
    for run_id in ("later", "resumed"):
        with multitrack.start_run("digits", config=config(journal), run_id=run_id, params={"more": 1}) as run:
            run.log_metric("loss", 1, step=0)
    seen = []

    def look() -> None:
        runs = {row["run"] for row in rows(data, "runs")}
        assert {row["run"] for row in rows(data, "points")} <= runs
        seen.append(("later" in runs, len(runs), len(rows(data, "params"))))

    create, commit, delete = stores.LocalStore.create, stores.LocalStore.commit, stores.LocalStore.delete

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            look()
            return call(*arguments)

        return step

    with (
        mock.patch.object(stores.LocalStore, "create", watched(create)),
        mock.patch.object(stores.LocalStore, "commit", watched(commit)),
        mock.patch.object(stores.LocalStore, "delete", watched(delete)),
    ):
        exported(journal, data, keep=0)
    look()
    assert len(seen) > 6
    assert len(set(seen)) == 2
    assert seen == sorted(seen)
    with began:
        assert began.read() == before, "who has opened the file reads it whole"


def test_a_failed_export_changes_nothing(journal: Path, data: Path) -> None:
    record_odd_runs(journal)
    exported(journal, data)
    before = (data / "dataset.json").read_bytes(), all_files(data)
    with multitrack.start_run("digits", config=config(journal), params={"lr": 1}) as run:
        run.log_metric("loss", 1, step=0)

    def full(*_: object) -> Iterator[None]:
        raise OSError(28, "No space left on device")

    from multitrack.dataset import stores

    with mock.patch.object(stores.LocalStore, "commit", full), pytest.raises(OSError, match="No space"):
        exported(journal, data)
    assert ((data / "dataset.json").read_bytes(), all_files(data)) == before
    assert exported(journal, data).new == 1


def test_two_exports_at_once(tmp_path: Path, data: Path) -> None:
    """In threads here, and in processes in the test of kills: the lock is one of open files."""
    journals = [tmp_path / f"gpu{i}" for i in range(4)]
    for i, place in enumerate(journals):
        with multitrack.start_run(f"p{i % 2}", config=config(place), run_id=f"r{i}") as run:
            run.log_metric("loss", i, step=0)
    failed = []

    def work(place: Path) -> None:
        try:
            exported(place, data)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(place,)) for place in journals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted((row["run"], row["value"]) for row in rows(data, "points")) == [(f"r{i}", i) for i in range(4)]
    assert json.loads((data / "dataset.json").read_text())["generation"] == 4


def test_runs_that_are_gone_stay(journal: Path, data: Path) -> None:
    for i in range(2):
        with multitrack.start_run("p", config=config(journal), run_id=f"r{i}"):
            pass
    exported(journal, data)
    shutil.rmtree(journal / "runs" / "r0")
    with multitrack.start_run("p", config=config(journal), run_id="r2"):
        pass
    assert exported(journal, data).runs == 3
    assert {row["run"] for row in rows(data, "runs")} == {"r0", "r1", "r2"}


def test_only_chosen_runs(journal: Path, data: Path) -> None:
    record_odd_runs(journal)
    result = CliRunner().invoke(
        main, ["export", str(data), "--journal", str(journal), "--project", "ü ☃ 日本", "--json"]
    )
    assert (result.exit_code, json.loads(result.stdout)["new"]) == (0, 1), result.output
    assert {row["project"] for row in rows(data, "points")} == {"ü ☃ 日本"}
    result = CliRunner().invoke(main, ["export", str(data), "--journal", str(journal)])
    assert "10 runs; 9 new, 0 changed, 1 unchanged" in result.stdout
    assert {row["project"] for row in rows(data, "runs")} == set(PROJECTS)


def test_what_is_refused(journal: Path, data: Path, tmp_path: Path) -> None:
    with multitrack.start_run("p", config=config(journal), run_id="r"):
        pass
    with pytest.raises(ExportError, match="is a journal, with run r: choose another directory"):
        exported(journal, journal)
    for location in ("", " "):
        with pytest.raises(ExportError, match="the location is empty: name a directory or a URL"):
            export([], location)
    with pytest.raises(ExportError, match=r"s3:/bucket/x is no URL: two slashes follow the colon"):
        export([], "s3:/bucket/x")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "multitrack-archive.json").write_text('{"version": 1}')
    with pytest.raises(ExportError, match="is an archive of `multitrack push`: choose another place"):
        exported(journal, tmp_path / "archive")
    exported(journal, data)
    with pytest.raises(ExportError, match="has parquet files: give --format parquet"):
        exported(journal, data, storage="delta")
    told = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps({**told, "version": 99}))
    with pytest.raises(ExportError, match="tables of version 99; this release of multitrack reads version 1: update"):
        exported(journal, data)
    (data / "dataset.json").write_text("{")
    with pytest.raises(ExportError, match=r"cannot read dataset\.json in"):
        exported(journal, data)
    result = CliRunner().invoke(main, ["export", str(tmp_path / "x"), "--journal", str(journal), "--keep", "soon"])
    assert (result.exit_code, "'soon' is not a duration" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("keep", "exit_code"), [("0", 0), ("5", 0), ("1.5", 0), (".", 2), ("-1", 2), ("nan", 2), ("", 2)]
)
def test_a_number_as_the_time_to_keep_is_seconds(keep: str, exit_code: int, journal: Path, data: Path) -> None:
    with multitrack.start_run("p", config=config(journal), run_id="r"):
        pass
    result = CliRunner().invoke(main, ["export", str(data), "--journal", str(journal), "--keep", keep])
    assert result.exit_code == exit_code, result.output


def test_the_state_is_what_the_tables_have(journal: Path, data: Path) -> None:
    record_odd_runs(journal)
    exported(journal, data)
    told = json.loads((data / "dataset.json").read_text())
    state = msgspec.msgpack.decode((data / told["state"]).read_bytes(), type=State)
    names = {known.number: known.run for known in state.runs}
    assert sorted(names.values()) == sorted(row["run"] for row in rows(data, "runs"))
    assert len(state.files) > 20
    for file in state.files:
        table = pq.read_table(data / file.path)
        assert (len(table), (data / file.path).stat().st_size) == (file.rows, file.size)
        assert {names[number] for number in file.runs} == set(table["run"].to_pylist())
        assert set(table["project"].to_pylist()) == {file.project}
    assert plain(compared(journal))  # and the journal was not touched
