"""What goodseed's own server and command line show of a run."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from goodseed_runs import PROJECT, deliver, start

from multitrack.recording.run import Run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def run(home: Path) -> Run:
    run = start(home, name="baseline", params={"lr": 0.1})
    for step in range(3):
        run.log_metric("val/loss", 1 / (step + 1), step=step)
    run.log_metric("val/loss", float("inf"), step=3)
    run.log_lines(["one", "two"])
    run.end()
    deliver(home, run)
    return run


def goodseed(*arguments: str) -> list[str]:
    code = "import sys; from goodseed.cli import main; sys.exit(main())"
    return [sys.executable, "-c", code, *arguments]


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "GOODSEED_HOME": str(home / "goodseed"), "GOODSEED_STORAGE": "local"}


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(goodseed("serve", "--port", str(port)), env=environment(home), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/api"
    finally:
        server.terminate()
        server.wait()


def answer(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


def test_the_server_shows_the_run(run: Run, url: str) -> None:
    native_id = run.backend_ids["goodseed"]
    (shown,) = answer(f"{url}/runs?project={PROJECT}")["runs"]
    assert (shown["run_id"], shown["experiment_name"], shown["status"]) == (native_id, "baseline", "finished")
    assert (shown["metric_paths"], shown["string_series_paths"]) == (["val/loss"], ["logs/log"])
    one = f"{url}/runs/{PROJECT}/{native_id}"
    assert answer(f"{one}/configs")["configs"]["parameters/lr"] == 0.1
    path = urllib.parse.quote("val/loss", safe="")
    points = answer(f"{one}/metrics?path={path}&pointCount=100")["points"]
    assert [(point["step"], point["value"]) for point in points] == [
        (0.0, 1.0), (1.0, 0.5), (2.0, 1 / 3), (3.0, "Infinity")
    ]  # fmt: skip
    lines = answer(f"{one}/string_series?path=logs%2Flog")["string_series"]
    assert [line["value"] for line in lines] == ["one", "two"]


def test_the_command_lists_the_run(home: Path, run: Run) -> None:
    done = subprocess.run(
        goodseed("list", "-p", PROJECT), env=environment(home), capture_output=True, text=True, check=True
    )
    assert run.backend_ids["goodseed"] in done.stdout
