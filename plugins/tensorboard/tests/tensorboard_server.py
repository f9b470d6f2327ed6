"""A real TensorBoard on loopback."""

import contextlib
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def tensorboard_server(logdir: Path, *arguments: str) -> Iterator[str]:
    """Start TensorBoard, wait until it has loaded the runs that are there, and give its address."""
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={logdir}", "--host=127.0.0.1", "--port=0"]
    output = logdir.parent / "tensorboard-output.txt"
    with output.open("w") as file:
        process = subprocess.Popen([*command, *arguments], stdout=file, stderr=subprocess.STDOUT)
    try:
        url = _wait_for(process, output)
        runs = len({path.parent for path in logdir.rglob("*tfevents*")})
        deadline = time.monotonic() + 60
        while url_json(f"{url}/data/runs").count('"') < 2 * runs:
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def url_json(url: str) -> str:
    """The text of an answer."""
    text: str = urllib.request.urlopen(url, timeout=30).read().decode()
    return text


def _wait_for(process: "subprocess.Popen[bytes]", output: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"TensorBoard \S+ at (http://\S+?)/ ", output.read_text())
        if found:
            return found[1]
        time.sleep(0.1)
    raise AssertionError(output.read_text())
