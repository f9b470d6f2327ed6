"""Append and read: torn tails, damage, parts, segments."""

import gc
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multitrack import records
from multitrack.errors import RunInUseError
from multitrack.journal import encoding
from multitrack.journal.cursor import Cursor
from multitrack.journal.derived import WINDOW, Resolver
from multitrack.journal.segments import is_live, opening, segment_path
from multitrack.journal.writer import PART_BYTES, Writer, close_dead
from multitrack.records import End, Lines, ListMetric, Metric, Params, Record, Segment


def metric(writer: Writer, value: float = 0.5, step: int | None = 0, name: str = "loss") -> None:
    assert writer.append(Metric(time=writer.now(), values={name: records.number_to_json(value)}, step=step))


def read_all(directory: Path, cursor: Cursor | None = None) -> list[Record]:
    cursor = cursor or Cursor(directory)
    found: list[Record] = []
    while stretch := cursor.read():
        found += stretch
    return found


def metrics(directory: Path) -> list[float]:
    return [value for record in read_all(directory) if isinstance(record, Metric) for value in record.numbers.values()]


@given(st.one_of(st.floats(), st.integers(-(2**80), 2**80)))
def test_any_number_comes_back_as_it_was(value: float) -> None:
    line = encoding.encode(Metric(time=1, values={"x": records.number_to_json(value)}, step=2))
    back = encoding.decode(line)
    assert isinstance(back, Metric)
    (found,) = back.numbers.values()
    assert type(found) is type(value)
    assert found == value or (math.isnan(found) and math.isnan(value))


def test_a_line_reads_as_a_person_expects(tmp_path: Path) -> None:
    """With jq, which knows neither NaN nor integers beyond 2**53."""
    writer = Writer(tmp_path)
    writer.append(Metric(time=5, values={"a": 0.5, "n": "NaN", "big": str(2**53 + 1)}, step=3))
    line = segment_path(tmp_path, 1).read_bytes().splitlines()[1]
    assert json.loads(line) == {
        "record": "metric",
        "time": 5,
        "values": {"a": 0.5, "n": "NaN", "big": str(2**53 + 1)},
        "step": 3,
    }
    back = encoding.decode(line)
    assert isinstance(back, Metric)
    assert back.numbers["big"] == 2**53 + 1


def test_a_record_is_on_its_way_to_the_disk_when_the_call_returns(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    metric(writer)
    assert segment_path(tmp_path, 1).read_bytes().count(b"\n") == 2
    assert segment_path(tmp_path, 1).stat().st_mode & 0o777 == 0o600


def test_times_never_go_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([5_000_000_000, 4_000_000_000, 6_000_000_000, 1_000_000_000])
    monkeypatch.setattr("time.time_ns", lambda: next(clock, 2_000_000_000))
    writer = Writer(tmp_path)
    assert [writer.now() for _ in range(3)] == [5000, 6000, 6000]


def test_a_torn_tail_is_waited_for_while_its_writer_lives(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    metric(writer)
    with segment_path(tmp_path, 1).open("ab") as file:
        file.write(b'{"record":"metric","ti')
    cursor = Cursor(tmp_path)
    assert len(read_all(tmp_path, cursor)) == 2
    assert cursor.damaged == []
    with segment_path(tmp_path, 1).open("ab") as file:
        file.write(b'me":1,"values":{"x":1},"step":0}\n')
    assert len(read_all(tmp_path, cursor)) == 1


def test_a_torn_tail_of_a_dead_writer_is_passed_over_and_noted(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    metric(writer, 1.0)
    with segment_path(tmp_path, 1).open("ab") as file:
        file.write(b'{"record":"metric","ti')
    writer.close()
    again = Writer(tmp_path)
    metric(again, 2.0)
    cursor = Cursor(tmp_path)
    assert [r.ordinal for r in read_all(tmp_path, cursor)] == [0, 1, 3, 4]
    assert [ordinal for ordinal, _ in cursor.damaged] == [2]
    assert metrics(tmp_path) == [1.0, 2.0]


def test_a_damaged_line_in_the_middle_is_set_aside_and_the_rest_read(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    for i in range(5):
        metric(writer, float(i))
    path = segment_path(tmp_path, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = b"\x00\xff" + lines[3][5:]
    writer.close()
    path.write_bytes(b"".join(lines))
    cursor = Cursor(tmp_path)
    found = read_all(tmp_path, cursor)
    assert [v for r in found if isinstance(r, Metric) for v in r.numbers.values()] == [0.0, 1.0, 3.0, 4.0]
    assert [r.ordinal for r in found] == [0, 1, 2, 4, 5]
    assert [ordinal for ordinal, _ in cursor.damaged] == [3]
    assert "damaged" in cursor.damaged[0][1]


def test_a_short_write_is_closed_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk takes 94 of 118 bytes; the next good record starts on a line of its own."""
    writer = Writer(tmp_path)
    metric(writer, 1.0)
    real = os.write
    monkeypatch.setattr("os.write", lambda fd, data: real(fd, data[:20]))
    assert not writer.append(Metric(time=1, values={"x": 2.0}, step=0))
    monkeypatch.undo()
    metric(writer, 3.0)
    assert metrics(tmp_path) == [1.0, 3.0]
    assert writer.lost == 1


def test_a_really_full_disk_is_said_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer = Writer(tmp_path)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writer._fd)
    os.close(full)
    assert writer.append(Metric(time=1, values={"x": 1.0})) == 0
    assert writer.lost == 1
    assert "No space left on device" in caplog.text


def test_a_long_list_is_written_in_parts_that_count_once_the_last_is_there(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    values: list[int | float | str] = [i + 0.25 for i in range(300_000)]
    writer.append_list(ListMetric(time=writer.now(), name="signal", values=values))
    metric(writer)
    path = segment_path(tmp_path, 1)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    parts = [encoding.decode(line) for line in lines if b'"record":"list"' in line]
    assert len(parts) > 2
    assert all(len(line) < 1.2 * PART_BYTES for line in lines)
    found = [r for r in read_all(tmp_path) if isinstance(r, ListMetric)]
    assert [r.index for r in found][:2] == [0, len(found[0].values)]
    assert [value for r in found for value in r.values] == values
    # killed between two parts
    path.write_bytes(b"".join(lines[:3]))
    cursor = Cursor(tmp_path)
    assert [type(r) for r in read_all(tmp_path, cursor)] == [Segment]
    assert not cursor.at_end()  # its writer lives: the rest may come
    writer.close()
    assert [type(r) for r in read_all(tmp_path, cursor)] == []
    assert len(cursor.damaged) == 2
    assert cursor.at_end()


@pytest.mark.parametrize("size", range(1, 60))
def test_parts_are_cut_between_numbers_wherever_the_limit_falls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr("multitrack.journal.writer.PART_BYTES", size)
    values: list[int | float | str] = [1, 0.5, "NaN", -2, "Infinity", 2**53, 7, 1e-7, "-Infinity", 3]
    writer = Writer(tmp_path)
    written = writer.append_list(ListMetric(time=1, name='"values":[', values=values))
    writer.close()
    found = [r for r in read_all(tmp_path) if isinstance(r, ListMetric)]
    assert written == len(found) > 1
    read = [number for r in found for number in r.numbers]
    assert [records.number_to_json(number) for number in read] == values


def test_a_list_that_a_full_disk_cut_does_not_hold_up_what_follows(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.append_list(ListMetric(time=1, name="signal", values=[i + 0.25 for i in range(300_000)]))
    path = segment_path(tmp_path, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]))  # the first part alone
    for i in range(20):
        metric(writer, float(i))
    assert metrics(tmp_path) == [float(i) for i in range(20)]


def test_a_resumed_run_opens_the_next_segment_and_order_holds(tmp_path: Path) -> None:
    first = Writer(tmp_path)
    metric(first, 1.0)
    first.append(End(time=first.now(), status="finished"))
    first.close()
    second = Writer(tmp_path, not_before=10**15)
    metric(second, 2.0)
    cursor = Cursor(tmp_path)
    found = read_all(tmp_path, cursor)
    assert [r.ordinal for r in found] == list(range(5))
    assert cursor.ended is None  # a later segment that is no fork's: running again
    assert found[-1].time == 10**15


def test_a_reader_goes_on_only_when_the_segment_before_is_closed(tmp_path: Path) -> None:
    parent = Writer(tmp_path)
    metric(parent, 1.0)
    child = Writer(tmp_path, fork=True)
    metric(child, 3.0)
    cursor = Cursor(tmp_path)
    assert len(read_all(tmp_path, cursor)) == 2
    metric(parent, 2.0)
    parent.append(End(time=parent.now(), status="finished"))
    parent.close()
    rest = read_all(tmp_path, cursor)
    assert [v for r in rest if isinstance(r, Metric) for v in r.numbers.values()] == [2.0, 3.0]
    assert cursor.ended is not None
    assert not cursor.at_end()
    child.close()
    assert cursor.at_end()
    assert cursor.ended.status == "finished"


def test_a_reader_that_stops_within_a_segment_leaves_no_open_file(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    metric(writer, 1.0)
    writer.append(End(time=writer.now(), status="finished"))
    writer.close()
    open_before = set(Path("/proc/self/fd").iterdir())
    cursor = Cursor(tmp_path)
    assert len(cursor.read(max_records=1)) == 1
    assert set(Path("/proc/self/fd").iterdir()) > open_before  # compaction may replace the file
    cycle: list[Any] = [cursor]  # as the traceback of an error makes
    cycle.append(cycle)
    del cursor, cycle
    gc.collect()
    assert set(Path("/proc/self/fd").iterdir()) <= open_before


def test_only_one_live_process_writes(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    with pytest.raises(RunInUseError), opening(tmp_path):
        pass
    writer.close()
    with opening(tmp_path):
        pass
    assert not is_live(tmp_path)


def test_a_run_whose_writer_died_is_ended_once_at_its_last_sign_of_life(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    metric(writer)
    assert not close_dead(tmp_path, 1)  # it lives
    writer.close()
    last = Cursor(tmp_path)
    read_all(tmp_path, last)
    assert close_dead(tmp_path, last.last_time)
    assert close_dead(tmp_path, last.last_time)
    cursor = Cursor(tmp_path)
    ends = [r for r in read_all(tmp_path, cursor) if isinstance(r, End)]
    assert [(end.status, end.time) for end in ends] == [("killed", last.last_time)]


def test_what_follows_from_the_records_before(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    for name, step in (("acc", None), ("loss", 1), ("acc", None), ("loss", None)):
        metric(writer, 0.5, step, name)
    writer.append(ListMetric(time=1, name="l", values=[1.0, 2.0]))
    writer.append(ListMetric(time=1, name="l", values=[3.0]))
    writer.append(Lines(time=1, lines=["a", "b"]))
    writer.append(Lines(time=1, lines=["c"]))
    found = read_all(tmp_path)
    simple = [r for r in found if isinstance(r, Metric) and r.step is None]
    assert [r.earlier for r in simple] == [{"acc": 0}, {"acc": 1}, {"loss": 0}]
    assert [sorted(r.beside) for r in simple] == [[], [], ["loss"]]
    assert [r.index for r in found if isinstance(r, ListMetric)] == [0, 2]
    assert [r.index for r in found if isinstance(r, Lines)] == [0, 2]


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.sampled_from([0.5, 1.0, math.nan]), st.integers(0, 2)),
        max_size=40,
    )
)
def test_true_repeats_of_a_point_differ_in_time(tmp_path_factory: pytest.TempPathFactory, points: Any) -> None:
    """MLflow keeps a point under (key, step, ms, value): no two of a run may agree in all four."""
    directory = tmp_path_factory.mktemp("run")
    writer = Writer(directory)
    now = writer.now()
    for key, step, value, later in points:
        now += later if later == 2 else 0
        writer.append(Metric(time=now, values={key: records.number_to_json(value)}, step=step))
    found = [r for r in read_all(directory) if isinstance(r, Metric)]
    keys = [(key, r.step, r.time, repr(value)) for r in found for key, value in r.numbers.items()]
    assert len(set(keys)) == len(points)
    again = [r.time for r in read_all(directory) if isinstance(r, Metric)]
    assert again == [r.time for r in found]
    writer.close()


def test_params_come_back_with_their_types() -> None:
    line = encoding.encode(
        Params(time=1, values={"f": 1.0, "i": 1, "n": "NaN", "big": str(2**60), "s": "NaN"},
               types={"f": "float", "i": "int", "n": "float", "big": "int", "s": "str"})
    )  # fmt: skip
    back = encoding.decode(line)
    assert isinstance(back, Params)
    typed = records.typed_params(back)
    assert (typed["f"], typed["i"], typed["big"], typed["s"]) == (1.0, 1, 2**60, "NaN")
    assert isinstance(typed["f"], float)
    assert math.isnan(typed["n"])


def test_a_repeat_is_told_though_many_points_lie_between() -> None:
    """Where a clock was set back, all of them have one time; and not more is remembered than that takes."""
    resolver = Resolver()
    between = WINDOW // 2
    values = [*range(-between // 2, 0), *range(between), *range(between), *range(between)]
    found = [Metric(time=7, values={"loss": float(value)}, step=0) for value in values]
    for i, record in enumerate(found):
        resolver.resolve(record, i)
    assert [record.time for record in found[between // 2 :]] == [7] * between + [8] * between + [9] * between
    assert len(resolver._newer) + len(resolver._older) <= WINDOW + 1
