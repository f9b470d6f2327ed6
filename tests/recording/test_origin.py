"""Where a run comes from, and which one is the active one."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack import (
    ConfigError,
    RunError,
    plugins,
)
from multitrack.delivery.progress import wait
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.run import Run
from multitrack.recording.start import join_run
from multitrack.testing import MemoryBackend


def start(**arguments: Any) -> Run:
    return multitrack.start_run(config={"delivery": "off"} | arguments.pop("config", {}), **arguments)


def recorded(run: Run) -> RecordedRun:
    assert run.directory is not None
    return RecordedRun(run.directory)


def test_the_manifest_says_where_the_run_came_from(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "-b", "trunk"], check=True)
    (tmp_path / "train.py").write_text(
        "import multitrack\n"
        "with multitrack.start_run(project='p', config={'delivery': 'off'}) as run:\n"
        "    with multitrack.start_run(parent=run) as child:\n        pass\n"
    )
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    subprocess.run(["git", "remote", "add", "origin", "https://me:token@example.com/x.git"], check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run([sys.executable, "train.py", "--lr", "3"], check=True)
    parent, child = list(multitrack.open_journal().runs())
    context = parent.context
    assert context is not None
    assert context.git is not None
    assert (context.git.commit, context.git.branch, context.git.dirty) == (commit, "trunk", False)
    assert context.git.remote == "https://example.com/x.git"
    assert context.program == str(tmp_path / "train.py")
    assert context.command[1:] == ["train.py", "--lr", "3"]
    assert (context.cwd, context.python) == (str(tmp_path), sys.version.split()[0])
    assert context.packages["msgspec"]
    assert context.complete
    assert child.manifest.context is None
    assert child.manifest.parent == parent.id
    assert child.context == context
    (tmp_path / "train.py").write_text((tmp_path / "train.py").read_text() + "# changed\n")
    subprocess.run([sys.executable, "train.py"], check=True)
    changed = list(multitrack.open_journal().runs())[2].context
    assert changed is not None
    assert changed.git is not None
    assert changed.git.dirty


def test_a_child_inherits_from_a_parent_that_is_here() -> None:
    parent = start(project="p", group="g", params={"lr": 1})
    child = multitrack.start_run(parent=parent)
    by_id = start(parent=parent.id)
    for run in (child, by_id):
        assert (run.project, recorded(run).manifest.group, recorded(run).manifest.parent) == ("p", "g", parent.id)
    apart = start(parent="in-another-journal")
    assert recorded(apart).manifest.parent == "in-another-journal"
    assert recorded(apart).context.pid == os.getpid()  # its own: the parent's cannot be looked up
    (apart.directory.parent / "no-run").mkdir()
    with pytest.raises(RunError, match="parent='no-run'"):
        start(parent="no-run")
    with pytest.raises(ValueError, match="run_id"):
        start(parent="no/run")


def test_children_of_a_run_elsewhere_are_waited_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = MemoryBackend()
    monkeypatch.setenv("MULTITRACK_DELIVERY", "thread")
    plugins.register(memory)
    try:
        monkeypatch.setenv("MULTITRACK_BACKENDS", "memory")
        parent = join_run("far-away", project="p", group="g")
        waited: list[object] = []
        monkeypatch.setattr(
            "multitrack.recording.run_lanes.wait", lambda *args, **kwargs: (waited.append(args), wait(*args, **kwargs))
        )
        children = [multitrack.start_run(name=f"child {i}", parent=parent) for i in range(2)]
        for child in children:
            child.log_metric("x", 1.0)
            child.end()
        assert waited == []  # as the children of a run that is open
        report = parent.end()
        assert len(waited) == 1
        assert report.complete
        assert {memory.runs[child.id].status for child in children} == {"finished"}
        for child in children:
            held = recorded(child).manifest
            assert (held.parent, held.project, held.group, held.context.pid) == ("far-away", "p", "g", os.getpid())
        assert len(list(multitrack.open_journal().runs())) == 2  # the parent is not in this journal
    finally:
        plugins.unregister("memory")


# -- active run, disabled, ranks ------------------------------------------------------------------------------


def test_the_active_run_is_the_innermost_open_one() -> None:
    assert multitrack.active_run().disabled
    loose = start()
    assert multitrack.active_run() is loose
    with start() as outer:
        with start(parent=outer) as inner:
            assert multitrack.active_run() is inner
            with outer.activate():
                assert multitrack.active_run() is outer
        assert multitrack.active_run() is outer
        seen: list[Run] = []
        thread = threading.Thread(target=lambda: seen.append(multitrack.active_run()))
        thread.start()
        thread.join()
        assert seen == [outer]  # another thread has another context: the process's last open run
    assert multitrack.active_run() is loose
    loose.end()
    assert multitrack.active_run().disabled


@pytest.mark.parametrize("how", ["argument", "variable", "rank"])
def test_a_disabled_run_takes_every_call_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "variable":
        monkeypatch.setenv("MULTITRACK_DISABLED", "1")
    if how == "rank":
        monkeypatch.setenv("RANK", "1")
        monkeypatch.setenv("WORLD_SIZE", "4")
    with start(name="n", params={"a": 1}, disabled=True if how == "argument" else None) as run:
        assert isinstance(run, Run)
        assert run.disabled
        run.log_params({"a": 1})
        run.log_metric("x", 1.0, step=3)
        run.log_metrics({"x": 1.0})
        run.log_list_metric("l", [1])
        run.log_lines("x")
        run.log_artifact_ref("x", "s3://b")
        run.set_tags({"a": "b"})
        assert run.flush().complete
        assert (run.backend_ids, run.urls, run.wait_open()) == ({}, {}, {})
        assert multitrack.active_run() is run
        with multitrack.start_run(parent=run) as child:
            assert child.disabled
    assert run.status == "finished"
    assert list(tmp_path.iterdir()) == []


def test_rank_0_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert not start().disabled


def test_with_ranks_all_each_rank_is_a_child_run(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import multitrack, os\n"
        "config = {'delivery': 'off', 'ranks': 'all', 'journal': 'j', 'project': 'p'}\n"
        "with multitrack.start_run(name='r', config=config) as run:\n"
        "    run.log_metric('rank', int(os.environ['RANK']), step=0)\n"
    )
    launch = "import os, subprocess, sys\n" + (
        "ps = [subprocess.Popen([sys.executable, 'train.py'], env={**os.environ, 'RANK': str(i), 'WORLD_SIZE': '3', "
        "'LOCAL_WORLD_SIZE': '3'}) for i in range(3)]\nsys.exit(max(p.wait() for p in ps))\n"
    )
    subprocess.run([sys.executable, "-c", launch], check=True, cwd=tmp_path)
    found = {run.manifest.name: run for run in multitrack.open_journal(tmp_path / "j").runs()}
    assert set(found) == {"r", "r-rank0", "r-rank1", "r-rank2"}
    assert {run.manifest.parent for name, run in found.items() if name != "r"} == {found["r"].id}
    assert [found[f"r-rank{i}"].get_metrics()["rank"][0].value for i in range(3)] == [0, 1, 2]
    assert {run.summary().status for run in found.values()} == {"finished"}
    assert {run.manifest.project for run in found.values()} == {"p"}


def test_with_ranks_all_a_launch_without_an_id_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ConfigError, match="run_id="):
        start(config={"ranks": "all"})
