"""Tests of a new plugin whose store is the page's for an HTTP API; test_new_plugin.py puts them beside its own."""

from pathlib import Path
from typing import Any

import pytest
import test_contract
from acme_server import TOKEN, Acme, serving

import multitrack
from multitrack.errors import RetryableError
from multitrack.testing import NativePoint, NativeRun
from multitrack_acme import store


@pytest.fixture(scope="module")
def server() -> Any:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_TOKEN", TOKEN)


class TestHttp(test_contract.TestAcme):
    @pytest.fixture(autouse=True)
    def served(self, server: Acme) -> None:
        self.server = server

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"url": self.server.url}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        facts, rows = self.server.runs[backend_id], self.server.rows[backend_id]
        native = NativeRun(
            name=facts["name"], status=facts["status"], parent=facts.get("parent"), started=facts["started"],
            ended=facts["ended"], identity={key: facts[key] for key in ("user", "host", "program")},
        )  # fmt: skip
        fields = {"param": native.params, "simple": native.metrics, "tag": native.tags}
        for _, _, kind, name, step, time, value in [rows[key] for key in sorted(rows)]:
            if kind in fields:
                fields[kind][name] = value
            elif kind == "series":
                native.series.setdefault(name, []).append(NativePoint(step, value, time))
            elif kind == "artifact":
                native.artifacts[name] = value["uri"]
            else:
                native.lines.append(value)
        return native


def delivered(server: Acme, tmp_path: Path) -> tuple[multitrack.Run, Any]:
    """Record a run, deliver it, and return what is said of it."""
    config = {"journal": str(tmp_path / "journal"), "delivery": "off", "acme": {"url": server.url}}
    run = multitrack.start_run("digits", backends=["acme"], config=config)
    run.log_metric("loss", 0.5, step=0)
    run.end()
    multitrack.sync(tmp_path / "journal")
    return run, run.flush()["acme"]


def test_a_busy_server_is_asked_again(server: Acme, tmp_path: Path) -> None:
    server.answers = [503, 429]
    run, lane = delivered(server, tmp_path)
    assert (lane.problem, lane.set_aside, server.answers) == (None, 0, [])
    assert len(server.rows[run.backend_ids["acme"]]) == 1


def test_a_refused_token_stops_the_lane(server: Acme, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_TOKEN", "guessed")
    _, lane = delivered(server, tmp_path)
    assert "401 Unauthorized; set ACME_TOKEN to a valid token" in lane.problem
    assert (lane.set_aside, lane.pending) == (0, 1)


def test_refused_rows_are_set_aside(server: Acme, tmp_path: Path) -> None:
    server.answers = [None, 422, 422]  # the run, its rows, and these once more by themselves
    _, lane = delivered(server, tmp_path)
    assert (lane.set_aside, server.answers) == (1, [])


def test_a_server_that_is_gone_may_come_back() -> None:
    with serving() as gone:
        pass
    with pytest.raises(RetryableError, match="Connection refused"):
        store.find_run(gone.url, "digits", "nightly")
