"""The index of a journal: the same results as without it, whatever happens to the runs and to its file."""

import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import multitrack
from many_runs import NoIndex, seen, write_run, write_runs
from multitrack.cli import main
from multitrack.compaction.runs import compact_runs
from multitrack.compare import compare
from multitrack.delivery.lane_state import LaneState, lane_file
from multitrack.journal import encoding
from multitrack.journal.atomic import write_json
from multitrack.journal.deletion import Deletion, delete, restore
from multitrack.journal.layout import runs_directory
from multitrack.journal.manifest import BackendEntry, Compaction, Manifest, read_manifest, write_manifest
from multitrack.journal.segments import segment_path
from multitrack.journal.writer import Writer
from multitrack.page import watched
from multitrack.page.collect import Collected
from multitrack.page.render import Options
from multitrack.reading.reader import JournalReader
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import End, Metric, Params, Segment
from multitrack.summaries import columns, run_index
from multitrack.summaries.cache import stamp_of
from multitrack.summaries.cached_runs import CachedRun
from multitrack.summaries.run_index import NAME, IndexUpdate, RunIndex
from three_runs import start

#: More than a tick of the file system's clock, after which a change is one.
TICK = 0.02


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing writes each run into the index that it may, also one alone and one that has just ended."""
    monkeypatch.setattr(run_index, "_FEW", 1)
    monkeypatch.setattr(run_index, "_SHARE", 10**9)
    monkeypatch.setattr(run_index, "SETTLED", -(10**12))


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> NoIndex:
    return NoIndex(monkeypatch)


def indexed(journal: Path) -> JournalReader:
    """A reader of a journal all of whose ended runs are in the index."""
    for run in multitrack.open_journal(journal).runs(deleted=True):
        run.summary()
    list(multitrack.open_journal(journal).runs(deleted=True))
    return multitrack.open_journal(journal)


def with_rows(reader: JournalReader) -> list[str]:
    return [run.id for run in reader.runs(deleted=True) if run.row is not None]


def ended(name: str = "run", **more: Any) -> RecordedRun:
    with start(name, **more) as run:
        run.log_metric("loss", 1.0, step=0)
    assert run.directory is not None
    return RecordedRun(run.directory)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), count=st.integers(0, 12), block=st.sampled_from([1, 3, 8192]))
def test_everything_is_the_same_with_and_without_it(seed: int, count: int, block: int) -> None:
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "ROWS", block)
        journal = Path(place)
        runs_directory(journal).mkdir()
        write_runs(journal, count, seed)
        reader = indexed(journal)
        expected = NoIndex(patch)(journal, seen)
        assert seen(reader) == expected
        ended = [run for run in reader.runs(deleted=True) if run.row is not None]
        closed = [
            run for run in reader.runs(deleted=True) if (parts := RecordedRun(run.directory).cached) and parts.closed
        ]
        assert len(ended) == len(closed), "the index was not looked at"
        write_runs(journal, 3, seed + 1, first=count)  # beside the blocks that are there
        indexed(journal)
        assert seen(reader) == NoIndex(patch)(journal, seen)


def test_several_journals_have_an_index_each(tmp_path: Path, no_index: NoIndex) -> None:
    for i, name in enumerate("ab"):
        write_runs(tmp_path / name, 8, i)
    shutil.copytree(tmp_path / "a" / "runs", tmp_path / "b" / "runs", dirs_exist_ok=True)

    def read(_: JournalReader) -> dict[str, str]:
        return seen(multitrack.open_journal([tmp_path / "a", tmp_path / "b"]))

    expected = no_index(tmp_path / "a", lambda _: no_index(tmp_path / "b", read))
    for name in "ab":
        indexed(tmp_path / name)
    assert any(run.row is not None for run in multitrack.open_journal([tmp_path / "a", tmp_path / "b"]).runs())
    assert read(multitrack.open_journal(tmp_path / "a")) == expected


class TestChanges:
    """Each is seen by a reader that was there before, by a new one, and by a run that was listed before."""

    @pytest.fixture
    def run(self) -> RecordedRun:
        run = ended(params={"lr": 0.1})
        ended("other")
        indexed(run.directory.parent.parent)
        time.sleep(TICK)
        return run

    @pytest.fixture
    def reader(self, run: RecordedRun) -> JournalReader:
        reader = multitrack.open_journal(run.directory.parent.parent)
        assert len(with_rows(reader)) == 2
        return reader

    def expect(self, reader: JournalReader, run: RecordedRun, column: str, *values: Any) -> None:
        for one in (reader, multitrack.open_journal(reader.directory)):
            listed = compare((each for each in one.runs() if each.id == run.id), [column])
            assert [row.cells.get(column) for row in listed.rows] == list(values)
            if values:
                assert [each.id for each in one.runs(where=f'{column} = "{values[0]}" and run = {run.id}')] == [run.id]

    def test_a_resumed_run(self, reader: JournalReader, run: RecordedRun) -> None:
        listed = [each for each in reader.runs() if each.id == run.id]
        again = start("run", run_id=run.id)
        again.log_metric("loss", 0.5, step=1)
        self.expect(reader, run, "status", "running")
        self.expect(reader, run, "metrics.loss:min", 0.5)
        assert compare(listed, ["status"]).rows[0].cells["status"] == "running"
        again.log_metric("loss", 0.25, step=2)  # in place, in the open segment
        self.expect(reader, run, "metrics.loss:min", 0.25)
        again.end("failed")
        self.expect(reader, run, "status", "failed")
        indexed(reader.directory)
        assert run.id in with_rows(reader)
        self.expect(reader, run, "status", "failed")
        self.expect(reader, run, "metrics.loss:count", 3)

    def test_a_run_that_is_gone(self, reader: JournalReader, run: RecordedRun) -> None:
        shutil.rmtree(run.directory)
        self.expect(reader, run, "status")
        assert reader.count() == 1

    def test_a_run_that_is_marked_as_deleted_and_restored(self, reader: JournalReader, run: RecordedRun) -> None:
        delete(run.directory, Deletion(1))
        self.expect(reader, run, "status")
        assert reader.count() == 1
        indexed(reader.directory)
        assert run.id in with_rows(reader)
        self.expect(reader, run, "status")
        assert reader.count() == 1
        time.sleep(TICK)
        restore(run.directory)
        self.expect(reader, run, "status", "finished")

    def test_another_manifest(self, reader: JournalReader, run: RecordedRun) -> None:
        manifest = read_manifest(run.directory)
        write_manifest(run.directory, Manifest(run.id, "digits", "renamed", manifest.created))
        self.expect(reader, run, "name", "renamed")

    def test_a_compacted_run(self, reader: JournalReader, run: RecordedRun) -> None:
        pytest.importorskip("ddsketch")
        again = start("run", run_id=run.id)
        for _ in range(50):
            again.log_metric("score", 0.5)
        again.end()
        indexed(reader.directory)
        (compacted,) = compact_runs([run.directory], Compaction(1e-9, ["metrics"]))
        assert compacted.records
        assert run.id not in with_rows(reader)
        self.expect(reader, run, "metrics.score", 0.5)

    @pytest.mark.parametrize("way", ["renamed", "copied", "linked"])
    def test_another_directory_in_its_place(self, reader: JournalReader, run: RecordedRun, way: str) -> None:
        """Also one of the same times, as ``rsync -a`` and ``tar`` make it."""
        before = run.directory.stat()
        copy = run.directory.parent.parent / "copy"
        shutil.copytree(run.directory, copy)
        path = segment_path(copy, 1)
        path.write_bytes(path.read_bytes().replace(b'"loss":1.0', b'"loss":0.7'))
        (copy / "summary.msgpack").unlink()
        shutil.rmtree(run.directory)
        if way == "renamed":
            copy.rename(run.directory)
        elif way == "copied":
            shutil.copytree(copy, run.directory)
        else:
            run.directory.symlink_to(copy)
        os.utime(run.directory, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert run.directory.stat().st_mtime_ns == before.st_mtime_ns
        self.expect(reader, run, "metrics.loss", 0.7)

    def test_a_parent_that_gets_another_name(self, reader: JournalReader, run: RecordedRun) -> None:
        with start("child", parent=run.id) as child:
            pass
        indexed(reader.directory)
        assert [each.id for each in reader.runs(where='parent = "run"')] == [child.id]
        manifest = read_manifest(run.directory)
        write_manifest(run.directory, Manifest(run.id, "digits", "renamed", manifest.created))
        assert [each.id for each in reader.runs(where='parent = "run"')] == []
        assert [each.id for each in reader.runs(where='parent = "renamed"')] == [child.id]


def test_the_list_of_runs_tells_their_delivery_as_it_is(tmp_path: Path, no_index: NoIndex) -> None:
    """The lanes of a run that is delivered are not read again until one of them changes."""

    def listed(_: Any = None) -> str:
        return CliRunner().invoke(main, ["runs", "--deleted", "--journal", str(tmp_path)]).stdout

    def save(place: int, name: str, **state: Any) -> None:
        write_json(lane_file(directories[place], name), LaneState(name, **state))

    directories = [write_run(tmp_path, i, random.Random(i), parent=None) for i in range(6)]
    for i, directory in enumerate(directories):
        backends = [BackendEntry(name, name) for name in ("one", "two")[: i % 3]]
        write_manifest(directory, msgspec.structs.replace(read_manifest(directory), backends=backends))
        (directory / "lanes").mkdir()
        for backend in backends:
            done = i != 5 or backend.name != "two"
            save(i, backend.name, delivered=100 * done, set_aside=i // 4, closed=done, linked=done, segment=1)
    expected = no_index(tmp_path, listed)
    assert "2 delivered" not in expected
    assert expected.count("delivered") > 2
    assert "pending" in expected or "open" in expected
    assert len(with_rows(indexed(tmp_path))) > 3
    time.sleep(TICK)
    assert listed() == expected
    for state in ({"delivered": 0}, {"delivered": 9, "set_aside": 3, "closed": True, "linked": True, "segment": 1}):
        for i, names in ((1, ["one"]), (2, ["one", "two"]), (4, ["one"]), (5, ["two"])):
            for name in names:
                save(i, name, **state)
        assert listed() == no_index(tmp_path, listed) != expected
        time.sleep(TICK)


def test_a_run_whose_writer_died_has_no_row_and_is_read_each_time(tmp_path: Path) -> None:
    """Where locks do not reach, it may be written by another host, in a file that is there already."""
    directory = runs_directory(tmp_path) / "dead"
    directory.mkdir(parents=True)
    write_manifest(directory, Manifest("dead", "p", "n", 1))
    path = segment_path(directory, 1)
    path.write_bytes(encoding.encode(Segment(time=1, segment=1, pid=1, host="h")))
    reader = indexed(tmp_path)
    assert with_rows(reader) == []
    with path.open("ab") as file:
        file.write(encoding.encode(Params(time=2, values={"lr": 1}, types={"lr": "int"})))
    (run,) = reader.runs()
    assert run.get("params.lr") == 1
    with path.open("ab") as file:
        file.write(encoding.encode(End(time=3, status="killed")))
    assert with_rows(indexed(tmp_path)) == ["dead"]


def test_a_run_that_has_just_changed_has_no_row_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another change in the same tick of the file system's clock would not be seen."""
    run = ended()
    monkeypatch.setattr(run_index, "SETTLED", 2_000_000_000)
    reader = indexed(run.directory.parent.parent)
    assert with_rows(reader) == []
    monkeypatch.setattr(run_index, "SETTLED", 1)
    time.sleep(TICK)
    assert with_rows(indexed(reader.directory)) == [run.id]


def test_a_run_that_changes_while_it_is_read_has_no_valid_row(monkeypatch: pytest.MonkeyPatch) -> None:
    run = ended()
    run.summary()

    def resumed(self: IndexUpdate, *given: Any, **named: Any) -> None:
        time.sleep(TICK)
        start("run", run_id=run.id).end("failed")
        add(self, *given, **named)

    add = IndexUpdate.add
    with monkeypatch.context() as patched:
        patched.setattr(IndexUpdate, "add", resumed)
        list(multitrack.open_journal().runs())
    assert (run.directory.parent.parent / NAME).exists()
    assert [each.id for each in multitrack.open_journal().runs(status="failed")] == [run.id]


class TestFile:
    """Whatever is wrong with the file, the runs are read as without it, and it is written again."""

    @pytest.fixture
    def journal(self, tmp_path: Path) -> Path:
        write_runs(tmp_path, 10, 3)
        indexed(tmp_path)
        return tmp_path

    @pytest.fixture
    def expected(self, journal: Path, no_index: NoIndex) -> Any:
        return no_index(journal, _table)

    def test_a_damaged_one(self, journal: Path, expected: Any) -> None:
        whole = (journal / NAME).read_bytes()
        chance = random.Random(0)
        contents = [
            b"",
            b"\x00" * 99,
            b"\x93\x01\x90\x80",
            whole + b"\x00",
            *(whole[:n] for n in range(0, len(whole), 97)),
        ]
        for _ in range(150):
            place = chance.randrange(len(whole))
            contents.append(whole[:place] + bytes([whole[place] ^ (1 << chance.randrange(8))]) + whole[place + 1 :])
        for content in contents:
            (journal / NAME).write_bytes(content)
            assert _table(multitrack.open_journal(journal)) == expected
        (journal / NAME).write_bytes(b"damaged")
        list(multitrack.open_journal(journal).runs())
        assert with_rows(multitrack.open_journal(journal))

    def test_one_of_another_version(self, journal: Path, expected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = RunIndex(journal).count
        assert rows
        monkeypatch.setattr(run_index, "VERSION", (*run_index.VERSION[:2], "middle"))
        assert RunIndex(journal).count == 0
        assert _table(multitrack.open_journal(journal)) == expected
        list(multitrack.open_journal(journal).runs(deleted=True))
        assert RunIndex(journal).count == rows

    def test_a_directory_or_a_link_in_its_place(self, journal: Path, expected: Any, tmp_path_factory: Any) -> None:
        (journal / NAME).unlink()
        (journal / NAME).mkdir()
        assert _table(multitrack.open_journal(journal)) == expected
        (journal / NAME).rmdir()
        victim = tmp_path_factory.mktemp("victim") / "file"
        victim.write_bytes(b"mine")
        (journal / NAME).symlink_to(victim)
        assert _table(multitrack.open_journal(journal)) == expected
        assert victim.read_bytes() == b"mine"
        assert not list(journal.glob(f".{NAME}*"))

    def test_a_journal_that_cannot_be_written(
        self, journal: Path, expected: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (journal / NAME).unlink()

        def refuse(path: Any, flags: int, *more: int) -> int:  # as root would not be refused
            if flags & os.O_CREAT:
                raise PermissionError(13, "read-only")
            return opened(path, flags, *more)

        opened = os.open
        monkeypatch.setattr(os, "open", refuse)
        assert _table(multitrack.open_journal(journal)) == expected
        assert not (journal / NAME).exists()

    def test_it_belongs_to_its_owner(self, journal: Path) -> None:
        assert (journal / NAME).stat().st_mode & 0o777 == 0o600

    def test_one_of_another_user_is_neither_read_nor_replaced(
        self, journal: Path, expected: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = (journal / NAME).read_bytes()
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        assert RunIndex(journal).count == 0
        write_runs(journal, 3, 9, first=50)
        indexed(journal)
        assert (journal / NAME).read_bytes() == before
        assert with_rows(multitrack.open_journal(journal)) == []

    def test_readers_at_once(self, journal: Path, expected: Any) -> None:
        """Each writes the index again, and none sees half of one."""
        found: list[Any] = []

        def read() -> None:
            for _ in range(5):
                (journal / NAME).unlink(missing_ok=True)
                found.append(_table(multitrack.open_journal(journal)))

        shared = multitrack.open_journal(journal)
        threads = [threading.Thread(target=read) for _ in range(4)]
        threads += [threading.Thread(target=lambda: found.append(_table(shared))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [expected] * 24
        assert not list(journal.glob(f".{NAME}*"))


def _table(reader: JournalReader) -> Any:
    reader.runs(where="params.a")
    listed = compare(reader.runs(), ["name", "status", "params", "metrics:max", "lists", "versions"])
    return repr([str(column) for column in listed.columns]), repr(list(listed.to_dicts()))


class TestSize:
    """Its memory and its writing are bounded."""

    def test_only_many_new_runs_are_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run_index, "_FEW", 5)
        monkeypatch.setattr(run_index, "_SHARE", 3)
        write_runs(tmp_path, 30, 1)
        count = len(with_rows(indexed(tmp_path)))
        assert count > 15
        before = (tmp_path / NAME).read_bytes()
        chance = random.Random(7)
        added = 0
        while added < count // 3:
            assert (tmp_path / NAME).read_bytes() == before
            directory = write_run(tmp_path, 100 + added, chance, parent=None)
            (directory / "deleted.json").unlink(missing_ok=True)
            segment_path(directory, 1).write_bytes(encoding.encode(End(time=1, status="finished")))
            indexed(tmp_path)
            added += 1
        assert (tmp_path / NAME).read_bytes() != before
        assert len(with_rows(multitrack.open_journal(tmp_path))) == count + added

    def test_blocks_that_are_whole_are_kept_and_the_others_joined(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(columns, "ROWS", 8)
        for i in range(12):
            write_runs(tmp_path, 3, i, first=3 * i)
            reader = indexed(tmp_path)
        sizes = [len(block.names) for _, block in RunIndex(tmp_path).blocks()]
        assert sum(sizes) >= len(with_rows(reader)) > 20
        assert all(size >= 4 for size in sizes[:-1])
        assert max(sizes) < 16
        for directory in sorted(runs_directory(tmp_path).iterdir())[:-10]:
            shutil.rmtree(directory)
        write_runs(tmp_path, 3, 99, first=99)
        reader = indexed(tmp_path)
        assert RunIndex(tmp_path).count <= 2 * len(with_rows(reader))

    def test_a_run_of_thousands_of_names_is_read_by_itself(self, tmp_path: Path) -> None:
        for i, count in enumerate((5, 800)):
            directory = write_run(tmp_path, i, random.Random(1), parent=None)
            (directory / "deleted.json").unlink(missing_ok=True)
            series = Metric(time=1, values={f"m{n}": n for n in range(count)}, step=0)
            segment_path(directory, 1).write_bytes(
                encoding.encode(series) + encoding.encode(End(time=2, status="finished"))
            )
        reader = indexed(tmp_path)
        assert len(with_rows(reader)) == 1
        assert compare(reader.runs(), ["metrics.m799"], sort=["metrics.m799"]).rows[0].cells["metrics.m799"] == 799

    def test_a_block_ends_at_many_columns(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(columns, "COLUMNS", 60)
        write_runs(tmp_path, 20, 5)
        indexed(tmp_path)
        blocks = [block for _, block in RunIndex(tmp_path).blocks()]
        assert len(blocks) > 1
        assert all(sum(map(len, block.columns.values())) < 150 for block in blocks)

    def test_a_table_does_not_hold_the_manifests_of_runs_that_were_never_read(self, tmp_path: Path) -> None:
        """Their packages take most of the memory."""
        write_runs(tmp_path, 10, 1)
        held: list[int] = []

        def listed() -> Iterator[RecordedRun]:
            before: list[RecordedRun] = []
            for run in multitrack.open_journal(tmp_path).runs():
                held.append(sum(one.cached is None for one in before))
                before.append(run)
                yield run

        compare(listed())
        assert held
        assert not any(held)

    def test_only_the_latest_columns_are_held(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_runs(tmp_path, 5, 1)
        indexed(tmp_path)
        monkeypatch.setattr(run_index, "_HELD", 3)
        index = RunIndex(tmp_path)
        first = index.column("run", "name")
        assert index.column("run", "name") is first
        for name in ("status", "ended", "created"):
            index.column("run", name)
        assert index.column("run", "name") is not first


def test_the_runs_of_an_index_are_not_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_runs(tmp_path, 20, 4)
    for directory in runs_directory(tmp_path).iterdir():
        with segment_path(directory, 1).open("ab") as file:
            file.write(encoding.encode(End(time=1, status="finished")))
    reader = indexed(tmp_path)

    def read(*_: Any) -> CachedRun:
        raise AssertionError("a run was read")

    monkeypatch.setattr("multitrack.summaries.cached_runs.cached_run", read)
    listed = compare(
        (run for run in reader.runs(where="params.a or metrics.shared or name", project="p0", status="finished")),
        best="metrics.shared:max", sort=["-metrics.shared", "took"],
    )  # fmt: skip
    assert len(listed.rows) > 4
    assert listed.best is not None


def test_a_served_report_looks_only_at_runs_that_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a run that is being written, one that is new, and the first update after the index was written."""
    monkeypatch.setattr(watched, "FEW", 3)
    write_runs(tmp_path, 12, 2)
    for directory in runs_directory(tmp_path).iterdir():
        with segment_path(directory, 1).open("ab") as file:
            file.write(encoding.encode(End(time=1, status="finished")))
    reader = indexed(tmp_path)
    page = watched.Watched(reader.runs, Options(charts=False), every=0.0)
    page.page()
    read: list[str] = []
    stamped: list[str] = []

    def read_on(self: Collected) -> bool:
        read.append(self.run.id)
        return before(self)

    def stamp(directory: Path) -> Any:
        stamped.append(directory.name)
        return stamp_of(directory)

    before = Collected.read_on
    monkeypatch.setattr(Collected, "read_on", read_on)
    monkeypatch.setattr("multitrack.summaries.cache.stamp_of", stamp)
    monkeypatch.setattr(watched, "stamp_of", stamp)
    version = msgspec.json.decode(page.changes(0))["version"]
    assert (read, stamped) == ([], [])
    (changed, *_) = reader.runs()
    time.sleep(TICK)
    writer = Writer(changed.directory)
    for expected in (0.5, 0.25):
        writer.append_metric({"loss": expected}, 7)
        update = msgspec.json.decode(page.changes(version))
        assert [run["id"] for run in update["runs"]] == [changed.id]
        assert {*read} == {*stamped} == {changed.id}
        assert update["runs"][0]["series"]["loss"]["statistics"][2] == expected
        version = update["version"]
        read.clear()
        stamped.clear()
    writer.append(End(time=writer.now(), status="failed"))
    writer.close()
    update = msgspec.json.decode(page.changes(version))
    assert [run["status"] for run in update["runs"]] == ["failed"]
