"""Run a command in the background with bounded time and memory, whatever it prints."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, cast

from multitrack.environment.forks import without_fork

if TYPE_CHECKING:
    import subprocess

#: Bytes read at once.
_CHUNK: Final = 1 << 16
#: Bytes of standard error that are kept, for the reason.
_REASON: Final = 2000


def run(command: Sequence[str], directory: Path, take: Callable[[bytes], bool], *, seconds: float) -> str | None:
    """Run a command that neither prompts nor gets the terminal's signals.

    Args:
        command: The program and its arguments.
        directory: Its current directory.
        take: Called with each part of standard output. It returns False to end the command.
        seconds: Time after which the command is ended.

    Returns:
        The reason why the output is incomplete; None if the command succeeded.
    """
    if seconds <= 0:
        return "there was no time left"
    with without_fork:
        import subprocess  # noqa: PLC0415 - 4 ms, which the training thread does not need

        try:
            process = subprocess.Popen(
                command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                bufsize=0, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return f"{command[0]} cannot be run: {error.strerror}"
    try:
        return _read(process, take, time.monotonic() + seconds)
    finally:
        if process.poll() is None:
            _kill(process)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def output(command: Sequence[str], directory: Path, *, seconds: float, limit: int = 1_000_000) -> str | None:
    """Return the output of a command without the white space around it; None if it failed or printed too much.

    Args:
        command: The program and its arguments.
        directory: Its current directory.
        seconds: Time after which the command is ended.
        limit: Maximum bytes of the output.
    """
    parts: list[bytes] = []

    def take(chunk: bytes) -> bool:
        parts.append(chunk)
        return sum(map(len, parts)) <= limit

    problem = run(command, directory, take, seconds=seconds)
    return None if problem is not None else b"".join(parts).decode("utf-8", "replace").strip()


def _read(process: subprocess.Popen[bytes], take: Callable[[bytes], bool], deadline: float) -> str | None:
    """Read both pipes until standard output ends; return the reason why it is incomplete."""
    (out, err), said = (cast(IO[bytes], pipe).fileno() for pipe in (process.stdout, process.stderr)), b""
    poll = select.poll()
    poll.register(out)
    poll.register(err)
    while (remaining := deadline - time.monotonic()) > 0:
        ready = [fd for fd, _ in poll.poll(remaining * 1000)]
        if err in ready:
            chunk = os.read(err, _CHUNK)
            said = (said + chunk)[:_REASON]
            if not chunk:
                poll.unregister(err)
        elif out in ready:
            chunk = os.read(out, _CHUNK)
            if not chunk:
                return _reason(_waited(process, deadline - time.monotonic()), said)
            if not take(chunk):
                return "it printed too much"
    return "it took too long"


def _waited(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """The exit status; None if the process does not end in time."""
    import subprocess  # noqa: PLC0415 - as above

    try:
        return process.wait(max(seconds, 0.1))
    except subprocess.TimeoutExpired:
        return None


def _reason(status: int | None, said: bytes) -> str | None:
    if status == 0:
        return None
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[0] if lines else "it took too long" if status is None else f"it ended with status {status}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a command and the processes that it started; one that the kernel does not let go is left alone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    _waited(process, 1.0)
