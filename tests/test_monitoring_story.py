"""The story of docs/monitoring.md, by its own commands, in less time: two services, an alert, Prometheus, compaction."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes import free_ports, wait_until
from quiet import QUIET
from test_docs import ROOT, blocks

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs" / "monitoring.md"
#: Shorter than on the page: the load, the drop within it, and the window of the alert.
SHORTER = {
    "--seconds 300": "--seconds 24", "eu:120:180": "eu:6:14", "over 20s of 50 values": "over 3s of 30 values",
    "scrape_interval: 5s": "scrape_interval: 1s", "--every 15s": "--every 5s",
    "--after 1min": "--after 7s",
}  # fmt: skip


class Story:
    """Runs commands of the page in one directory, with ports that are free."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ports = dict(zip(("8001", "8002", "9100", "9090"), free_ports(4), strict=True))
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {**os.environ, **QUIET, "HOME": str(home), "PATH": path}
        self.started: list[subprocess.Popen[bytes]] = []

    def adapted(self, text: str) -> str:
        for long, short in SHORTER.items():
            text = text.replace(long, short)
        for port, free in self.ports.items():
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
        return text

    def start(self, command: str) -> subprocess.Popen[bytes]:
        with (self.home / "output.log").open("ab") as log:
            process = subprocess.Popen(
                ["bash", "-c", f"exec env {self.adapted(command)}"], cwd=self.home, env=self.environment, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        self.started.append(process)
        return process

    def run(self, command: str, *statuses: int) -> str:
        done = subprocess.run(
            ["bash", "-c", self.adapted(command)], cwd=self.home, env=self.environment, capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip
        assert done.returncode in (statuses or (0,)), (command, done.stdout, done.stderr)
        return done.stdout

    def answers(self, port: str, path: str) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.ports[port]}{path}", timeout=10).close()
        except OSError:
            return False
        return True

    def counts(self, every: str) -> dict[str, int]:
        told = json.loads(self.run(f"multitrack monitor score --stat count,mean --json --every {every}"))
        return {group["value"]: sum(window["count"] for window in group["windows"]) for group in told["groups"]}


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    for path in (ROOT / "examples" / "serving").glob("*.py"):
        shutil.copy(path, tmp_path)
    story = Story(tmp_path)
    yield story
    for process in story.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    for process in story.started:
        process.wait(60)


def commands(block: str) -> list[str]:
    """The commands of a block, each on one line, without comments."""
    lines = re.sub(r"\\\n\s*", "", block)
    joined = re.sub(r"'([^']*)'", lambda quoted: "'" + " ".join(quoted[1].split()) + "'", lines)
    return [line.partition("    #")[0].strip() for line in joined.splitlines() if line.strip()]


@pytest.mark.skipif(
    not all(map(shutil.which, ("prometheus", "promtool", "prometheus-node-exporter"))),
    reason="needs Debian's prometheus and prometheus-node-exporter, which CI installs",
)
def test_the_whole_story(story: Story) -> None:
    (story.home / "multitrack.toml").write_text(story.adapted(blocks(PAGE, "toml")[0]))
    (story.home / "prometheus.yml").write_text(story.adapted(blocks(PAGE, "yaml")[0]))
    _, services, watched, looks, after = map(commands, blocks(PAGE, "sh")[:5])
    made, *served, waited, load = services
    assert waited == "sleep 5"
    story.run(made)
    for line in (*served, *watched):
        if line.endswith("&"):
            story.start(line.removesuffix("&"))
        else:
            assert story.run(line) == ""
            assert (story.home / line.rpartition(" ")[2]).stat().st_size > 1000
    wait_until(lambda: all(story.answers(port, "/openapi.json") for port in ("8001", "8002")), 120)
    wait_until(lambda: story.answers("9090", "/-/ready") and story.answers("9100", "/metrics"), 120)
    sending = story.start(load.removesuffix("&"))
    wait_until(lambda: (story.home / "alerts.log").exists(), 120)
    *printed, page, alerts, log, query = looks
    for line in printed:
        shown = story.run(line)
        assert {"eu", "us"} <= set(shown.split()), (line, shown)
    served_page = story.start(page)
    wait_until(lambda: "http://127.0.0.1:" in (story.home / "output.log").read_text(), 60)
    os.killpg(served_page.pid, signal.SIGINT)
    story.run(alerts, 0, 1)
    wait_until(lambda: len(re.findall(r'tag_deployment="(eu|us)"\} => [0-9.]+', story.run(query))) == 2, 60)
    assert sending.wait(120) == 0
    wait_until(lambda: "resolved" in story.run(log), 60)
    fired, resolved = story.run(log).splitlines()  # once each
    assert "eu" in fired and "firing" in fired.lower(), fired
    assert "eu" in resolved and "resolved" in resolved.lower(), resolved
    stopped, tested, compacted, monitored = after
    assert stopped == "kill %1 %2; wait %1 %2"
    for process in story.started[:2]:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
    before = story.counts("5min")
    assert story.run(tested).count("latency:median over 1min") >= 2
    story.run("multitrack sync")
    time.sleep(7)  # twice the alert's window
    story.run("multitrack alerts check")
    assert len(story.run(compacted).splitlines()) >= 3  # a worker may have had too few requests to become smaller
    assert story.counts("5min") == before
    assert min(before.values()) > 100
    assert {"eu", "us"} <= set(story.run(monitored).split())
