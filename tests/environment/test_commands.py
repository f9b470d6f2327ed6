"""Commands in the background: whatever they print, and however long they take."""

import os
import time
from pathlib import Path

import pytest

from multitrack.environment import commands


def output_of(*command: str, most: int = 1 << 20, seconds: float = 20) -> tuple[bytes, str | None]:
    parts: list[bytes] = []

    def take(chunk: bytes) -> bool:
        parts.append(chunk)
        return sum(map(len, parts)) < most

    problem = commands.run(command, Path("/"), take, seconds=seconds)
    return b"".join(parts), problem


def test_the_output_of_a_command_and_the_reason_why_it_failed() -> None:
    assert output_of("sh", "-c", "pwd; cat") == (b"/\n", None)  # its input is empty
    assert output_of("sh", "-c", "echo out; echo first >&2; echo second >&2; exit 3") == (b"out\n", "first")
    assert output_of("sh", "-c", "exit 3")[1] == "it ended with status 3"
    assert output_of("no-such-program")[1] == "no-such-program cannot be run: No such file or directory"
    assert output_of("true", seconds=0)[1] == "there was no time left"
    everything, problem = output_of("sh", "-c", "yes >&2 & sleep 0.2; kill $!; echo out")
    assert (everything, problem) == (b"out\n", None)


def test_endless_output_is_ended() -> None:
    started = time.monotonic()
    output, problem = output_of("yes", most=100_000)
    assert problem == "it printed too much"
    assert len(output) < 200_000
    assert time.monotonic() - started < 10


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    output, problem = output_of("sh", "-c", "sleep 1000 & echo $!; wait", seconds=0.3)
    assert problem == "it took too long"
    deadline = time.monotonic() + 10
    while (stat := Path(f"/proc/{int(output)}/stat")).exists() and time.monotonic() < deadline:
        if stat.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.01)
    else:
        with pytest.raises(ProcessLookupError):
            os.kill(int(output), 0)
