"""Case 9: a W&B server that does not answer our question gets every row once, as from the plain SDK."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_in_server import KEY, ServedRun, StandInServer
from wandb_alone import isolate
from wandb_trainings import kill, start, sync, train

from multitrack.delivery.lane_state import LaneState, read_state

pytestmark = [pytest.mark.case(9), pytest.mark.slow]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL", "1")


@pytest.fixture(params=["counting", "not counting"])
def server(request: pytest.FixtureRequest) -> Iterator[StandInServer]:
    """W&B as it is, and an independent server: it knows named operations only, and counts nothing."""
    with StandInServer() as server:
        if request.param == "not counting":
            server.counts, server.unnamed, server.appends = "zero", "operation", True
        yield server


def options(server: StandInServer) -> str:
    return json.dumps({"base_url": server.url, "entity": "team"})


def state(place: Path) -> LaneState:
    return read_state(place / "journal" / "runs" / "mine", "wandb")


def expect(run: ServedRun, count: int) -> None:
    assert [(row["multitrack/step"], row["loss"]) for row in run.rows] == [(i, i / 8) for i in range(count)]
    assert [line.partition(" ")[2].rstrip("\n") for line in run.lines] == [f"line {i}" for i in range(count)]


def said(server: StandInServer, place: Path) -> None:
    """What was not verified is said once, and only where it was not."""
    sentences = state(place).stand_ins
    assert len(sentences) == len(set(sentences))
    assert any("acknowledged" in sentence for sentence in sentences) == server.appends, sentences


@pytest.mark.long("not counting")
def test_as_written(tmp_path: Path, server: StandInServer) -> None:
    train(tmp_path, "mine", 0, 500, options(server))
    assert state(tmp_path).closed, state(tmp_path).problem
    expect(server.runs["mine"], 500)
    assert server.runs["mine"].exit_code == 0
    said(server, tmp_path)


@pytest.mark.long("counting")
def test_a_run_that_goes_on_sends_only_what_is_new(tmp_path: Path, server: StandInServer) -> None:
    for first in (0, 50, 100):
        train(tmp_path, "mine", first, first + 50, options(server))
        assert state(tmp_path).closed, state(tmp_path).problem
        expect(server.runs["mine"], first + 50)


@pytest.mark.long("not counting-sync")
@pytest.mark.parametrize("way", ["sync", "run_id"])
def test_kill_9_of_courier_and_training(tmp_path: Path, server: StandInServer, way: str) -> None:
    training = start(tmp_path, "mine", 0, 100_000, options(server), pause=0.002)
    returned = kill(training, tmp_path, lambda: "mine" in server.runs and len(server.runs["mine"].rows) > 100)
    part = len(server.runs["mine"].rows)
    if way == "run_id":
        train(tmp_path, "mine", returned + 1, returned + 51, options(server))
    sync(tmp_path)
    assert state(tmp_path).closed, state(tmp_path).problem
    run = server.runs["mine"]
    steps = [row["multitrack/step"] for row in run.rows]
    assert steps == sorted(set(steps))
    # The point whose call had not returned when it was killed may be there or not.
    wanted = set(range(returned)) | (set(range(returned + 1, returned + 51)) if way == "run_id" else set())
    assert set(steps) - {returned} == wanted
    assert 0 < part < len(steps)
    assert [int(line.rpartition(" ")[2]) for line in run.lines if int(line.rpartition(" ")[2]) != returned] == sorted(
        wanted
    )


def test_no_test_needs_the_oracle() -> None:
    """The independent server's licence is not ours: it is named nowhere in what the project installs."""
    root = Path(__file__).parent.parent.parent
    files = [root / "pyproject.toml", *(root / "plugins").glob("*/pyproject.toml"), *(root / ".ci").glob("*.txt")]
    assert len(files) > 6
    assert not [path for path in files if "openwandb" in path.read_text()]
    assert os.environ["WANDB_API_KEY"] == KEY
