"""What is particular to acme, and what the contract leaves out: a courier in a process of its own."""

from pathlib import Path
from typing import Any

import pytest
from acme_reader import read_run

import multitrack


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config, and the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "multitrack.toml").write_text('backends = ["acme"]\n\n[acme]\nfile = "acme.db"\n')
    return tmp_path


def test_a_training_is_delivered_by_its_courier(config: Path) -> None:
    with multitrack.start_run("digits", params={"model": "small"}) as run:
        run.log_metric("loss", 0.5, step=0)
    assert run.end().complete
    native = read_run(config / "acme.db", run.backend_ids["acme"])
    assert (native.status, native.params) == ("finished", {"model": "small"})
    assert [point.value for point in native.series["loss"]] == [0.5]


def test_a_lost_file_is_written_again(config: Path) -> None:
    arguments: dict[str, Any] = {"project": "digits", "run_id": "nightly", "config": {"delivery": "off"}}
    for step in range(2):
        run = multitrack.start_run(backends=["acme"], **arguments)
        run.log_metric("loss", 1 / (step + 1), step=step)
        run.end()
        multitrack.sync()
        native = read_run(config / "acme.db", run.backend_ids["acme"])
        assert [point.value for point in native.series["loss"]] == [1.0, 0.5][: step + 1]
        (config / "acme.db").unlink()


def test_a_file_of_something_else_is_left_alone(config: Path) -> None:
    (config / "acme.db").write_text("notes, and no database\n" * 100)
    run = multitrack.start_run(backends=["acme"], config={"delivery": "off"})
    run.end()
    multitrack.sync()
    problem = run.flush()["acme"].problem
    assert problem is not None
    assert "file is not a database" in problem
    assert (config / "acme.db").read_text().startswith("notes")
