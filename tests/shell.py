"""The command as a shell or a terminal runs it: with streams that are files, pipes, closed, or a terminal."""

import ctypes
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

#: What makes Python write in another encoding, as old systems and job queues do.
ENCODINGS = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
}
MULTITRACK = f"{sys.executable} -m multitrack"


def shell(
    line: str, *, prepare: Callable[[], None] | None = None, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash, in which ``multitrack`` is the command; a pipe fails where any of its commands does."""
    return subprocess.run(
        ["bash", "-c", f'set -o pipefail; multitrack() {{ {MULTITRACK} "$@"; }}; {line}'], capture_output=True, check=False,
        env={**_plain(), **environment}, preexec_fn=prepare, cwd=cwd, timeout=120,
    )  # fmt: skip


def in_terminal(
    *arguments: str, program: tuple[str, ...] = ("-m", "multitrack"), columns: int = 200, **environment: str
) -> tuple[int, bytes]:
    """Run the command, or another program, in a terminal of its own; its exit status, and what it wrote there."""
    ours, theirs = pty.openpty()
    size = {"COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, *program, *arguments], stdin=theirs, stdout=theirs, stderr=theirs,
        env={**_plain(), **size, **environment},
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # the terminal's way to say that nobody has it open any more
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    return process.wait(timeout=120), written.replace(b"\r\n", b"\n")


def _plain() -> dict[str, str]:
    """The environment without what decides on encodings."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in {"LC_ALL", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONCOERCECLOCALE"}
    } | {"LANG": "C.UTF-8"}


def somebody_elses(path: Path) -> None:
    """Make a path somebody else's; where the tests are not run as root, one's own that cannot be read."""
    if os.geteuid() == 0:
        shutil.chown(path, 65534, 65534)
        path.chmod(0o700 if path.is_dir() else 0o600)
    else:
        path.chmod(0)


def as_others() -> None:
    """For a child process of root's: without the privileges by which root reads and writes what is not its own."""
    if os.geteuid() == 0:
        library = ctypes.CDLL(None, use_errno=True)
        for privilege in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, out of what an exec may keep (prctl 24)
            if library.prctl(24, privilege, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "the privileges of root cannot be dropped")
