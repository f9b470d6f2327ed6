"""MLflow's undocumented names: which the installed release has, and what happens without one."""

import contextlib
import http.server
import importlib
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient
from mlflow_reader import read_run
from mlflow_server import mlflow_server

import multitrack
from multitrack_mlflow import internals, sqlite, transport

TEXT = "lacks mlflow.utils.rest_utils._get_http_response_with_retries"


@pytest.fixture
def unsaid() -> Iterator[None]:
    transport._say_what_is_missing.cache_clear()
    yield
    transport._say_what_is_missing.cache_clear()


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch, unsaid: None) -> None:
    """MLflow without its HTTP function, whose other callers then fail."""
    monkeypatch.delattr(importlib.import_module(internals.SEND[0]), internals.SEND[1])


def journal_of(tmp_path: Path, uri: str) -> multitrack.Run:
    """A run that has ended, not delivered yet."""
    config = {"journal": str(tmp_path / "journal"), "delivery": "off", "mlflow": {"tracking_uri": uri, "timeout": 2.5}}
    with multitrack.start_run("p", "n", config=config, backends=["mlflow"], params={"lr": 0.1}) as run:
        run.log_metric("loss", 0.5, step=0)
        run.log_lines("one")
    return run


def with_a_later_release(script: str, cwd: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a script in a process of its own, where MLflow's function has another name."""
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments], cwd=cwd, env={**os.environ, "PYTHONPATH": paths},
        capture_output=True, text=True, timeout=200, check=True,
    )  # fmt: skip


def test_the_installed_release_has_every_name() -> None:
    """Where one is gone, runs are still delivered: see what took its place, then change internals.py."""
    assert internals.missing() == []


def test_the_installed_release_keeps_places_of_artifacts_where_we_know(tmp_path: Path) -> None:
    sqlite.prepare(tmp_path / "mlflow.db", mlflow.__version__)
    assert internals.place_artifacts(tmp_path / "mlflow.db", "file:///elsewhere")
    (experiment,) = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db").search_experiments()
    assert experiment.artifact_location == "file:///elsewhere"


def test_a_store_that_looks_otherwise_inside_is_made_by_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = sqlite._template(sqlite._cache(), mlflow.__version__)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    template = sqlite._cache() / usual.name
    shutil.copyfile(usual, template)
    with contextlib.closing(sqlite3.connect(template)) as connection:
        connection.execute("ALTER TABLE experiments RENAME COLUMN artifact_location TO place")
    run = journal_of(tmp_path, f"sqlite:///{tmp_path}/mlflow.db")
    assert multitrack.sync(tmp_path / "journal")[run.id].complete
    assert [path.name for path in tmp_path.glob("*mlflow.db*")] == ["mlflow.db"]
    assert read_run(f"sqlite:///{tmp_path}/mlflow.db", run.backend_ids["mlflow"]).params == {"lr": "0.1"}


def test_a_name_that_is_gone_is_missing(removed: None) -> None:
    assert internals.missing() == [".".join(internals.SEND)]
    assert not transport.install()


def test_a_database_needs_no_http_and_nothing_is_said(
    tmp_path: Path, removed: None, caplog: pytest.LogCaptureFixture
) -> None:
    run = journal_of(tmp_path, f"sqlite:///{tmp_path}/mlflow.db")
    assert multitrack.sync(tmp_path / "journal")[run.id].complete
    assert [record for record in caplog.records if record.name == "multitrack"] == []


def test_beside_the_trainings_own_mlflow_it_is_said_once_and_no_variable_is_set(
    unsaid: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    with caplog.at_level(logging.WARNING):
        transport.limit_by_variables(30.0, alone=False)
        transport.limit_by_variables(30.0, alone=False)
    (record,) = caplog.records
    assert TEXT in record.getMessage()
    assert "may retry for minutes, unless MLFLOW_HTTP_REQUEST_MAX_RETRIES is 0" in record.getMessage()
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


@pytest.mark.slow
def test_a_server_is_delivered_to_without_the_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "false")
    (tmp_path / "server").mkdir()
    with mlflow_server(tmp_path / "server") as address:
        runs = [journal_of(tmp_path, address) for _ in range(2)]
        done = with_a_later_release(
            """
            import later_release, os, multitrack
            multitrack.sync("journal")
            print(os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"], os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"])
            """,
            tmp_path,
        )
        assert done.stderr.count(TEXT) == 1, done
        assert "its own retries are off" in done.stderr
        assert done.stdout == "0 3\n"  # and no run's page, without the variable against them
        for run in runs:
            held = read_run(address, run.backend_ids["mlflow"])
            assert (held.params, held.lines, held.status) == ({"lr": "0.1"}, ["one"], "finished")


class Unavailable(http.server.BaseHTTPRequestHandler):
    """A server that answers 503 to everything, and counts what it is asked."""

    asked: int

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *given: object) -> None:
        """Nothing."""


def test_without_the_function_mlflow_does_not_retry_by_itself() -> None:
    """It would, seven times and for minutes."""
    script = """
        import sys, later_release
        from multitrack.errors import RetryableError
        from multitrack_mlflow import errors, transport
        from mlflow.tracking import MlflowClient

        assert not transport.install()
        transport.limit_by_variables(2.5, alone=True)
        try:
            with errors.translated(sys.argv[1], 2.5):
                MlflowClient(sys.argv[1], sys.argv[1]).get_experiment("1")
        except RetryableError as error:
            print(error)
    """
    Unavailable.asked = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Unavailable) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = with_a_later_release(script, Path.cwd(), f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert "503" in done.stdout, done
    assert Unavailable.asked == 1
