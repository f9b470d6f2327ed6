"""A real ``mlflow server`` on loopback, for tests."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def mlflow_server(directory: Path, port: int | None = None, *, store: str | None = None) -> Iterator[str]:
    """A server with its store in ``directory``, or the given one; gives its address once it answers. Ends by kill -9."""
    port = port or free_port()
    # Without its job consumers it is 2 processes instead of 10.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true",
                   "DO_NOT_TRACK": "true"}  # fmt: skip
    with (directory / "server.log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
             "--backend-store-uri", store or f"sqlite:///{directory}/server.db", "--artifacts-destination", str(directory / "artifacts")],
            stdout=log, stderr=log, env=environment, start_new_session=True, cwd=directory,
        )  # fmt: skip
    try:
        _wait(f"http://127.0.0.1:{port}/health", server, directory / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"mlflow server did not come up:\n{log.read_text()[-2000:]}")
