"""Finding the processes of one round, and waiting for what is to come about."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

#: Every process of a round has this variable, and whatever it starts inherits it.
VARIABLE = "MULTITRACK_KILLS_ROUND"


def until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait for something; whether it came about."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
    return True


def left_of(mark: str) -> dict[int, str]:
    """The live processes of the round with this mark: their command lines by pid."""
    wanted = f"{VARIABLE}={mark}".encode()
    found = {}
    for path in _processes():
        with contextlib.suppress(OSError):  # ended just now, or another user's
            if wanted in (path / "environ").read_bytes().split(b"\0") and not _is_dead(path):
                found[int(path.name)] = _command(path)
    return found


def courier_of(training: int) -> int | None:
    """The courier process of a training process, if it has one just now."""
    for path in _processes():
        with contextlib.suppress(OSError):
            if _parent(path) == training and "multitrack.courier" in _command(path) and not _is_dead(path):
                return int(path.name)
    return None


def parent_of(pid: int) -> int:
    """The parent of a process; 0 if that has ended just now."""
    with contextlib.suppress(OSError):
        return _parent(Path(f"/proc/{pid}"))
    return 0


def _processes() -> Iterator[Path]:
    return (path for path in Path("/proc").iterdir() if path.name.isdigit())


def _command(path: Path) -> str:
    return (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()


def _status(path: Path) -> list[str]:
    """State and parent, and what follows them in ``/proc/<pid>/stat``."""
    return (path / "stat").read_text(errors="replace").rpartition(")")[2].split()


def _parent(path: Path) -> int:
    return int(_status(path)[1])


def _is_dead(path: Path) -> bool:
    return _status(path)[0] in {"Z", "X"}
