"""When runs began, ended, and in which order that was."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import multitrack
from multitrack.compare import compare
from multitrack.page.collect import Collected, Tables
from multitrack.reading.reader import JournalReader
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.run import Run


def start(run_id: str | None = None, **more: Any) -> Run:
    return multitrack.start_run("digits", run_id=run_id, config={"delivery": "off"}, **more)


def killed(*runs: Run) -> JournalReader:
    """A journal of the runs as a crash would leave them here: nobody writes them."""
    for run in runs:
        assert run.directory is not None
        shutil.copytree(run.directory, Path("crashed/runs") / run.id)
    return multitrack.open_journal("crashed")


def ended_in_page(run: RecordedRun) -> int | None:
    collected = Collected(run)
    collected.read_on()
    return collected.page_run(Tables()).ended


def create_at(run: Run, created: int) -> None:
    assert run.directory is not None
    path = run.directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"created": created}))


def test_runs_come_in_the_order_of_their_creation_whatever_their_ids() -> None:
    first = start()
    own = [start(name, parent=parent) for name, parent in (("zzz", None), ("aaa", "zzz"), ("mmm", "zzz"))]
    last = start()
    time.sleep(0.005)
    latest = start()
    runs = [first, *own, last, latest]
    for run in reversed(runs):
        run.end()
    for i, run in enumerate(own):  # two within a millisecond, and the parent is the first of them
        create_at(run, RecordedRun(Path(str(first.directory))).facts.created + (1 if i < 2 else 2))
    found = [run.id for run in multitrack.open_journal().runs()]
    assert [one for one in found if one != last.id] == [run.id for run in runs if run is not last]
    create_at(own[1], 10**30)
    assert next(multitrack.open_journal().runs()).id == "aaa"


def test_a_running_run_took_until_now() -> None:
    run = start()
    recorded = RecordedRun(Path(str(run.directory)))
    time.sleep(0.02)
    before = int(time.time() * 1000)
    took = recorded.took()
    (row,) = compare([recorded], ["took", "ended"]).rows
    assert before <= recorded.facts.created + took <= int(time.time() * 1000)
    assert (row.cells["took"] * 1000 >= took, "ended" in row.cells) == (True, False)
    assert ended_in_page(recorded) is None
    run.end()
    assert ended_in_page(recorded) == recorded.summary().ended
    assert recorded.took() == recorded.summary().ended - recorded.facts.created


def test_a_run_that_was_killed_took_until_its_childrens_last_sign_of_life() -> None:
    parent = start()
    child = start(parent=parent)
    grandchild = start(parent=child)
    time.sleep(0.01)
    grandchild.log_metric("loss", 1.0)
    reader = killed(parent, child, grandchild)
    last = reader.run(grandchild.id).summary().ended
    found = list(reader.runs())
    assert [run.summary().status for run in found] == ["killed"] * 3
    assert [run.ended() for run in found] == [last] * 3
    assert [ended_in_page(run) for run in found] == [last] * 3
    assert found[0].summary().ended < last
    (row,) = compare([reader.run(parent.id)], ["took", "ended"]).rows
    assert row.cells == {"run": parent.id, "took": (last - found[0].facts.created) / 1000, "ended": last}
    for run in (grandchild, child, parent):
        run.end()


def test_relatives_in_a_circle_have_an_end() -> None:
    runs = [start("a"), start("b")]
    reader = killed(*runs)
    for own, other in (("a", "b"), ("b", "a")):
        path = reader.directory / "runs" / own / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"parent": other}))
    (reader.directory / "runs" / "c").mkdir()
    (reader.directory / "runs" / "c" / "manifest.json").write_text("damaged")
    assert reader.run("a").ended() == max(run.summary().ended for run in map(reader.run, "ab"))
    for run in runs:
        run.end()
