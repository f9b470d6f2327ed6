"""Runs of one id in two journals, in one process, both delivered to MLflow."""

import gc
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
from mlflow_reader import read_run

import multitrack
from multitrack.page.render import write_page
from multitrack.plot import overlay
from multitrack.plugins import load_backend

pytestmark = pytest.mark.case(3)


def start(tmp_path: Path, journal: str, **arguments: Any) -> multitrack.Run:
    config = {"journal": str(tmp_path / journal), "mlflow": {"tracking_uri": f"sqlite:///{tmp_path}/mlflow.db"}}
    config |= arguments.pop("config", {})
    return multitrack.start_run("digits", backends=["mlflow"], config=config, **arguments)


@pytest.mark.parametrize("delivery", ["process", "thread", "off"])
def test_each_has_its_own_run_in_the_tracker(tmp_path: Path, delivery: str) -> None:
    """Into one store and one experiment, where the id alone would find the other one."""
    runs = []
    for i in range(2):
        runs.append(start(tmp_path, f"journal-{i}", run_id="nightly", name=f"of {i}", config={"delivery": delivery}))
        time.sleep(0.01)  # two runs do not begin in one millisecond
    for i, run in enumerate(runs):
        for step in range(5):
            run.log_metric("loss", 10.0 * i + step, step=step)
    for i, run in enumerate(runs):
        run.end("finished" if i == 0 else "failed")
        if delivery == "off":
            multitrack.sync(tmp_path / f"journal-{i}")
        assert run.flush().complete
    ids = [run.backend_ids["mlflow"] for run in runs]
    assert ids[0] != ids[1]
    for i, native_id in enumerate(ids):
        held = read_run(f"sqlite:///{tmp_path}/mlflow.db", native_id)
        assert (held.name, held.status) == (f"of {i}", ("finished", "failed")[i])
        assert [(point.step, point.value) for point in held.series["loss"]] == [(s, 10.0 * i + s) for s in range(5)]


def test_each_is_continued_in_its_own(tmp_path: Path) -> None:
    ids = {}
    for i in range(2):
        with start(tmp_path, f"journal-{i}", run_id="nightly", config={"delivery": "off"}) as run:
            run.log_metric("loss", float(i), step=0)
        time.sleep(0.01)
    for _ in range(2):
        for i in range(2):
            with start(tmp_path, f"journal-{i}", run_id="nightly", config={"delivery": "off"}) as run:
                run.log_metric("loss", i + 0.5, step=1)
            multitrack.sync(tmp_path / f"journal-{i}")
            ids.setdefault(i, set()).add(run.flush()["mlflow"].id)
    assert [len(of_one) for of_one in ids.values()] == [1, 1]
    assert not ids[0] & ids[1]


def test_a_journal_that_was_moved_is_the_same_run(tmp_path: Path) -> None:
    with start(tmp_path, "here", run_id="nightly", config={"delivery": "off"}) as run:
        run.log_metric("loss", 0.5, step=0)
    multitrack.sync(tmp_path / "here")
    native_id = run.backend_ids["mlflow"]
    (tmp_path / "here").rename(tmp_path / "there")
    for state in (tmp_path / "there" / "runs" / "nightly" / "lanes").glob("*"):
        if state.is_file():
            state.unlink()  # as if only the journal had been sent
    (report,) = multitrack.sync(tmp_path / "there").values()
    assert report["mlflow"].id == native_id


def test_a_search_of_many_trials_keeps_none_of_their_runs(tmp_path: Path) -> None:
    """What the backend holds of a run is let go of once that is closed, also where its parent is shown later."""
    backend: Any = type(load_backend("mlflow").plugin)()
    config = {"delivery": "thread"}
    parent = multitrack.start_run(
        "digits", backends=[backend],
        config={"journal": str(tmp_path / "j"), "mlflow": {"tracking_uri": f"sqlite:///{tmp_path}/mlflow.db"}, **config},
    )  # fmt: skip
    children = []
    for i in range(20):
        with multitrack.start_run(parent=parent) as child:
            child.log_metric("x", float(i), step=0)
        children.append(child)
    parent.wait_open(60)
    for child in children:
        child.flush(60)
    deadline = time.monotonic() + 60
    while len(backend._runs) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(backend._runs) == 1  # the parent's, which is open
    kept = weakref.ref(next(iter(backend._runs.values())))
    assert parent.end().complete
    assert len(backend._runs) == 0
    gc.collect()
    assert kept() is None
    held = [read_run(f"sqlite:///{tmp_path}/mlflow.db", child.backend_ids["mlflow"]) for child in children]
    assert {native.parent for native in held} == {parent.backend_ids["mlflow"]}


def test_each_has_its_whole_origin_when_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is gathered beside the training: the end of each run waits for its own."""
    from multitrack.recording import lifecycle

    real, begun = lifecycle.full_context, []

    def slow(*arguments: Any) -> Any:
        begun.append(True)
        time.sleep(0.6 if len(begun) == 1 else 0)
        return real(*arguments)

    monkeypatch.setattr(lifecycle, "full_context", slow)
    runs = [start(tmp_path, f"journal-{i}", run_id="nightly", config={"delivery": "off"}) for i in range(2)]
    for i, run in enumerate(runs):
        run.end()
        (found,) = multitrack.open_journal(tmp_path / f"journal-{i}").runs()
        assert found.context is not None
        assert found.context.complete
    assert len(begun) == 2


def test_each_has_its_own_line_in_a_picture_and_no_page_mixes_them(tmp_path: Path) -> None:
    for i in range(2):
        with start(tmp_path, f"journal-{i}", run_id="nightly", config={"delivery": "off"}) as run:
            for step in range(3):
                run.log_metric("loss", 10.0 * i + step, step=step)
    runs = [run for i in range(2) for run in multitrack.open_journal(tmp_path / f"journal-{i}").runs()]
    (panel,) = overlay(runs, "loss").axes
    assert [list(line.get_ydata()) for line in panel.lines] == [[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]]
    with pytest.raises(ValueError, match=r"two runs have the id nightly, in .*journal-0.*journal-1"):
        write_page(tmp_path / "both.html", runs, charts=False)
    assert not (tmp_path / "both.html").exists()
