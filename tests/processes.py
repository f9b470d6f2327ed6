"""Training processes for tests, and the couriers they leave."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent


def script(tmp_path: Path, body: str, **environment: str) -> "subprocess.Popen[str]":
    """A training process of its own, in ``tmp_path``."""
    (tmp_path / "train.py").write_text(
        "import multitrack, os, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored where the tests run in the background
        + body
    )
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "train.py"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path, **environment},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def but_progress(errors: str) -> list[str]:
    """What was said on stderr beside progress, which a slow machine shows."""
    return [line for line in errors.splitlines() if not line.startswith("multitrack: delivering")]


def couriers() -> list[int]:
    """Pids of the courier processes that run on this machine for this test's directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (
                    b"multitrack.courier" in (entry / "cmdline").read_bytes()
                    and (entry / "cwd").readlink() == Path.cwd()
                ):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def wait_until(condition: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)  # looking at all processes takes some milliseconds


def together(tmp_path: Path, body: str, environments: list[dict[str, str]]) -> list[str]:
    """Training processes that need each other, all to the end; gives back what each said on stderr."""
    started = [script(tmp_path, body, **environment) for environment in environments]
    try:
        said = [process.communicate(timeout=120) for process in started]
    finally:
        for process in started:  # one of them has failed, and the others wait for it
            process.kill()
    assert [process.returncode for process in started] == [0] * len(started), said
    return [errors for _, errors in said]


def free_ports(number: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
