"""Models in W&B: in the config of their run, and linked to a registry online if the option says so."""

from pathlib import Path
from typing import Any

import pytest
from stand_in_server import StandInServer
from wandb_file import read_wandb

import multitrack
from multitrack.recording.run import Run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is in the current directory."""
    monkeypatch.chdir(tmp_path)


def write(tmp_path: Path, **options: Any) -> Run:
    config = {"delivery": "off", "wandb": {"dir": str(tmp_path), **options}}
    run = multitrack.start_run("tests", config=config, backends=["wandb"])
    run.log_artifact_ref("classifier", "s3://bucket/model", kind="model", digest="sha256:00")
    run.end()
    multitrack.sync()
    assert run.flush(timeout=0).complete
    return run


def said(run: Run) -> list[str]:
    return list(run.flush(timeout=0)["wandb"].stand_ins)


def test_a_version_is_linked_to_the_registry(tmp_path: Path, server: StandInServer) -> None:
    run = write(tmp_path, mode="online", base_url=server.url, registry="model")
    assert said(run) == []
    shown = server.runs[run.id].config["multitrack/models/classifier"]
    assert (shown["version"], shown["digest"], shown["reasons"]) == ("1.0.0", "sha256:00", ["the first version"])
    (link,) = server.links
    assert (link["projectName"], link["artifactPortfolioName"]) == ("wandb-registry-model", "classifier")
    assert [each["alias"] for each in link["aliases"]] == ["1.0.0"]
    assert (link["artifact"]["artifactTypeName"], link["artifact"]["runName"]) == ("model", run.id)
    assert not [name for name, _ in server.uploads if "model" in name]  # nothing is copied


def test_a_registry_that_is_not_there_keeps_no_run_open(tmp_path: Path, server: StandInServer) -> None:
    run = write(tmp_path, mode="online", base_url=server.url, registry="other")
    (sentence,) = said(run)
    assert sentence.startswith("model classifier 1.0.0 is not linked to the registry other: ")
    assert "not found" in sentence
    assert server.runs[run.id].exit_code == 0
    assert server.links == []


def test_without_the_option_nothing_is_linked(tmp_path: Path, server: StandInServer) -> None:
    run = write(tmp_path, mode="online", base_url=server.url)
    assert said(run) == []
    assert server.links == []
    assert server.runs[run.id].config["multitrack/models/classifier"]["version"] == "1.0.0"


def test_offline_the_config_has_the_version(tmp_path: Path) -> None:
    run = write(tmp_path, mode="offline", registry="model")
    assert said(run) == ["models are not linked to the registry model: W&B links only online"]
    shown = read_wandb(tmp_path, run.id).config["multitrack/models/classifier"]
    assert (shown["version"], shown["uri"]) == ("1.0.0", "s3://bucket/model")
