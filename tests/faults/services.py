"""The example's service in real servers, its load, and what its workers recorded, each request by its number."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import multitrack
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import Metric
from processes import free_ports
from quiet import QUIET

SERVING = Path(__file__).parents[2] / "examples" / "serving"
_GUNICORN = ("gunicorn", "--worker-class", "uvicorn_worker.UvicornWorker", "--workers", "2", "--no-control-socket")
#: Commands that serve an app with two workers, and with one.
SERVERS: dict[str, Sequence[str]] = {
    "gunicorn": _GUNICORN,
    "gunicorn --preload": (*_GUNICORN, "--preload"),
    "gunicorn --max-requests": (*_GUNICORN, "--preload", "--max-requests", "20"),
    "uvicorn --workers": ("uvicorn", "--workers", "2"),
    "uvicorn": ("uvicorn",),
}


class Service:
    """One deployment of an app: its server's process, and its address."""

    def __init__(self, deployment: str, server: str, home: Path, app: str) -> None:
        (port,) = free_ports(1)
        command = SERVERS[server]
        bound = ("--bind", f"127.0.0.1:{port}") if command[0] == "gunicorn" else ("--port", str(port))
        path = os.pathsep.join([str(SERVING), str(home), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, **QUIET, "HOME": str(home), "PYTHONPATH": path, "DEPLOYMENT": deployment}
        self.deployment = deployment
        self.url = f"http://127.0.0.1:{port}"
        self.log = home / f"{deployment}.log"
        with self.log.open("ab") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-m", command[0], *command[1:], *bound, app],
                cwd=home, env=environment, stdout=log, stderr=log,
            )  # fmt: skip

    def wait_until_ready(self) -> None:
        """Wait for the first answer."""
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/openapi.json", timeout=10).close()
            except (urllib.error.URLError, OSError):
                assert self.server.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.1)
            else:
                return

    def stop(self) -> int:
        """End the server as an init system does, and return its exit status."""
        self.server.send_signal(signal.SIGTERM)
        try:
            return self.server.wait(120)
        finally:
            self.server.kill()


@contextmanager
def service(
    deployment: str, server: str, home: Path, app: str = "service:app", *, ready: bool = True
) -> Iterator[Service]:
    """Serve an app until the end of the block."""
    served = Service(deployment, server, home, app)
    try:
        if ready:
            served.wait_until_ready()
        yield served
    finally:
        if served.server.poll() is None:
            served.stop()


def load(services: Sequence[Service], home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start ``load.py``."""
    command = [sys.executable, SERVING / "load.py", *(f"{each.deployment}={each.url}" for each in services)]
    return subprocess.Popen([*map(str, command), "--json", str(home / "load.json"), *arguments], cwd=home)


def loaded(process: subprocess.Popen[bytes], home: Path) -> dict[str, Any]:
    """The numbers of the requests that a load sent, once it has ended."""
    assert process.wait(3600) == 0  # a busy machine takes longer than the load is meant to
    told: dict[str, Any] = json.loads((home / "load.json").read_bytes())
    return told


def runs_of(journal: Path, deployment: str) -> list[RecordedRun]:
    return list(multitrack.open_journal(journal).runs(tags={"deployment": deployment}))


def requests_in(runs: Sequence[RecordedRun]) -> Counter[int]:
    """How often each request was recorded."""
    return Counter(
        int(record.values["request"])
        for run in runs
        for record in run.records()
        if isinstance(record, Metric) and "request" in record.values
    )


def compared(sent: dict[str, Any], recorded: Counter[int]) -> dict[str, int]:
    """What is wrong, and what is allowed, counted: a worker may die between recording a request and answering it."""
    answered, unanswered = set(sent["answered"]), set(sent["unanswered"])
    assert len(answered) == len(sent["answered"])
    return {
        "answered": len(answered), "lost": len(answered - recorded.keys()),
        "twice": sum(count > 1 for count in recorded.values()),
        "of nobody": len(recorded.keys() - answered - unanswered),
        "not answered": len(unanswered), "not answered but recorded": len(recorded.keys() & unanswered),
    }  # fmt: skip
