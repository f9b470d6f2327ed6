"""What W&B gives back carries no credentials into the lane's own notes, into messages or into the report."""

import importlib
from pathlib import Path

import pytest
from stand_in_server import StandInServer
from wandb_lanes import lane_of, step

import multitrack
from multitrack.recording.run import Run
from multitrack_wandb import errors


def start(tmp_path: Path, url: str) -> Run:
    config = {"journal": str(tmp_path / "journal"), "delivery": "off", "wandb": {"base_url": url, "dir": str(tmp_path)}}
    return multitrack.start_run("tests", config=config, backends=["wandb"])


def kept(tmp_path: Path) -> str:
    """Everything that the journal holds."""
    return "".join(
        path.read_text(encoding="utf-8") for path in sorted((tmp_path / "journal").rglob("*")) if path.is_file()
    )


def test_a_password_in_the_servers_url_goes_no_further(tmp_path: Path, server: StandInServer) -> None:
    host = server.url.removeprefix("http://")
    run = start(tmp_path, f"http://user:pa55word@{host}")
    run.log_metric("loss", 0.5, step=0)
    run.end()
    lane = lane_of(run)
    lane._source.given = {"base_url": f"http://user:pa55word@{host}", "dir": str(tmp_path), "mode": "online"}
    step(lane)
    lane.release()
    assert lane.state.closed, lane.state.problem
    assert lane.state.url == f"http://{host}/team/tests/runs/{run.id}"
    assert "sessions.json" in {path.name for path in (tmp_path / "journal").rglob("*")}
    assert "pa55word" not in kept(tmp_path)


@pytest.mark.parametrize("refused", ["start", "rows"])
def test_a_key_in_an_error_of_the_server_goes_no_further(
    tmp_path: Path, server: StandInServer, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """Of the netrc file, too, which no rule of ours reads."""
    monkeypatch.delenv("WANDB_API_KEY")
    key = "netrc-" + "7" * 40
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text(f"machine {server.url.removeprefix('http://')}\n  login user\n  password {key}\n")
    run = start(tmp_path, server.url)
    run.log_metric("loss", 0.5, step=0)
    lane = lane_of(run)
    if refused == "start":
        server.denied = f"key {key} of http://user:{key}@proxy is not valid"
    step(lane)
    server.denied = server.denied or f"key {key} of http://user:{key}@proxy is not valid"
    run.end()
    step(lane)
    lane.release()
    assert "not valid" in str(lane.state.problem)
    assert key not in str(lane.state.problem)
    assert run.id in kept(tmp_path)
    assert key not in kept(tmp_path)


def test_texts_are_left_as_they_are_otherwise() -> None:
    assert importlib.import_module("multitrack_wandb.errors").plain("a b://c d") == "a b://c d"
    assert errors.plain(ValueError("at https://me:secret@host/x?api_key=1")) == "at https://host/x?api_key=[redacted]"
