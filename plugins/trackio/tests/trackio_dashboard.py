"""Trackio's own dashboard, started as a user does, on loopback."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SHOW = """
import trackio
trackio.show(open_browser=False, block_thread=True)
"""


class Dashboard:
    """A dashboard that runs.

    Attributes:
        url: Its address, without a slash at the end.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, name: str, **arguments: Any) -> Any:
        """What the dashboard's page asks for: one of its functions, with these arguments."""
        body = json.dumps(arguments).encode()
        request = urllib.request.Request(f"{self.url}/api/{name}", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["data"]

    def file(self, path: Path) -> bytes:
        """A file of the media directory, as the page loads a picture."""
        with urllib.request.urlopen(f"{self.url}/file?path={urllib.parse.quote(str(path))}", timeout=60) as response:
            found: bytes = response.read()
        return found


@contextlib.contextmanager
def dashboard(directory: Path) -> Iterator[Dashboard]:
    """The dashboard of a Trackio directory."""
    port = _free_port()
    environment = {
        **os.environ, "TRACKIO_DIR": str(directory), "HF_HUB_OFFLINE": "1", "HOME": str(directory),
        "GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    log = directory.parent / "dashboard.log"
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, "-c", _SHOW], env=environment, stdout=out, stderr=out)
    try:
        _wait(f"http://127.0.0.1:{port}/version", process, log)
        yield Dashboard(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.2)
    raise AssertionError(f"the dashboard did not start: {log.read_text()}")
