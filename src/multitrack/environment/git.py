"""Run git commands that neither lock nor prompt, from any thread."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from multitrack.environment.forks import without_fork

#: Timeout of one git command, in seconds.
TIMEOUT: Final = 5.0


def git_output(directory: Path, *arguments: str, timeout: float = TIMEOUT) -> str | None:
    """The output of a git command without the white space around it.

    Args:
        directory: The directory to run it in.
        arguments: The command and its arguments.
        timeout: Maximum seconds that it may take.

    Returns:
        The output; None if the command fails or takes too long, or if git is not installed.
    """
    with without_fork:
        import subprocess  # noqa: PLC0415 - 4 ms, which the training thread does not need

        try:
            process = subprocess.Popen(
                ["git", "--no-optional-locks", *arguments], cwd=directory, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace",
            )  # fmt: skip
        except OSError:
            return None
    with process:
        try:
            said, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            return None
    return said.strip() if process.returncode == 0 else None
