"""Writers that were taken for dead on another machine, and go on: nothing is lost, nothing is read twice."""

from collections.abc import Callable
from pathlib import Path

import pytest

from multitrack.errors import RunInUseError
from multitrack.journal import writer as writer_module
from multitrack.journal.atomic import write_json
from multitrack.journal.cursor import Cursor
from multitrack.journal.manifest import Manifest, write_manifest
from multitrack.journal.seals import Seal, lease_of, read_seal, seal_of
from multitrack.journal.segments import end_silent, is_live, opening, segment_path
from multitrack.journal.writer import Writer, close_dead
from multitrack.records import End, ListMetric, Metric, Record
from two_machines import TwoMachines, machines

__all__ = ["machines"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "runs" / "r"
    directory.mkdir(parents=True)
    write_manifest(directory, Manifest(id="r", project="p", name="n", created=1))
    return directory


def log(writer: Writer, *values: float) -> None:
    for value in values:
        writer.append(Metric(time=writer.now(), values={"x": value}, step=0))


def read_on(cursor: Cursor) -> list[Record]:
    found: list[Record] = []
    while stretch := cursor.read():
        found += stretch
    return found


def values(records: list[Record]) -> list[float]:
    return [record.numbers["x"] for record in records if isinstance(record, Metric)]


def lists(records: list[Record]) -> list[list[float]]:
    return [record.numbers for record in records if isinstance(record, ListMetric)]


def test_a_live_writer_keeps_its_run_and_a_silent_one_does_not(run: Path, machines: TwoMachines) -> None:
    writer = Writer(run)
    log(writer, 1.0)
    said: list[str] = []
    with machines.on("bob"):
        machines.alive = {"ada"}
        end_silent([run], said.append)
        assert is_live(run)
        with pytest.raises(RunInUseError, match="is being written"), opening(run):
            pass
        machines.alive = set()
        end_silent([run], said.append)
        assert not is_live(run)
    assert len(said) == 2
    assert "still writes run r" in said[0]
    writer.close()


def test_whoever_opens_the_run_of_a_silent_writer_is_told_of_the_wait(
    run: Path, machines: TwoMachines, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer(run)
    with machines.on("bob"):
        machines.alive = set()
        with opening(run):
            assert not is_live(run)
    assert [text for text in caplog.messages if "waiting up to" in text and "still writes run r" in text]
    writer.close()


def test_what_a_writer_wrote_after_it_was_given_up_moves_to_a_new_segment(
    run: Path, machines: TwoMachines, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer(run)
    log(writer, 1.0, 2.0)
    with machines.on("bob"):
        reader = Cursor(run)
        end_silent([run], print)
        assert values(read_on(reader)) == [1.0, 2.0]
        assert close_dead(run, reader.last_time)
        read_on(reader)
        assert reader.ended is not None
        assert reader.ended.status == "killed"
    log(writer, 3.0, 4.0)  # it wakes up, before its lease is looked at
    with machines.on("bob"):
        assert values(read_on(Cursor(run))) == [1.0, 2.0]
        assert not is_live(run)
    new = writer.succeed()
    assert new is not None
    assert new.number == 3
    log(new, 5.0)
    with machines.on("bob"):
        assert is_live(run)
        assert values(read_on(reader)) == [3.0, 4.0, 5.0]  # goes on where it was
        assert reader.ended is None
        assert values(read_on(Cursor(run))) == [1.0, 2.0, 3.0, 4.0, 5.0]
    seal = read_seal(segment_path(run, 1))
    assert seal is not None
    assert segment_path(run, 1).stat().st_size == seal.size
    new.append(End(time=new.now(), status="finished"))
    new.close()
    assert Cursor(run).read()
    assert "took this process for dead" in caplog.text
    assert not list(run.glob("*.lease"))


def test_a_writer_that_only_closes_moves_them_too(run: Path, machines: TwoMachines) -> None:
    writer = Writer(run)
    log(writer, 1.0)
    with machines.on("bob"):
        end_silent([run], print)
        assert close_dead(run, 1)
    log(writer, 2.0)
    writer.append(End(time=writer.now(), status="finished"))
    writer.close()
    cursor = Cursor(run)
    assert values(read_on(cursor)) == [1.0, 2.0]
    assert cursor.ended is not None
    assert cursor.ended.status == "finished"
    assert cursor.at_end()


def cut(run: Path, size: int) -> None:
    """As another machine gives the writer of the first segment up, when it sees so many bytes of it."""
    path = segment_path(run, 1)
    write_json(seal_of(path), Seal(size, "process 1 on bob"))
    lease_of(path).unlink()


def inside_a_line(line: bytes) -> int:
    return len(line) // 2


def between_lines(line: bytes) -> int:
    return len(line)


@pytest.mark.parametrize("where", [inside_a_line, between_lines])
def test_a_list_that_the_seal_cuts_is_there_once_and_whole(
    run: Path, machines: TwoMachines, monkeypatch: pytest.MonkeyPatch, where: Callable[[bytes], int]
) -> None:
    monkeypatch.setattr(writer_module, "PART_BYTES", 40)
    writer = Writer(run)
    log(writer, 1.0)
    numbers = [i / 8 for i in range(40)]
    assert writer.append_list(ListMetric(time=writer.now(), name="l", values=list(numbers))) > 3
    log(writer, 2.0)
    lines = segment_path(run, 1).read_bytes().splitlines(keepends=True)
    cut(run, sum(map(len, lines[:3])) + where(lines[3]))
    reader = Cursor(run)
    first = read_on(reader)  # on the writer's own machine, where its lock is seen
    assert (values(first), lists(first)) == ([1.0], [])
    position = reader.position
    new = writer.succeed()
    assert new is not None
    new.close()
    later = read_on(reader)
    assert [number for part in lists(later) for number in part] == numbers
    assert values(later) == [2.0]
    again = Cursor(run)
    whole = read_on(again)
    assert (again.position, [record.ordinal for record in whole]) == (
        reader.position, [record.ordinal for record in first + later]
    )  # fmt: skip
    assert position < reader.position


def test_a_seal_that_was_left_half_made_does_no_harm(run: Path, machines: TwoMachines) -> None:
    writer = Writer(run)
    log(writer, 1.0)
    write_json(seal_of(segment_path(run, 1)), Seal(3, "process 1 on bob, which was killed before it removed the lease"))
    log(writer, 2.0)
    assert writer.succeed() is None
    assert values(read_on(Cursor(run))) == [1.0, 2.0]
    writer.close()
    assert values(read_on(Cursor(run))) == [1.0, 2.0]


def test_a_writer_that_died_before_it_made_its_segment_leaves_no_gap(run: Path, machines: TwoMachines) -> None:
    with machines.on("bob"):
        first = Writer(run)
        segment_path(run, 1).unlink()  # as if it had come no further than its lease
        assert lease_of(segment_path(run, 1)).exists()
    second = Writer(run)
    assert second.number == 1
    second.close()
    first.close()
