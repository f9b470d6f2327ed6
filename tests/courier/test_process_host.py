"""Delivery by a courier process."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.recording.run import Run
from processes import but_progress, couriers, script, wait_until
from recording_backends import delivered

pytestmark = pytest.mark.usefixtures("trusted")


def start(*backends: object, **config: Any) -> Run:
    return multitrack.start_run("p", backends=list(backends), config={"interval": 0.05, **config})


def steps(path: Path) -> list[int]:
    return [line["record"]["step"] for line in delivered(path, "metric")]


def test_the_courier_delivers_from_a_process_of_its_own(tmp_path: Path) -> None:
    with start("recording_backends:file") as run:
        run.log_params({"a": 1})
        for step in range(100):
            run.log_metric("x", float(step), step=step)
        report = run.flush(timeout=20)
        assert (report["file"].delivered, report["file"].pending) == (101, 0)
        assert run.backend_ids == {"file": f"file-{run.id}"}
        assert run.urls["file"].startswith("file://")
    (opened,) = delivered(tmp_path / "delivered.jsonl", "open")
    assert opened["pid"] != os.getpid()
    assert opened["context_pid"] == os.getpid()
    assert steps(tmp_path / "delivered.jsonl") == list(range(100))
    (closed,) = delivered(tmp_path / "delivered.jsonl", "close")
    assert closed["status"] == "finished"
    assert run.end().complete


def test_one_courier_serves_all_runs_of_a_process(tmp_path: Path) -> None:
    runs = [start("recording_backends:file") for _ in range(5)]
    for run in runs:
        run.log_metric("x", 1.0, step=0)
    for run in runs:
        run.end()
    assert len({line["pid"] for line in delivered(tmp_path / "delivered.jsonl", "open")}) == 1
    assert len(delivered(tmp_path / "delivered.jsonl", "close")) == 5


def test_a_child_does_not_wait_and_its_parent_is_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, waits = multitrack.recording.run_lanes.wait, []
    monkeypatch.setattr(
        "multitrack.recording.run_lanes.wait", lambda *given, **more: (waits.append(given), real(*given, **more))
    )
    with start("recording_backends:file") as parent:
        child = multitrack.start_run(parent=parent)
        child.log_metric("x", 1.0, step=0)
        child.end()
        assert waits == []
    assert len(waits) == 1
    (link,) = delivered(tmp_path / "delivered.jsonl", "link")
    assert (link["run"], link["parent"]) == (child.id, f"file-{parent.id}")
    assert {line["run"] for line in delivered(tmp_path / "delivered.jsonl", "close")} == {parent.id, child.id}


def test_a_parent_waits_for_children_that_nobody_holds(tmp_path: Path) -> None:
    with start("recording_backends:file") as parent:
        for _ in range(20):
            multitrack.start_run(parent=parent).end()
    assert len(parent.family()) == 21
    assert len(delivered(tmp_path / "delivered.jsonl", "close")) == 21


def test_secrets_reach_the_courier_but_no_file(tmp_path: Path) -> None:
    uri = "https://user:hunter2@host/x"
    with start("recording_backends:file", file={"secret": uri}) as run:
        run.log_metric("x", 1.0, step=0)
    (opened,) = delivered(tmp_path / "delivered.jsonl", "open")
    assert opened["options"]["secret"] == uri
    kept = b"".join(path.read_bytes() for path in (tmp_path / ".multitrack").rglob("*") if path.is_file())
    assert run.id.encode() in kept
    assert b"hunter2" not in kept


def test_no_sdk_is_imported_into_the_training_process(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "config = {'wandb': {'mode': 'offline'}, 'delivery': 'process'}\n"
        "strangers = 'mlflow wandb neptune numpy pandas sqlalchemy alembic requests pydantic keras tensorflow multitrack.courier.loop'\n"
        "with multitrack.start_run(backends=['mlflow', 'wandb', 'neptune'], config=config) as run:\n"
        "    run.log_params({'lr': 0.1}); run.log_metric('x', 1.0, step=0); run.log_list_metric('y', [1.0]); run.log_lines('z')\n"
        "    run.set_tags({'a': 'b'}); run.log_artifact_ref('script', __file__); run.flush()\n"
        "print(sorted(set(strangers.split()) & set(sys.modules)), run.end().complete)\n",
        WANDB_ERROR_REPORTING="false", MLFLOW_DISABLE_TELEMETRY="true",
    )  # fmt: skip
    out, errors = training.communicate(timeout=200)
    assert out == "[] True\n", errors


def test_a_run_may_end_without_a_word_and_the_courier_goes(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "run = multitrack.start_run(backends=['recording_backends:file'])\n"
        "for i in range(50): run.log_metric('x', 1.0, step=i)\n",
    )
    _, errors = training.communicate(timeout=60)
    assert (training.returncode, but_progress(errors)) == (0, [])
    assert steps(tmp_path / "delivered.jsonl") == list(range(50))
    assert delivered(tmp_path / "delivered.jsonl", "close")[0]["status"] == "finished"
    wait_until(lambda: couriers() == [])


def test_when_training_is_killed_the_courier_delivers_the_rest_and_goes(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "run = multitrack.start_run(backends=['recording_backends:file'])\nrun.wait_open()\n"
        "for i in range(500): run.log_metric('x', 1.0, step=i)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    training.communicate(timeout=60)
    path = tmp_path / "delivered.jsonl"
    wait_until(lambda: delivered(path, "close"))
    assert steps(path) == list(range(500))
    (closed,) = delivered(path, "close")
    assert closed["status"] == "killed"
    assert closed["time"] == delivered(path, "metric")[-1]["time"]  # its last sign of life
    wait_until(lambda: couriers() == [])
    (run,) = multitrack.open_journal().runs()
    assert run.summary().status == "killed"


def test_a_pipe_that_somebody_else_holds_open_does_not_keep_the_courier(tmp_path: Path) -> None:
    """As a process that C code forked does: training's death is seen by its children's new parent."""
    training = script(
        tmp_path,
        "import subprocess\nfrom multitrack.recording import couriers\n"
        "run = multitrack.start_run(backends=['recording_backends:file'])\nrun.wait_open()\n"
        "pipe = couriers._hosts['process']._pipe\n"
        "holder = subprocess.Popen(['sleep', '60'], pass_fds=[pipe])\nprint(holder.pid, flush=True)\n"
        "run.log_metric('x', 1.0, step=0)\nos.write(pipe, b'{\"add\": \"cut o')\nos.kill(os.getpid(), signal.SIGKILL)\n",
    )
    assert training.stdout is not None
    holder = int(training.stdout.readline())
    try:
        wait_until(lambda: delivered(tmp_path / "delivered.jsonl", "close"))
        wait_until(lambda: couriers() == [])
    finally:
        os.kill(holder, signal.SIGKILL)
        training.communicate()
    assert delivered(tmp_path / "delivered.jsonl", "close")[0]["status"] == "killed"


def test_a_journal_that_is_taken_away_stops_its_lanes_alone(tmp_path: Path) -> None:
    gone = start("recording_backends:file")
    gone.log_metric("x", 1.0, step=0)
    gone.flush(timeout=20)
    assert gone.directory is not None
    gone.directory.rename(tmp_path / "elsewhere")
    with start("recording_backends:file") as run:
        run.log_metric("x", 1.0, step=1)
    assert run.end().complete
    assert steps(tmp_path / "delivered.jsonl") == [0, 1]


def test_a_courier_that_dies_is_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = start("recording_backends:file")
    run.log_metric("x", 1.0, step=0)
    run.flush(timeout=20)
    for pid in couriers():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: couriers() == [])
    run.log_metric("x", 1.0, step=1)
    assert run.end().complete
    assert steps(tmp_path / "delivered.jsonl") == [0, 1]
    assert "the courier process died; starting it again" in caplog.text


def test_detach_returns_at_once_and_the_courier_goes_on(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "with multitrack.start_run(backends=['recording_backends:waiting'], config={'exit': 'detach'}) as run:\n"
        "    for i in range(50): run.log_metric('x', 1.0, step=i)\n",
    )
    assert training.wait(timeout=20) == 0
    assert len(couriers()) == 1
    assert steps(tmp_path / "delivered.jsonl") == []
    (tmp_path / "go").touch()
    _, errors = training.communicate(timeout=60)  # the courier holds stderr, too
    (run,) = multitrack.open_journal().runs()
    assert but_progress(errors) == [
        f"multitrack: run {run.id}: waiting: 0 delivered, 50 pending; the courier goes on; `multitrack runs` shows its progress"
    ]
    wait_until(lambda: delivered(tmp_path / "delivered.jsonl", "close"))
    assert steps(tmp_path / "delivered.jsonl") == list(range(50))
    wait_until(lambda: couriers() == [])


def test_the_courier_is_not_led_to_other_runs_or_gpus(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "run = multitrack.start_run(backends=['recording_backends:file'])\nrun.wait_open()\nprint('ready', flush=True)\n"
        "sys.stdin.readline()\n",
        WANDB_RUN_ID="somebody", MLFLOW_RUN_ID="else", CUDA_VISIBLE_DEVICES="0",
    )  # fmt: skip
    assert training.stdout is not None
    assert training.stdout.readline() == "ready\n"
    (pid,) = couriers()
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    training.kill()
    training.communicate()
    assert not [entry for entry in environment if entry.startswith((b"WANDB_RUN_ID", b"MLFLOW_RUN_ID"))]
    assert b"CUDA_VISIBLE_DEVICES=-1" in environment
    wait_until(lambda: couriers() == [])


def test_a_listing_of_processes_tells_what_it_is(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "run = multitrack.start_run(backends=['recording_backends:file'])\nrun.wait_open()\nprint('ready', flush=True)\n"
        "sys.stdin.readline()\n",
    )
    assert training.stdout is not None
    assert training.stdout.readline() == "ready\n"
    (pid,) = couriers()
    _, *options = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    assert options[:2] == [b"-P", b"-c"]
    assert options[2].startswith(b"# multitrack's courier: delivers what a training records\n")
    assert options[3:5] == [b"-m", b"multitrack.courier"]
    training.communicate("\n")
    wait_until(lambda: couriers() == [])


def test_ctrl_c_reaches_training_alone_and_the_run_ends_as_killed(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "with multitrack.start_run(backends=['recording_backends:file']) as run:\n"
        "    run.log_metric('x', 1.0, step=0)\n    print('ready', flush=True)\n    time.sleep(60)\n",
    )
    assert training.stdout is not None
    assert training.stdout.readline() == "ready\n"
    training.send_signal(signal.SIGINT)
    training.communicate(timeout=60)
    assert training.returncode == -signal.SIGINT
    assert delivered(tmp_path / "delivered.jsonl", "close")[0]["status"] == "killed"
