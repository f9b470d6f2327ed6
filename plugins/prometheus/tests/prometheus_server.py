"""The real Prometheus, Pushgateway and node_exporter (Debian's packages), on ports of the loopback."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from prometheus_reader import Sample

#: Seconds between two scrapes of each target.
INTERVAL = 0.2
_T = TypeVar("_T")


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_ports(count: int) -> list[int]:
    """So many ports in a row."""
    while True:
        ports = list(range(first := free_port(), first + count))
        with contextlib.suppress(OSError), contextlib.ExitStack() as probes:
            for port in ports:
                probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return ports


def until(condition: Callable[[], _T], what: str, seconds: float = 120) -> _T:
    """Wait for a condition, and return its value.

    So long because a courier has the lowest priority: on a busy machine it gets a two-hundredth of a processor.
    """
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"no {what} in time")


def program(name: str) -> str:
    """The path of a program. Where there is none, the variable ``CI`` makes that a failure, which otherwise is a skip."""
    found = shutil.which(name)
    if found is None:
        message = f"needs {name}: apt-get install prometheus prometheus-pushgateway prometheus-node-exporter"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def get(url: str, **query: str) -> Any:
    """What an HTTP API answers in JSON."""
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}" if query else url, timeout=10) as answer:
        return json.load(answer)


@contextlib.contextmanager
def started(command: Sequence[str], directory: Path, ready: str) -> Iterator[None]:
    """A server, from when it answers at ``ready`` on."""

    def answers() -> bool:
        assert process.poll() is None, (directory / "log").read_text()
        with contextlib.suppress(OSError), urllib.request.urlopen(ready, timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        until(answers, f"answer at {ready}")
        yield
    finally:
        process.terminate()
        process.wait(30)


class Prometheus:
    """A server that scrapes, and its API."""

    def __init__(self, url: str, targets: int) -> None:
        self.url = url
        self._targets = targets

    def query(self, expression: str) -> list[Sample]:
        """The present values of an expression."""
        answer = get(f"{self.url}/api/v1/query", query=expression)
        assert (answer["status"], answer["data"]["resultType"]) == ("success", "vector"), answer
        return [
            Sample(found["metric"].pop("__name__", ""), found["metric"], float(found["value"][1]))
            for found in answer["data"]["result"]
        ]

    def scrape(self) -> None:
        """Wait until each target was scraped once more, from now on."""
        now = time.time()
        until(lambda: sum(time > now for _, _, time in self.query("timestamp(up)")) == self._targets, "scrape")

    def run(self, backend_id: str) -> list[Sample]:
        """All samples of one run, as of a new scrape; the labels of the target are left out."""
        self.scrape()
        run, _, journal = backend_id.partition("/")
        found = self.query(f'{{run="{run}",journal="{journal}"}}')
        assert len({labels["instance"] for _, labels, _ in found}) <= 1, found
        targets = ("instance", "job")
        return [Sample(name, {k: v for k, v in labels.items() if k not in targets}, v) for name, labels, v in found]


@contextlib.contextmanager
def prometheus(directory: Path, *ports: int, rules: str | None = None) -> Iterator[Prometheus]:
    """A Prometheus that scrapes these ports."""
    directory.mkdir()
    if rules is not None:
        (directory / "rules.yml").write_text(rules)
    config = {
        "global": {"scrape_interval": f"{INTERVAL * 1000:.0f}ms", "scrape_timeout": f"{INTERVAL * 1000:.0f}ms",
                   "evaluation_interval": f"{INTERVAL * 1000:.0f}ms"},
        "rule_files": ["rules.yml"] if rules is not None else [],
        "scrape_configs": [{"job_name": "multitrack", "honor_labels": True,
                            "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}],
    }  # fmt: skip
    (directory / "prometheus.yml").write_text(json.dumps(config))
    port = free_port()
    command = [
        program("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with started(command, directory, f"http://127.0.0.1:{port}/-/ready"):
        yield Prometheus(f"http://127.0.0.1:{port}", len(ports))


@contextlib.contextmanager
def pushgateway(directory: Path, port: int | None = None) -> Iterator[int]:
    """A Pushgateway; gives its port. Debian's would keep what it has in a file for the next one."""
    directory.mkdir()
    port = port or free_port()
    command = [program("prometheus-pushgateway"), f"--web.listen-address=127.0.0.1:{port}", "--persistence.file="]
    with started(command, directory, f"http://127.0.0.1:{port}/-/ready"):
        yield port


@contextlib.contextmanager
def node_exporter(directory: Path, textfiles: Path) -> Iterator[int]:
    """A node_exporter with its textfile collector alone; gives its port."""
    directory.mkdir()
    port = free_port()
    command = [
        program("prometheus-node-exporter"), "--collector.disable-defaults", "--collector.textfile",
        f"--collector.textfile.directory={textfiles}", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with started(command, directory, f"http://127.0.0.1:{port}/"):
        yield port
