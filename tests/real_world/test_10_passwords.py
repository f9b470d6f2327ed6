"""A password in a tracker's address reaches neither disk nor screen."""

import base64
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from mlflow_server import mlflow_server

import multitrack
from multitrack import hookimpl
from multitrack.hookspecs import Opened, RunInfo
from multitrack.records import Metric
from multitrack.security.redaction import Redactor, secret_values
from processes import script

pytestmark = [pytest.mark.case(10), pytest.mark.slow]

PASSWORD = "hunter2-and-more"  # noqa: S105 - of nobody


def places_of(password: str, tmp_path: Path) -> list[str]:
    """The files below a directory that hold a text; there are some files at all."""
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    return sorted(str(path) for path in files if password.encode() in path.read_bytes())


@pytest.mark.long("p%40ss%2Fword-1")
@pytest.mark.parametrize("password", [PASSWORD, "secret", "p%40ss%2Fword-1"])
def test_a_password_in_the_tracking_uri(tmp_path: Path, password: str) -> None:
    (tmp_path / "server").mkdir()
    work = tmp_path / "work"
    work.mkdir()
    with mlflow_server(tmp_path / "server") as address:
        uri = address.replace("http://", f"http://user:{password}@")
        out, errors = script(
            work,
            "run = multitrack.start_run('p', name='n', backends=['mlflow'])\n"
            "run.log_metric('x', 1.0, step=0)\n"
            "report = run.end()\n"
            "print(run.urls, run.backend_ids, report, repr(run))\n",
            MULTITRACK_MLFLOW_TRACKING_URI=uri,
        ).communicate(timeout=120)
        assert "'mlflow': 'http://127.0.0.1" in out, errors
        shown = [out, errors]
        for arguments in (["show", "n"], ["show", "n", "--json"], ["runs"], ["runs", "--json"], ["config"],
                          ["report", "--no-charts"], ["logs", "n"], ["sync"]):  # fmt: skip
            done = subprocess.run(
                [sys.executable, "-m", "multitrack", *arguments], cwd=work, capture_output=True, text=True,
                env={**os.environ, "MULTITRACK_MLFLOW_TRACKING_URI": uri, "MULTITRACK_BACKENDS": "mlflow"},
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            shown += [done.stdout, done.stderr]
    assert [text for text in shown if f"{password}@" in text or f":{password}" in text] == []
    assert (work / "report.html").exists()
    assert places_of(f":{password}", work) == []


def test_a_server_that_is_down_does_not_give_it_away_either(tmp_path: Path) -> None:
    _, errors = script(
        tmp_path,
        "from multitrack.delivery import waiting\nwaiting.STALL = 1.0\nwaiting.START = 60.0\n"
        "run = multitrack.start_run('p', backends=['mlflow'])\nrun.end()\n",
        MULTITRACK_MLFLOW_TRACKING_URI=f"http://user:{PASSWORD}@127.0.0.1:9",
    ).communicate(timeout=120)
    assert "127.0.0.1" in errors
    assert PASSWORD not in errors
    assert places_of(PASSWORD, tmp_path) == []


class Echo(http.server.BaseHTTPRequestHandler):
    """Refuses whatever comes, and quotes the header that it came with."""

    def _refuse(self) -> None:
        said = f"no such user: {self.headers['Authorization']}"
        body = json.dumps({"error_code": "INVALID_PARAMETER_VALUE", "message": said}).encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _refuse  # noqa: N815 - names of the base class

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.mark.long("hunter2-and-more-variables")
@pytest.mark.parametrize("how", ["uri", "variables"])
@pytest.mark.parametrize("password", [PASSWORD, "p@ss/wörd"])
def test_a_server_that_quotes_the_authorization(tmp_path: Path, how: str, password: str) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"127.0.0.1:{server.server_port}"
    variables = {"MULTITRACK_MLFLOW_TRACKING_URI": f"http://{host}"}
    if how == "uri":
        variables["MULTITRACK_MLFLOW_TRACKING_URI"] = f"http://user:{quote(password, safe='')}@{host}"
    else:
        variables |= {"MLFLOW_TRACKING_USERNAME": "user", "MLFLOW_TRACKING_PASSWORD": password}
    out, errors = script(
        tmp_path,
        "run = multitrack.start_run('p', name='n', backends=['mlflow'])\nrun.log_metric('x', 1.0, step=0)\n"
        "print(run.end()['mlflow'].problem)\n",
        **variables,
    ).communicate(timeout=120)
    shown = subprocess.run(
        [sys.executable, "-m", "multitrack", "show", "n"], cwd=tmp_path, capture_output=True, text=True
    ).stdout
    server.shutdown()
    server.server_close()
    assert "no such user: Basic [redacted]" in out, errors
    for encoding in ("utf-8", "latin-1"):
        sent = base64.b64encode(f"user:{password}".encode(encoding)).decode()
        assert sent not in out + errors + shown
        assert places_of(sent, tmp_path) == []


def test_the_key_of_wandb_as_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = base64.b64encode(b"api:0123456789abcdef").decode()
    assert (
        Redactor(secrets=secret_values({"api_key": "0123456789abcdef"})).begin().text(f"Basic {sent}")
        == "Basic [redacted]"
    )
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    assert Redactor().begin().text(f"Basic {sent}") == "Basic [redacted]"


class Chatty:
    """Repeats what it was told, in everything that it gives back."""

    name = "chatty"

    def __init__(self) -> None:
        self.address = f"http://user:{PASSWORD}@host/run"

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        print(f"opened {self.address}")
        return Opened(f"id-{PASSWORD}", url=self.address)

    @hookimpl
    def log_metric(self, run: RunInfo, records: list[Metric]) -> list[Any]:
        if "bad" in records[0].values:
            raise ValueError(f"refused by {self.address}")
        return [f"kept in {self.address}", PASSWORD, 7]

    @hookimpl
    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        raise ValueError(f"no parent in {self.address}")

    @hookimpl
    def close_run(self, run: RunInfo, status: str, time: int) -> None:
        raise RuntimeError(f"cannot close {self.address}")


def test_whatever_a_plugin_gives_back_is_redacted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", PASSWORD)  # one of those that are known to be secrets
    config = {"delivery": "thread", "interval": 0.05}
    with multitrack.start_run(backends=[Chatty()], config=config) as run:
        run.log_metric("x", 1.0, step=0)
        run.flush(10)
        run.log_metric("bad", 1.0, step=0)
        with multitrack.start_run(parent=run) as child:
            child.log_metric("x", 1.0, step=0)
        child.flush(10)
        assert (run.urls["chatty"], run.backend_ids["chatty"]) == ("http://host/run", "id-[redacted]")
    report = run.end()["chatty"]
    assert report.stand_ins == ["kept in http://host/run", "[redacted]", "7"]
    assert report.reasons == {"ValueError: refused by http://host/run": 1}
    assert report.problem == "RuntimeError: cannot close http://host/run"
    assert "cannot close" in caplog.text
    assert PASSWORD not in caplog.text
    assert places_of(PASSWORD, tmp_path) == []
