"""Whole and once, whatever dies; and what the backend leaves alone in a process that it does not own."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from neptune_file import find_run, read_fields, read_run, run_directories

import multitrack
from multitrack.errors import BackendNotInstalledError, ConfigError
from multitrack.journal.atomic import write_json
from multitrack_neptune import NeptuneOptions, backend
from multitrack_neptune.backend import Published
from multitrack_neptune.fields import Recording


def configured(tmp_path: Path, **settings: Any) -> dict[str, Any]:
    return {
        "journal": str(tmp_path / "journal"), "delivery": "off", "neptune": {"directory": str(tmp_path / "data")},
        **settings,
    }  # fmt: skip


def start(tmp_path: Path, **arguments: Any) -> multitrack.Run:
    return multitrack.start_run(config=configured(tmp_path), backends=["neptune"], project="delivery", **arguments)


def python(script: str, cwd: Path, **arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=100, check=False, **arguments)


TRAINING = """
import sys, time
from pathlib import Path
import multitrack

config = {"journal": "journal", "interval": 0.1, "neptune": {"directory": "data"}}
run = multitrack.start_run(config=config, backends=["neptune"], project="kill", name="killed", params={"lr": 0.1})
step = 0
while not Path("enough").exists():
    run.log_metric("loss", step * 0.5, step=step)
    run.log_lines(f"step {step}")
    run.log_list_metric("list", float(step))
    print(step, flush=True)
    step += 1
    time.sleep(0.002)
run.log_metric("best", 0.25)
run.end()
"""


def wait_for(condition: Any, what: str) -> Any:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"no {what} in time")


def delivered(journal: Path) -> int:
    """How many records a lane has handed over so far."""
    states = journal.glob("runs/*/lanes/neptune.json")
    return sum(msgspec.json.decode(state.read_bytes()).get("delivered", 0) for state in states)


def courier(journal: Path) -> int:
    """The pid of a courier that has begun to write the run."""
    found = {int(log.stem.partition("-")[2]) for log in journal.glob("courier-*.log")}
    alive = [pid for pid in found if Path(f"/proc/{pid}").exists()]
    return alive[0] if alive and delivered(journal) > 50 else 0


@pytest.mark.long("both")
@pytest.mark.parametrize("who", ["the courier", "both"])
def test_kill_9_in_mid_run_loses_and_doubles_nothing(tmp_path: Path, who: str) -> None:
    journal, data = tmp_path / "journal", tmp_path / "data"
    with (tmp_path / "steps").open("w") as steps:
        training = subprocess.Popen([sys.executable, "-c", TRAINING], cwd=tmp_path, stdout=steps)
    try:
        pid = wait_for(lambda: courier(journal), "courier at work")
        assert list((data / "unfinished").iterdir()), "the run is being built aside"
        assert run_directories(data) == [], "half a run is in nobody's way"
        if who == "both":
            training.kill()
            os.kill(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
            time.sleep(0.3)
            (tmp_path / "enough").touch()
        training.wait(60)
    finally:
        training.kill()
    acknowledged = int((tmp_path / "steps").read_text().splitlines()[-1]) + 1

    # Not at once: the killed courier's threads hold its lanes' locks until the last one is gone.
    wait_for(lambda: multitrack.sync(journal) == {}, "end of the delivery")
    (run,) = multitrack.open_journal(journal).runs()
    native = read_run(find_run(data, run.id))
    points = [(point.step, point.value) for point in native.series["loss"]]
    assert points == [(step, step * 0.5) for step in range(len(points))]
    # a call that had not returned may be there whole or not at all
    assert acknowledged <= len(points) <= acknowledged + 1
    assert native.lines == [f"step {step}" for step in range(len(native.lines))]
    assert acknowledged <= len(native.lines) <= acknowledged + 1
    assert [point.value for point in native.series["list"]] == [float(i) for i in range(len(native.series["list"]))]
    assert len(native.series["list"]) >= acknowledged
    assert native.params == {"lr": 0.1}
    assert native.status == ("killed" if who == "both" else "finished")
    assert list((data / "unfinished").iterdir()) == []


def test_a_resumed_run_replaces_the_earlier_directory(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log_metric("loss", 0.5, step=0)
    run.end()
    multitrack.sync(tmp_path / "journal")
    first = find_run(tmp_path / "data", run.id)
    again = start(tmp_path, run_id=run.id)
    again.log_metric("loss", 0.25, step=1)
    multitrack.sync(tmp_path / "journal")
    assert run_directories(tmp_path / "data") == [first], "the earlier one stays until the new one is whole"
    again.end()
    multitrack.sync(tmp_path / "journal")
    second = find_run(tmp_path / "data", run.id)
    assert run_directories(tmp_path / "data") == [second]
    assert first != second
    assert first.name.split("__")[:2] == second.name.split("__")[:2], "Neptune's id is the same"
    assert again.urls == {"neptune": second.as_uri()}
    assert [point.value for point in read_run(second).series["loss"]] == [0.5, 0.25]


class KilledError(Exception):
    """Stands for a kill: nothing of the backend catches it."""


def killed(*_: Any) -> None:
    raise KilledError


def killed_at_the_second_note(path: Path, note: Published) -> None:
    if len(note.directories) == 1:
        raise KilledError
    write_json(path, note)


@pytest.mark.parametrize(
    ("target", "name", "instead"),
    [
        (Recording, "end", killed),  # before the new directory is there
        (shutil, "rmtree", killed),  # both are there
        (sys.modules["multitrack_neptune.backend"], "write_json", killed_at_the_second_note),
    ],
)
def test_a_courier_killed_while_it_publishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: object, name: str, instead: Any
) -> None:
    run = start(tmp_path)
    run.log_metric("loss", 0.5, step=0)
    run.end()
    multitrack.sync(tmp_path / "journal")
    again = start(tmp_path, run_id=run.id)
    again.log_metric("loss", 0.25, step=1)
    again.end()
    with monkeypatch.context() as patch:
        patch.setattr(target, name, instead)
        multitrack.sync(tmp_path / "journal")
    problem = again.flush()["neptune"].problem
    assert problem is not None
    assert "KilledError" in problem
    wait_for(lambda: multitrack.sync(tmp_path / "journal") == {}, "end of the delivery")
    assert len(run_directories(tmp_path / "data")) == 1
    native = read_run(find_run(tmp_path / "data", run.id))
    assert [point.value for point in native.series["loss"]] == [0.5, 0.25]


def test_a_full_disk_stops_the_lane_and_loses_nothing(tmp_path: Path) -> None:
    """A limit on file size stands for the disk: writes beyond it fail with the same kind of error."""
    run = start(tmp_path)
    for step in range(5000):
        run.log_metric("loss", step * 0.5, step=step)
    run.end()
    done = python(
        """
        import resource, multitrack
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        for report in multitrack.sync("journal").values():
            print(report)
        """,
        tmp_path,
    )
    assert "cannot write Neptune's" in done.stdout, done
    assert "set aside" not in done.stdout
    assert run_directories(tmp_path / "data") == []
    assert multitrack.sync(tmp_path / "journal")[run.id].complete
    native = read_run(find_run(tmp_path / "data", run.id))
    assert [(point.step, point.value) for point in native.series["loss"]] == [(i, i * 0.5) for i in range(5000)]


def test_after_damaged_notes_the_run_is_there_once(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log_metric("loss", 0.5, step=0)
    run.end()
    multitrack.sync(tmp_path / "journal")
    assert run.directory is not None
    (run.directory / "lanes" / "neptune" / "published.json").write_bytes(b'{"x')
    (run.directory / "lanes" / "neptune.json").write_bytes(b"{")
    assert multitrack.sync(tmp_path / "journal")[run.id].complete
    assert [point.value for point in read_run(find_run(tmp_path / "data", run.id)).series["loss"]] == [0.5]


def test_runs_of_one_id_in_two_journals_do_not_meet(tmp_path: Path) -> None:
    for name in ("one", "two"):
        config = {**configured(tmp_path), "journal": str(tmp_path / name)}
        with multitrack.start_run(config=config, backends=["neptune"], project=name, run_id="same") as run:
            run.log_metric("x", 1.0 if name == "one" else 2.0, step=0)
            multitrack.sync(tmp_path / name)
    for name in ("one", "two"):
        multitrack.sync(tmp_path / name)
    natives = [read_run(directory) for directory in run_directories(tmp_path / "data")]
    assert sorted(native.series["x"][0].value for native in natives) == [1.0, 2.0]


def test_many_runs_at_once_and_nothing_else_is_touched(tmp_path: Path) -> None:
    """Runs open together in a courier's pool; its process keeps its threads, hooks, environment and files."""
    runs = [start(tmp_path, name=f"run {i}") for i in range(12)]
    for i, run in enumerate(runs):
        for step in range(300):
            run.log_metrics({"x": i * 1000.0 + step, "y": -step}, step=step)
        run.log_lines([f"run {i} line {j}" for j in range(50)])
    before = set(threading.enumerate()), sys.excepthook, dict(os.environ)
    multitrack.sync(tmp_path / "journal")
    assert open_files(tmp_path / "data") == [], "no file stays open between stretches"
    for run in runs:
        run.end()
    multitrack.sync(tmp_path / "journal")
    strangers = [thread for thread in set(threading.enumerate()) - before[0] if "multitrack" not in thread.name]
    assert strangers == []
    assert (sys.excepthook, dict(os.environ)) == before[1:]
    assert len(run_directories(tmp_path / "data")) == len(runs)
    for i, run in enumerate(runs):
        native = read_run(find_run(tmp_path / "data", run.id))
        assert native.name == f"run {i}"
        assert [point.value for point in native.series["x"]] == [i * 1000.0 + step for step in range(300)]
        assert native.lines == [f"run {i} line {j}" for j in range(50)]


def open_files(directory: Path) -> list[str]:
    targets = [str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.exists()]
    return [target for target in targets if target.startswith(str(directory))]


@pytest.mark.parametrize("mode", ["async", "sync", "debug", "read-only", "offlin"])
def test_a_mode_that_needs_the_service_is_an_error_at_start_run(tmp_path: Path, mode: str) -> None:
    with pytest.raises(ConfigError, match=r"shut down on 5 March 2026.*offline.*mlflow"):
        multitrack.start_run(config={**configured(tmp_path), "neptune": {"mode": mode}}, backends=["neptune"])
    assert not (tmp_path / "journal").exists()


def test_a_mistyped_option_is_an_error_at_start_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'directory'"):
        multitrack.start_run(config={**configured(tmp_path), "neptune": {"direktory": "x"}}, backends=["neptune"])


def test_without_the_sdk_start_run_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multitrack.plugins.sdk._find", lambda module: (None, None))
    with pytest.raises(BackendNotInstalledError, match=r"pip install 'multitrack\[neptune\]'"):
        backend.backend_options()


def test_the_default_directory_is_the_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with multitrack.start_run(config={"journal": "journal", "delivery": "off"}, backends=["neptune"]) as run:
        run.log_metric("x", 1.0, step=0)
    monkeypatch.chdir(tmp_path)
    multitrack.sync(tmp_path / "work" / "journal")
    assert read_run(find_run(tmp_path / "work" / ".neptune", run.id)).series["x"][0].value == 1.0
    monkeypatch.setenv("NEPTUNE_DATA_DIRECTORY", "elsewhere")
    assert NeptuneOptions().directory == str(tmp_path / "elsewhere")


def test_the_sdk_is_not_imported_at_start_run(tmp_path: Path) -> None:
    done = python(
        """
        import sys, multitrack
        config = {"journal": "journal", "delivery": "off"}
        multitrack.start_run(config=config, backends=["neptune"]).end()
        import multitrack_neptune
        print([name for name in sys.modules if name.partition(".")[0] == "neptune"])
        """,
        tmp_path,
    )
    assert done.stdout.strip() == "[]", done


def test_the_sdk_prints_nothing_and_asks_nothing(tmp_path: Path) -> None:
    run = start(tmp_path, params={"n": float("nan"), "long": "x" * 20_000})
    run.log_metric("loss", float("inf"), step=0)
    run.log_lines("x" * 3000)
    run.end()
    done = python('import multitrack; multitrack.sync("journal")', tmp_path, stdin=subprocess.DEVNULL)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert read_run(find_run(tmp_path / "data", run.id)).status == "finished"


def test_a_child_is_grouped_under_its_parent(tmp_path: Path) -> None:
    parent = start(tmp_path, name="search", group="study")
    child = multitrack.start_run(config=configured(tmp_path), parent=parent, name="trial")
    child.end()
    parent.end()
    multitrack.sync(tmp_path / "journal")
    fields = read_fields(find_run(tmp_path / "data", child.id))
    assert fields["multitrack/parent"] == parent.id
    assert fields["multitrack/parent_name"] == "search"
    assert parent.id in fields["sys/group_tags"]
    assert read_fields(find_run(tmp_path / "data", parent.id))["sys/group_tags"] == {"study"}
