"""A Pushgateway holds a run's values for a moment after its end, and nothing afterwards."""

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_reader import of_run, scraped
from prometheus_runs import delivered, start, training
from prometheus_server import free_port, get, prometheus, pushgateway, until

import multitrack

pytestmark = pytest.mark.waits


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pushgateway(tmp_path_factory.mktemp("push") / "gateway") as port:
        yield f"http://127.0.0.1:{port}"


def groups(gateway: str) -> list[dict[str, str]]:
    """The labels of what the gateway holds, by its own API."""
    return [group["labels"] for group in get(f"{gateway}/api/v1/metrics")["data"]]


def push(gateway: str, **more: Any) -> dict[str, Any]:
    return {"mode": "push", "gateway": gateway, **more}


def test_prometheus_sees_the_end_of_a_training_and_the_gateway_forgets_it(gateway: str, tmp_path: Path) -> None:
    with prometheus(tmp_path / "prometheus", int(gateway.rpartition(":")[2])) as server:
        server.scrape()
        with training(tmp_path, push(gateway, hold=2.0, tags=["team"])):
            until(lambda: list((tmp_path / "journal" / "runs").glob("*/lanes/prometheus.json")), "lane")
            time.sleep(1)
            assert groups(gateway) == [], "nothing is pushed before the end"
        assert groups(gateway) == []
        last = multitrack.open_journal(tmp_path / "journal").run("nightly").get_metrics("val/acc")["val/acc"][-1]
        found = server.query('last_over_time(multitrack_metric{run="nightly",metric="val/acc",tag_team="vision"}[5m])')
        assert [(sample.value, sample.labels["job"]) for sample in found] == [(last.value, "multitrack")]
        (info,) = server.query('last_over_time(multitrack_run_info{run="nightly"}[5m])')
        assert info.labels["status"] == "finished"
        server.scrape()
        assert server.query('multitrack_metric{run="nightly"}') == []


def test_a_courier_that_is_killed_before_the_deletion_leaves_that_to_sync(gateway: str, tmp_path: Path) -> None:
    run = start(tmp_path, push(gateway, hold=20.0), run_id="killed-late")
    run.log_metric("x", 1.0)
    run.end()
    sync = subprocess.Popen([sys.executable, "-c", "import multitrack; multitrack.sync('journal')"], cwd=tmp_path)
    until(lambda: groups(gateway), "pushed group")
    os.kill(sync.pid, signal.SIGKILL)
    sync.wait()
    assert [group["run"] for group in groups(gateway)] == ["killed-late"]
    (tmp_path / "multitrack.toml").write_text("[prometheus]\nhold = 0.0\n")  # the run keeps its own, 20 s
    until(lambda: multitrack.sync(tmp_path / "journal") == {}, "end of the delivery", 60)
    assert groups(gateway) == []


def test_runs_of_one_id_in_two_journals_are_two_groups(gateway: str, tmp_path: Path) -> None:
    places = [tmp_path / "one", tmp_path / "two"]
    runs = [start(place, push(gateway, hold=3.0), run_id="same") for place in places]
    for i, run in enumerate(runs):
        run.log_metric("x", float(i))
        run.end()
    threads = [threading.Thread(target=multitrack.sync, args=(place / "journal",)) for place in places]
    for thread in threads:
        thread.start()
    until(lambda: len(groups(gateway)) == 2, "two groups")
    found = scraped(f"{gateway}/metrics")
    assert sorted(s.value for s in found if s.name == "multitrack_metric") == [0.0, 1.0]
    for thread in threads:
        thread.join()
    assert groups(gateway) == []
    for run in runs:
        assert of_run(found, run.backend_ids["prometheus"])


def test_a_gateway_that_is_down_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    run = start(tmp_path, push(f"http://127.0.0.1:{port}"))
    run.log_metric("x", 1.0)
    run.end()
    said: list[str] = []
    sync = threading.Thread(target=multitrack.sync, args=(tmp_path / "journal",), kwargs={"notice": said.append})
    sync.start()
    until(lambda: said, "notice")
    assert f"cannot reach the Pushgateway http://127.0.0.1:{port}" in said[0]
    with pushgateway(tmp_path / "gateway", port):
        sync.join()
        assert groups(f"http://127.0.0.1:{port}") == []
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            page = answer.read().decode()
        assert 'pushgateway_http_requests_total{code="202",handler="delete",method="delete"} 1' in page
    assert delivered(tmp_path, run)


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers with one status, as a proxy before a gateway may."""

    status = 0

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(type(self).status)
        self.end_headers()
        self.wfile.write(b"no\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the standard library
        pass


@pytest.mark.long("400-True", "404-True", "503-False")
@pytest.mark.parametrize(
    ("status", "stopped"),
    [(400, True), (401, True), (403, True), (404, True), (500, False), (503, False), (429, False)],
)
def test_an_answer_is_final_or_not(status: int, stopped: bool, tmp_path: Path) -> None:
    Refusing.status = status
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run = start(tmp_path, push(f"http://127.0.0.1:{server.server_address[1]}"))
        run.end()
        script = "import sys, multitrack, threading; threading.Timer(3, lambda: __import__('os')._exit(0)).start()\n"
        script += "multitrack.sync('journal')\n__import__('os')._exit(0)"
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=60)
        server.shutdown()
    state = multitrack.open_journal(tmp_path / "journal").run(run.id).lanes()["prometheus"]
    assert not state.closed
    assert f"answered {status}: no" in str(state.problem)
    assert state.stopped is stopped
