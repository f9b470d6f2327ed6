"""What stands on the disk is damaged: the rest is read, delivered and told apart."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import multitrack
from multitrack import JournalError
from multitrack.delivery.lane_state import lane_file
from multitrack.journal.cursor import Cursor
from multitrack.journal.manifest import read_manifest
from multitrack.journal.segments import segment_path
from multitrack.journal.writer import Writer
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.run import Run
from multitrack.records import Metric
from recording_backends import delivered

pytestmark = pytest.mark.usefixtures("trusted")


def start(*backends: object, run_id: str | None = None, **more: Any) -> Run:
    return multitrack.start_run("p", run_id=run_id, backends=list(backends), config={"delivery": "off"}, **more)


def recorded(run: Run) -> RecordedRun:
    return multitrack.open_journal().run(run.id)


def steps() -> list[int]:
    return [line["record"]["step"] for line in delivered(Path("delivered.jsonl"), "metric")]


# -- the manifest ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"\0" * 500, b'{"id": 3}', b'{"id": "x", "proj'])
def test_a_damaged_manifest_is_read_from_the_journal(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    run = start("recording_backends:file", name="näme", notes="why", group="g", params={"lr": 0.1})
    run.log_metric("x", 1.0, step=0)
    run.end()
    assert run.directory is not None
    before = read_manifest(run.directory)
    (run.directory / "manifest.json").write_bytes(content)
    after = recorded(run).manifest
    assert "manifest.json is damaged" in caplog.text
    assert msgspec.structs.replace(after, context=None) == msgspec.structs.replace(before, context=None)
    assert (after.context and after.context.command) == (before.context and before.context.command)
    assert multitrack.sync()[run.id].complete
    assert delivered(Path("delivered.jsonl"), "open")[0]["name"] == "näme"
    again = start(run_id=run.id)  # which mends it
    again.end()
    caplog.clear()
    assert recorded(run).manifest.backends == before.backends
    assert "damaged" not in caplog.text


def test_a_resumed_runs_manifest_is_the_newest() -> None:
    run = start(name="first")
    run.end()
    start("recording_backends:file", run_id=run.id, name="second").end()
    assert run.directory is not None
    (run.directory / "manifest.json").write_bytes(b"")
    assert (recorded(run).manifest.name, len(recorded(run).manifest.backends)) == ("second", 1)


def test_where_both_are_damaged_the_run_is_named_and_the_others_are_read(caplog: pytest.LogCaptureFixture) -> None:
    lost, kept = start("recording_backends:file"), start("recording_backends:file")
    for run in (lost, kept):
        run.log_metric("x", 1.0, step=0)
        run.end()
    assert lost.directory is not None
    (lost.directory / "manifest.json").write_bytes(b"")
    path = segment_path(lost.directory, 1)
    path.write_bytes(b"#" * 50 + path.read_bytes()[50:])
    assert [run.id for run in multitrack.open_journal().runs()] == [kept.id]
    assert f"{lost.id}/manifest.json" in caplog.text
    assert set(multitrack.sync()) == {kept.id}
    with pytest.raises(JournalError, match=r"manifest\.json"):
        recorded(lost)


# -- the segments ---------------------------------------------------------------------------------------------


def test_a_block_of_zeros_costs_the_lines_that_it_hit() -> None:
    """What a file system leaves after a power cut, here over two lines and their newline."""
    run = start("recording_backends:file")
    for step in range(10):
        run.log_metric("x", 1.0, step=step)
    run.end()
    assert run.directory is not None
    path = segment_path(run.directory, 1)
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    begin = len(b"".join(lines[:4])) + 10  # in step 3, up to the middle of step 4
    path.write_bytes(data[:begin] + b"\0" * len(lines[4]) + data[begin + len(lines[4]) :])
    report = multitrack.sync()[run.id]
    assert (report.damaged, report.complete) == (1, True)
    assert steps() == [0, 1, 2, 5, 6, 7, 8, 9]
    assert recorded(run).summary().damaged == 1


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_bytes_anywhere_cost_the_lines_that_they_hit_and_no_other(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("damage")
    writer = Writer(directory)
    for step in range(8):
        writer.append(Metric(time=writer.now(), values={"x": step / 8}, step=step))
    writer.close()
    path = segment_path(directory, 1)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=30))
    path.write_bytes(whole[:at] + junk + whole[at + len(junk) :])
    first, last = whole[:at].count(b"\n"), whole[: at + len(junk)].count(b"\n")
    cursor, found = Cursor(directory), []
    while stretch := cursor.read():
        found += [record for record in stretch if isinstance(record, Metric)]
    untouched = [step for step in range(8) if not first <= step + 1 <= last]
    assert [
        record.step for record in found if record.step in untouched and record.values == {"x": record.step / 8}
    ] == (untouched)
    assert len(found) <= 8


# -- the lane's files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"\0" * 80, b"not json", b'{"backend": 3}', b"[]"])
def test_a_damaged_position_delivers_again(content: bytes) -> None:
    run = start("recording_backends:file")
    run.log_metric("x", 1.0, step=0)
    multitrack.sync()
    assert run.directory is not None
    lane_file(run.directory, "file").write_bytes(content)
    run.end()
    assert multitrack.sync()[run.id].complete
    assert steps() == [0, 0]  # this backend passes over nothing; see each tracker's own tests


def test_a_cut_file_of_asides_is_read_as_far_as_it_goes() -> None:
    run = start("recording_backends:picky")
    run.log_metric("bad", 1.0, step=0)
    run.log_metric("bad", 1.0, step=1)
    multitrack.sync()
    assert run.directory is not None
    path = lane_file(run.directory, "picky", ".aside.jsonl")
    path.write_bytes(path.read_bytes()[:-5])
    run.log_metric("bad", 1.0, step=2)
    run.end()
    report = multitrack.sync()[run.id]
    assert report.complete
    assert len(path.read_bytes().splitlines()) == 3
    lane_file(run.directory, "picky").unlink()
    again = start(run_id=run.id)
    again.log_metric("x", 1.0, step=3)
    again.end()
    report = multitrack.sync()[run.id]
    assert (report["picky"].set_aside, report["picky"].delivered, report.complete) == (3, 1, True)
