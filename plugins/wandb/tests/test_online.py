"""Online, against a stand-in server: what was recorded is what the server has."""

import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from stand_in_server import KEY, ServedRun, StandInServer
from wandb_lanes import lane_of, step

import multitrack
from multitrack.delivery.lane_state import read_state
from multitrack.recording.run import Run
from multitrack_wandb import sdk


def start(tmp_path: Path, server: StandInServer, **arguments: Any) -> Run:
    options = {"mode": "online", "base_url": server.url, "dir": str(tmp_path)}
    config = {"journal": str(tmp_path / "journal"), "delivery": "off", "wandb": options}
    return multitrack.start_run(config=config, backends=["wandb"], **{"project": "tests", **arguments})


def points(run: ServedRun, name: str) -> list[tuple[int, float]]:
    return [(row["multitrack/step"], row[name]) for row in run.rows if name in row]


def lines(run: ServedRun) -> list[str]:
    """The text behind the time of upload that the SDK puts before each line."""
    return [line.partition(" ")[2].rstrip("\n") for line in run.lines]


def writes_logs() -> bool:
    """Whether the release has ``Run.write_logs``; else it begins a run's logs anew when the run goes on."""
    return hasattr(sdk.imported().Run, "write_logs")


def test_everything_arrives(tmp_path: Path, server: StandInServer) -> None:
    run = start(tmp_path, server, name="nämé", params={"lr": 0.1}, tags={"team": "vision"}, group="study")
    for i, value in enumerate((0.5, math.inf, 0.25)):
        run.log_metric("loss", value, step=10 * i)
    run.log_metric("loss", 0.125)
    run.log_list_metric("list", [1.0, 2.0])
    run.log_lines(["one", "", "\x1b[31mred\x1b[0m", "a\rb", "x" * 5000])
    run.log_artifact_ref("weights", "s3://bucket/weights", kind="model")
    run.end("failed")
    multitrack.sync(tmp_path / "journal")
    assert run.flush().complete
    held = server.runs[run.id]
    assert run.urls == {"wandb": f"{server.url}/team/tests/runs/{run.id}"}
    assert (held.display_name, held.group, held.tags, held.exit_code) == ("nämé", "study", ["team:vision"], 1)
    assert points(held, "loss") == [(0, 0.5), (10, math.inf), (20, 0.25)]
    assert points(held, "list") == [(0, 1.0), (1, 2.0)]
    assert [row["_step"] for row in held.rows] == list(range(5))
    assert run.directory is not None
    recorded = multitrack.open_journal(tmp_path / "journal").run(run.id).get_metrics()["loss"]
    assert [round(row["_timestamp"] * 1000) for row in held.rows[:3]] == [point.time for point in recorded]
    assert held.summary["loss"] == 0.125
    # Captured output, which an emulated terminal shows, and cuts off.
    rest = ["a\rb", "x" * 5000] if writes_logs() else ["b", "x" * 4096]
    assert lines(held) == ["one", "", "\x1b[31mred\x1b[0m", *rest]
    assert (held.config["lr"], held.config["multitrack/tags/team"]) == (0.1, "vision")
    (artifact,) = server.artifacts
    assert (artifact["artifactCollectionName"], artifact["artifactTypeName"]) == ("weights", "model")
    assert not any("otel" in request for request in server.requests)


def test_a_reference_that_w_and_b_refuses_is_in_the_config(tmp_path: Path, server: StandInServer) -> None:
    server.artifact_types["weights"] = "dataset"
    run = start(tmp_path, server)
    run.log_artifact_ref("weights", "s3://bucket/weights", kind="model")
    run.end()
    multitrack.sync(tmp_path / "journal")
    assert run.flush().complete
    kept = server.runs[run.id].config["multitrack/artifacts/weights"]
    assert (kept["uri"], kept["kind"]) == ("s3://bucket/weights", "model")
    assert "dataset" in kept["refused"]
    assert server.artifacts == []


def test_a_resumed_run_goes_on_where_it_ended(tmp_path: Path, server: StandInServer) -> None:
    run = start(tmp_path, server, params={"lr": 0.1})
    run.log_metric("loss", 0.5, step=0)
    run.log_metric("best", 0.5)
    run.log_lines("first")
    run.end()
    multitrack.sync(tmp_path / "journal")
    again = start(tmp_path, server, run_id=run.id)
    again.log_metric("loss", 0.25, step=1)
    again.log_lines("second")
    again.end("failed")
    multitrack.sync(tmp_path / "journal")
    assert again.flush().complete
    held = server.runs[run.id]
    assert points(held, "loss") == [(0, 0.5), (1, 0.25)]
    assert [row["_step"] for row in held.rows] == [0, 1]
    assert lines(held) == (["first", "second"] if writes_logs() else ["second"])
    assert (held.summary["best"], held.config["lr"], held.exit_code) == (0.5, 0.1, 1)


def test_kill_9_of_training_and_courier(tmp_path: Path, server: StandInServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server holds a part: rows and lines go on behind it, and none comes twice."""
    script = tmp_path / "train.py"
    script.write_text(
        "import multitrack, sys, time\n"
        f"config = {{'journal': 'journal', 'interval': 0.1, 'wandb': {{'base_url': '{server.url}'}}}}\n"
        "run = multitrack.start_run(project='p', run_id='killed', config=config, backends=['wandb'])\n"
        "for i in range(100_000):\n"
        "    run.log_metric('loss', i / 8, step=i)\n"
        "    run.log_lines([f'line {i}', ''])\n"
        "    print(i, flush=True)\n"
        "    time.sleep(0.001)\n"
    )
    training = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    directory = tmp_path / "journal" / "runs" / "killed"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not ("killed" in server.runs and server.runs["killed"].lines):
        time.sleep(0.02)
    (log,) = (tmp_path / "journal").glob("courier-*.log")
    courier = int(log.stem.partition("-")[2])
    os.kill(courier, signal.SIGSTOP)
    training.kill()
    os.kill(courier, signal.SIGKILL)
    returned = len(training.communicate()[0].splitlines())
    held = server.runs["killed"]
    part = len(held.rows), len(held.lines)
    deadline = time.monotonic() + 30
    while not read_state(directory, "wandb").settled and time.monotonic() < deadline:
        multitrack.sync(tmp_path / "journal")
    kept = len(held.rows)
    assert min(part) > 0
    assert kept - returned in (0, 1)
    assert points(held, "loss") == [(i, i / 8) for i in range(kept)]
    assert held.exit_code == 255
    if not writes_logs():
        return
    assert lines(held)[: 2 * returned] == [line for i in range(returned) for line in (f"line {i}", "")]


def test_a_server_that_refuses_in_mid_run_loses_nothing(tmp_path: Path, server: StandInServer) -> None:
    """The SDK then gives up uploading for good and still calls the run finished; the count tells."""
    run = start(tmp_path, server)
    run.log_metric("loss", 0.5, step=0)
    lane = lane_of(run)
    step(lane)
    assert lane.state.problem is None
    server.denied = True
    run.log_metric("loss", 0.25, step=1)
    run.log_lines("one")
    run.end()
    step(lane)
    assert "W&B" in str(lane.state.problem)
    assert not lane.state.closed
    lane.release()
    server.denied = False
    multitrack.sync(tmp_path / "journal")
    assert run.flush().complete
    assert points(server.runs[run.id], "loss") == [(0, 0.5), (1, 0.25)]
    assert lines(server.runs[run.id]) == ["one"]


def test_rows_that_the_server_holds_are_not_sent_again(tmp_path: Path, server: StandInServer) -> None:
    """As after a courier's death: the first rows are there, nobody here knows it."""
    run = start(tmp_path, server)
    for i in range(10):
        run.log_metric("loss", float(i), step=i)
    server.runs[run.id] = ServedRun(run.id, "tests")
    server.runs[run.id].files["wandb-history.jsonl"] = [
        f'{{"_step": {i}, "loss": {i}, "multitrack/step": {i}}}' for i in range(7)
    ]
    run.end()
    multitrack.sync(tmp_path / "journal")
    assert run.flush().complete
    held = server.runs[run.id]
    assert points(held, "loss") == [(i, float(i)) for i in range(10)]
    assert [row["_step"] for row in held.rows] == list(range(10))


def test_a_refused_key_is_said_once_and_nothing_is_lost(tmp_path: Path, server: StandInServer) -> None:
    run = start(tmp_path, server)
    run.log_metric("loss", 0.5, step=0)
    run.end()
    server.denied = True
    multitrack.sync(tmp_path / "journal")
    assert run.directory is not None
    state = read_state(run.directory, "wandb")
    assert state.stopped
    assert "WANDB_API_KEY" in str(state.problem)
    server.denied = False
    multitrack.sync(tmp_path / "journal")
    assert run.flush().complete
    assert points(server.runs[run.id], "loss") == [(0, 0.5)]


def test_a_server_that_is_away_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr("multitrack_wandb.settings._INIT_TIMEOUT", 2.0)
    with StandInServer() as server:
        run = start(tmp_path, server)
        run.log_metric("loss", 0.5, step=0)
    lane = lane_of(run)
    step(lane)
    assert lane.state.problem is not None
    assert not lane.state.stopped
    step(lane)  # a start that failed must not take the run's id for ever
    assert re.search("refused|timed out", str(lane.state.problem))  # by release; but not that the id is in use
    lane.release()
    assert list((tmp_path / "wandb").glob("run-*")) == []
    run.end()
