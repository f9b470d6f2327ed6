"""What training code holds: every call, every mistake, every way a run ends."""

import argparse
import json
import logging
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import multitrack
from multitrack import (
    ConfigError,
    JournalError,
    MetricKindError,
    ParamChangedError,
    RunClosedError,
    RunError,
    RunInUseError,
    plugins,
)
from multitrack.recorded import RecordedRun
from multitrack.run import Run
from multitrack.start import join_run
from multitrack.summary import Summary
from multitrack.testing import MemoryBackend
from multitrack.wait import wait


def start(**arguments: Any) -> Run:
    return multitrack.start_run(config={"delivery": "off"} | arguments.pop("config", {}), **arguments)


def summary(run: Run) -> Summary:
    assert run.directory is not None
    return RecordedRun(run.directory).summary()


def recorded(run: Run) -> RecordedRun:
    assert run.directory is not None
    return RecordedRun(run.directory)


# -- recording ------------------------------------------------------------------------------------------------


def test_everything_a_user_writes(tmp_path: Path) -> None:
    """The design's example, read back."""
    with start(project="digits", name="baseline", params={"lr": 1e-3}, tags={"a": 1}, notes="n", group="g") as run:
        run.log_params({"model": {"units": 64, "dropout": 0.2}})
        run.log_metric("accuracy", 0.93)
        run.log_metric("loss", 0.31, step=4)
        run.log_metrics({"loss": 0.29, "val_loss": 0.35}, step=5)
        run.log_list_metric("epoch_loss", [0.9, 0.5, 0.3])
        run.log_artifact_ref("weights", "s3://bucket/model.keras", kind="model", role="output")
        run.log_lines("epoch 5 done\nand more")
        run.set_tags({"stage": "final"})
        assert run.status == "running"
    found = recorded(run)
    told = found.summary()
    assert told.status == "finished"
    assert told.params == {"lr": 1e-3, "model/units": 64, "model/dropout": 0.2}
    assert told.metrics == {"accuracy": 0.93, "loss": 0.29, "val_loss": 0.35, "epoch_loss": 0.3}
    assert [(p.step, p.value) for p in found.get_metrics()["loss"]] == [(4, 0.31), (5, 0.29)]
    assert found.get_list_metrics() == {"epoch_loss": [0.9, 0.5, 0.3]}
    assert [line.text for line in found.get_lines()] == ["epoch 5 done", "and more"]
    assert told.tags == {"a": "1", "stage": "final"}
    assert told.artifacts[0].uri == "s3://bucket/model.keras"
    manifest = found.manifest
    assert (manifest.project, manifest.name, manifest.notes, manifest.group) == ("digits", "baseline", "n", "g")


def test_the_callers_object_may_change_right_after() -> None:
    run = start()
    array, params = np.array([1.0, 2.0]), {"x": [1]}
    run.log_list_metric("a", array)
    run.log_params(params)
    array[:] = 0
    params["x"].append(2)
    assert recorded(run).get_list_metrics("a") == {"a": [1.0, 2.0]}
    assert summary(run).params == {"x": [1]}


@pytest.mark.parametrize(
    ("call", "arguments", "error", "names"),
    [
        ("log_metric", ("loss", "0.5"), TypeError, "'loss'"),
        ("log_metric", ("loss", None, 1), TypeError, "'loss'"),
        ("log_metric", ("loss", [1, 2]), TypeError, "log_list_metric"),
        ("log_metric", (3, 0.5), TypeError, "metric name"),
        ("log_metric", ("", 0.5), ValueError, "metric name"),
        ("log_metric", ("a\0b", 0.5), ValueError, "NUL"),
        ("log_metric", ("loss", 0.5, 1.5), TypeError, "step"),
        ("log_metric", ("loss", 0.5, "1"), TypeError, "^step must be a whole number, got '1'"),
        ("log_metric", ("loss", 0.5, float("inf")), TypeError, "^step must be a whole number, got inf"),
        ("log_metric", ("loss", 0.5, 2**2000), ValueError, r"^step must be from -\(2\*\*63 - 1\) to 2\*\*63 - 1"),
        ("log_metric", ("loss", 0.5, -(2**63)), ValueError, r"^step must be from -\(2\*\*63 - 1\) to 2\*\*63 - 1"),
        ("log_metric", ("loss", np.zeros(3)), TypeError, "log_list_metric takes several"),
        ("log_metric", ("loss", 0.5, True), TypeError, "step"),
        ("log_metric", ("loss", 0.5, math.nan), TypeError, "step"),
        ("log_metric", ("loss", 0.5, 2**63), ValueError, "step"),
        ("log_metrics", ({"a": 1.0, "b": "x"}, 1), TypeError, "'b'"),
        ("log_metrics", ([1],), TypeError, "metrics must be a mapping"),
        ("set_tags", (["a"],), TypeError, "tags must be a mapping"),
        ("log_list_metric", ("l", "123"), TypeError, "'l'"),
        ("log_list_metric", ("l", [1.0, None]), TypeError, "'l'"),
        ("log_list_metric", ("l", np.ones((2, 2))), TypeError, "one dimension"),
        ("log_params", (["a"],), TypeError, "mapping"),
        ("log_params", ({None: 1, "None": 2},), ValueError, "flatten to the same name"),
        ("log_params", ("missing.toml",), FileNotFoundError, "missing.toml"),
        ("log_params", ("config.ini",), ValueError, "config.ini"),
        ("log_lines", (3,), TypeError, "lines"),
        ("log_lines", ([b"x"],), TypeError, "lines"),
        ("log_artifact_ref", ("w", 3), TypeError, "uri"),
        ("log_artifact_ref", ("w", ""), ValueError, "uri"),
        ("log_artifact_ref", ("w", "missing.bin"), FileNotFoundError, "digest=False"),
        ("log_artifact_ref", ("w", "s3://b", "model", "neither"), ValueError, "role"),
        ("log_artifact_ref", ("", "s3://b"), ValueError, "artifact name"),
        ("set_tags", ({"a": None},), TypeError, "'a'"),
        ("set_tags", ({"": "x"},), ValueError, "tag name"),
    ],
)  # fmt: skip
def test_a_mistake_raises_at_the_call_and_changes_nothing(
    call: str, arguments: tuple[Any, ...], error: type[Exception], names: str
) -> None:
    run = start()
    run.log_metric("before", 1.0)
    before = list(recorded(run).records())
    with pytest.raises(error, match=names):
        getattr(run, call)(*arguments)
    assert list(recorded(run).records()) == before
    run.log_metric("after", 2.0)
    assert summary(run).metrics == {"before": 1.0, "after": 2.0}


def test_with_mistakes_warn_a_wrong_call_is_set_aside_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    run = start(config={"mistakes": "warn"})
    for _ in range(3):
        run.log_metric("loss", "not a number")
    run.log_params({"a": 1})
    run.log_params({"a": 2})
    run.log_metric("loss", 0.5, step=0)
    report = run.end()
    assert (run.mistakes, report.mistakes, summary(run).mistakes) == (4, 4, 4)
    assert len([record for record in caplog.records if "log_metric was set aside" in record.message]) == 1
    run.log_metric("late", 1.0)
    assert run.mistakes == 5


def test_a_param_is_written_once() -> None:
    run = start(params={"lr": 0.1, "n": 1})
    run.log_params({"lr": 0.1})
    with pytest.raises(ParamChangedError, match=r"'lr'.*0\.1.*0\.2"):
        run.log_params({"new": 1, "lr": 0.2})
    with pytest.raises(ParamChangedError, match="'n'"):
        run.log_params({"n": 1.0})  # another type is another value
    assert summary(run).params == {"lr": 0.1, "n": 1}
    assert summary(run).records == 1


def test_params_keep_where_they_came_from(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[model]\nunits = 64\n")
    (tmp_path / "b.json").write_text('{"seed": 7}')
    (tmp_path / "c.yaml").write_text("epochs: 3\n")
    run = start(params={"code": 1})
    run.log_params(argparse.Namespace(lr=0.1))
    for name in ("a.toml", "b.json", "c.yaml"):
        run.log_params(tmp_path / name)
    run.log_params({"given": 1}, source="sweep")
    told = summary(run)
    assert told.sources == {
        "code": "code", "lr": "command line", "model/units": str(tmp_path / "a.toml"), "seed": str(tmp_path / "b.json"),
        "epochs": str(tmp_path / "c.yaml"), "given": "sweep",
    }  # fmt: skip
    with pytest.raises(FileNotFoundError, match=r"cannot read the params file: No such file or directory: '.*e\.yaml'"):
        run.log_params(tmp_path / "e.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9")
    with pytest.raises(ValueError, match=r"params file .*latin\.yaml cannot be read: 'utf-8' codec"):
        run.log_params(tmp_path / "latin.yaml")
    (tmp_path / "d.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"d\.json must hold a mapping"):
        run.log_params(tmp_path / "d.json")


def test_one_name_is_a_series_or_a_list() -> None:
    run = start()
    run.log_metric("loss", 0.5, step=0)
    run.log_list_metric("list", [1.0])
    with pytest.raises(MetricKindError, match="'loss' is a series with steps"):
        run.log_list_metric("loss", [1.0])
    with pytest.raises(MetricKindError, match="'list' is a list metric"):
        run.log_metric("list", 1.0, step=0)


def test_secrets_in_a_uri_never_reach_the_journal() -> None:
    run = start()
    run.log_artifact_ref("a", "https://user:hunter2@host/x?X-Amz-Signature=hunter2&part=1")
    run.log_artifact_ref("b", "s3://bucket/käse?versionId=3")
    assert run.directory is not None
    assert b"hunter2" not in (run.directory / "000001.jsonl").read_bytes()
    assert [ref.uri for ref in summary(run).artifacts] == [
        "https://host/x?X-Amz-Signature=[redacted]&part=1", "s3://bucket/käse?versionId=3",
    ]  # fmt: skip


def test_local_references_have_digest_and_size(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"abc")
    (tmp_path / "saved" / "deep").mkdir(parents=True)
    (tmp_path / "saved" / "deep" / "x").write_bytes(b"1234")
    run = start()
    run.log_artifact_ref("relative", "w.bin")
    run.log_artifact_ref("uri", f"file://{tmp_path}/w.bin")
    run.log_artifact_ref("directory", tmp_path / "saved")
    run.log_artifact_ref("absent", tmp_path / "absent", digest=False)
    run.log_artifact_ref("given", "s3://b/k", digest="md5:00", size=3)
    refs = {ref.name: ref for ref in summary(run).artifacts}
    assert refs["relative"].digest == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (refs["uri"].digest, refs["uri"].uri) == (refs["relative"].digest, refs["relative"].uri)
    assert refs["directory"].size == 4
    assert (refs["absent"].uri, refs["absent"].digest) == ((tmp_path / "absent").as_uri(), None)
    assert (refs["given"].digest, refs["given"].size) == ("md5:00", 3)


def test_threads_may_log_to_one_run_at_once() -> None:
    run = start()

    def work(number: int) -> None:
        for step in range(200):
            run.log_metric(f"t{number}", step, step=step)
            run.log_params({"shared": 1})
            run.log_list_metric("list", [number])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.end()
    series = recorded(run).get_metrics()
    assert {name: [p.step for p in points] for name, points in series.items()} == {
        f"t{i}": list(range(200)) for i in range(8)
    }
    assert len(recorded(run).get_list_metrics("list")["list"]) == 1600
    times = [record.time for record in recorded(run).records()]
    assert times == sorted(times)


@pytest.mark.parametrize("name", ["a/b", "../../escape", "🚀 läunch", "x" * 500, "\x1b[31mred"])
def test_names_are_only_names(tmp_path: Path, name: str) -> None:
    run = start(project=name, name=name)
    run.end()
    assert run.directory is not None
    assert run.directory.parent == tmp_path / ".multitrack" / "runs"
    assert (recorded(run).manifest.name, recorded(run).manifest.project) == (name, name)


@pytest.mark.parametrize(
    "arguments", [{"name": "a\0b"}, {"project": ""}, {"run_id": "../x"}, {"run_id": "a/b"}, {"run_id": "ä"}]
)
def test_names_that_cannot_be(tmp_path: Path, arguments: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must"):
        start(**arguments)
    assert not (tmp_path / ".multitrack" / "runs").exists()


def test_bad_params_at_start_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        start(params={"a": 1, "": 2})
    with pytest.raises(TypeError, match="tag"):
        start(tags={"a": None})
    assert not (tmp_path / ".multitrack").exists()


def test_an_unwritable_journal_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"journal .*file/journal: .*MULTITRACK_JOURNAL"):
        start(config={"journal": str(tmp_path / "file" / "journal")})


def test_a_full_disk_does_not_stop_training(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    run = start()
    run.log_metric("loss", 1.0, step=0)
    real = os.write
    with monkeypatch.context() as full:
        full.setattr("os.write", lambda fd, data: real(fd, data[:30]))
        for step in range(1, 5):
            run.log_metric("loss", 1.0, step=step)
            run.log_lines("lost")
    run.log_metric("loss", 2.0, step=5)
    report = run.end()
    assert [p.step for p in recorded(run).get_metrics()["loss"]] == [0, 5]
    assert report.lost == 8
    assert len([record for record in caplog.records if "cannot be written" in record.message]) == 1


# -- where a run comes from -----------------------------------------------------------------------------------


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
        monkeypatch.setattr("multitrack.run.wait", lambda *args, **kwargs: (waited.append(args), wait(*args, **kwargs)))
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


# -- ends -----------------------------------------------------------------------------------------------------


def test_an_exception_ends_the_run_as_failed_and_goes_on_up() -> None:
    with pytest.raises(ZeroDivisionError), start() as run:
        run.log_metric("x", 1.0)
        1 / 0  # noqa: B018
    assert run.status == summary(run).status == "failed"
    lines = list(recorded(run).get_lines())
    assert "ZeroDivisionError: division by zero" in [line.text for line in lines]
    assert {line.stream for line in lines} == {"stderr"}


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), "killed"), (SystemExit(0), "finished"), (SystemExit(None), "finished"), (SystemExit(3), "failed"),
     (SystemExit("message"), "failed"), (SystemExit(143), "killed")],
)  # fmt: skip
def test_what_leaves_the_block_decides_how_it_ended(error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), start() as run:
        raise error
    assert summary(run).status == status


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("pass", "finished", 0), ("sys.exit(0)", "finished", 0), ("raise ValueError('x')", "failed", 1),
        ("raise KeyboardInterrupt", "killed", None), ("os.kill(os.getpid(), signal.SIGTERM)", "killed", -15),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed", -9), ("os._exit(0)", "killed", 0),
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); os.kill(os.getpid(), signal.SIGTERM)", "finished", 143),
    ],
)  # fmt: skip
def test_how_a_process_goes_with_a_run_open(tmp_path: Path, body: str, status: str, code: int | None) -> None:
    script = (
        "import multitrack, os, signal, sys\n"
        "run = multitrack.start_run(config={'delivery': 'off', 'journal': 'j'})\n"
        f"run.log_metric('x', 1.0, step=0)\n{body}\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=False)
    assert code is None or done.returncode == code, done.stderr.decode()
    (run,) = multitrack.open_journal(tmp_path / "j").runs()
    deadline = time.monotonic() + 5
    while run.summary().status == "running" and time.monotonic() < deadline:
        time.sleep(0.02)  # a git that the killed process had just begun holds its files until it is running
    assert run.summary().status == status
    assert run.summary().metrics == {"x": 1.0}


def test_a_closed_run_takes_nothing_and_loses_nothing() -> None:
    run = start()
    run.log_metric("x", 1.0)
    run.end()
    for call, arguments in (("log_metric", ("x", 2.0)), ("log_params", ({"a": 1},)), ("log_lines", ("x",)),
                            ("log_list_metric", ("l", [1])), ("log_artifact_ref", ("a", "s3://b")), ("set_tags", ({"a": "b"},))):  # fmt: skip
        with pytest.raises(RunClosedError, match=r"has ended; start_run\(run_id="):
            getattr(run, call)(*arguments)
    assert summary(run).metrics == {"x": 1.0}
    assert summary(run).records == 1
    run.end()
    with pytest.raises(ValueError, match="status"):
        start().end("done")  # type: ignore[arg-type]


def test_a_resumed_run_goes_on_and_knows_its_params() -> None:
    first = start(run_id="my-run", name="n", params={"lr": 0.1})
    first.log_list_metric("l", [1.0, 2.0])
    first.log_metric("s", 1.0, step=5)
    with pytest.raises(RunInUseError, match="my-run is open in this process already"):
        start(run_id="my-run")
    first.end()
    before = summary(first).records
    with pytest.raises(ParamChangedError, match="'lr'"):
        start(run_id="my-run", params={"lr": 0.2})
    assert summary(first).status == "finished"  # the refused start left it as it was
    again = start(run_id="my-run", params={"lr": 0.1})
    assert summary(again).status == "running"
    assert (again.name, summary(again).records) == ("n", before)
    again.log_list_metric("l", [3.0])
    with pytest.raises(MetricKindError):
        again.log_list_metric("s", [1.0])
    again.end()
    assert recorded(again).get_list_metrics() == {"l": [1.0, 2.0, 3.0]}
    times = [record.time for record in recorded(again).records()]
    assert times == sorted(times)


def test_a_forked_child_logs_to_a_segment_of_its_own() -> None:
    run = start()
    run.log_metric("x", 0, step=0)
    pid = os.fork()
    if pid == 0:
        for step in range(1, 4):
            run.log_metric("child", step, step=step)
        os._exit(0)
    for step in range(1, 4):
        run.log_metric("parent", step, step=step)
    os.waitpid(pid, 0)
    run.end()
    series = recorded(run).get_metrics()
    assert [p.value for p in series["child"]] == [p.value for p in series["parent"]] == [1, 2, 3]
    assert summary(run).status == "finished"
    assert run.directory is not None
    assert len(list(run.directory.glob("*.jsonl"))) == 2


# -- output as lines ------------------------------------------------------------------------------------------


def test_capture_turns_output_into_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("training")
    with start(capture=("stdout", "stderr", "logging")) as run:
        print("hello\nworld")
        print("progress 1%\rprogress 2%")
        print("no newline", end="")
        print("oops", file=sys.stderr)
        logger.warning("careful")
    print("after")
    assert capsys.readouterr().out == "hello\nworld\nprogress 1%\rprogress 2%\nno newlineafter\n"
    lines = [(line.stream, line.text) for line in recorded(run).get_lines()]
    assert [text for stream, text in lines if stream == "stdout"] == ["hello", "world", "progress 2%", "no newline"]
    assert ("stderr", "oops") in lines
    assert ("log", "WARNING training: careful") in lines
    with pytest.raises(ValueError, match="capture takes"):
        start(capture=("output",))


def test_a_log_handler_follows_the_active_run() -> None:
    logger = logging.getLogger("some.library")
    handler = multitrack.LogHandler()
    logger.addHandler(handler)
    try:
        logger.warning("nobody listens")
        with start() as run:
            logger.warning("heard %d", 1)
    finally:
        logger.removeHandler(handler)
    assert [line.text for line in recorded(run).get_lines()] == ["WARNING some.library: heard 1"]


# -- what importing costs -------------------------------------------------------------------------------------


def imported(script: str) -> set[str]:
    """The modules that a fresh interpreter has after ``script``; without those of coverage, where that measures."""
    script += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_multitrack_imports_no_tracker_and_no_keras() -> None:
    strangers = "mlflow wandb neptune keras keras_tuner tensorflow numpy sqlalchemy rich click"
    couriers = "multitrack.courier multitrack.lane multitrack.loading"
    assert not imported("import multitrack") & {*strangers.split(), *couriers.split()}


def test_importing_multitrack_imports_nothing_heavy_of_the_standard_library() -> None:
    """Each costs some milliseconds or megabytes, for what a training process seldom or never needs."""
    heavy = (
        "asyncio concurrent.futures csv ctypes email hashlib http importlib.metadata importlib.resources "
        "multiprocessing random shutil socket sqlite3 ssl subprocess tempfile urllib.request uuid xml zipfile"
    )
    own = imported("import multitrack") - imported("import msgspec, pluggy")
    assert not own & set(heavy.split())


def test_a_run_imports_nothing_heavy_either() -> None:
    own = imported(
        f"import sys; sys.path.append({str(Path(__file__).parent)!r})\n"
        "import multitrack\n"
        "with multitrack.start_run(backends=['recording_backends:file'], config={'delivery': 'off'}) as run:\n"
        "    run.log_params({'a': 1}); run.log_metric('x', 1.0, step=0); run.log_lines('x'); run.set_tags({'t': 1})\n"
    )
    assert not own & {"email", "hashlib", "http", "importlib.metadata", "multitrack.courier", "numpy", "random"}


def test_lines_between_two_times() -> None:
    run = start()
    run.log_lines("early")
    time.sleep(0.01)
    middle = int(time.time() * 1000)
    run.log_lines(["a", "b", "c"])
    found = recorded(run)
    assert [line.text for line in found.get_lines(from_time=middle)] == ["a", "b", "c"]
    assert [line.text for line in found.get_lines(to_time=middle - 1)] == ["early"]
    assert [line.text for line in found.get_lines(from_time=middle, limit=2)] == ["a", "b"]
