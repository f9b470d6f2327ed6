"""Launchers that start one process per rank: torchrun and its like."""

from __future__ import annotations

import os
from pathlib import Path

from multitrack.errors import ConfigError

_started = 0


def this_rank() -> tuple[int, int]:
    """This process's rank and how many there are, as the launcher says; ``(0, 1)`` without one."""
    try:
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError):
        return 0, 1


def shared_id(size: int) -> str:
    """A run id that every rank of one launch arrives at by itself, another one for each run it starts.

    Args:
        size: How many ranks there are.

    Raises:
        ConfigError: The launcher says nothing that only this launch has.
    """
    import hashlib  # noqa: PLC0415 - see multitrack.artifacts

    global _started
    _started += 1
    launch = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    if launch == "none":
        if os.environ.get("LOCAL_WORLD_SIZE") != str(size):
            raise ConfigError(
                'ranks = "all" needs an id that all ranks share and no other launch has: pass run_id=, or start with '
                "torchrun --rdzv-id (TORCHELASTIC_RUN_ID)"
            )
        launch = f"{os.getppid()}:{_start_time(os.getppid())}"  # one machine: all ranks have one parent
    return f"launch-{hashlib.sha256(f'{launch}:{_started}'.encode()).hexdigest()[:16]}"


def _start_time(pid: int) -> str:
    """When a process started, in clock ticks since boot (field 22 of proc(5)'s stat)."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
