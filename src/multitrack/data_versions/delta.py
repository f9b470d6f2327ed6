"""The version of a Delta table: the highest number in its log."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from multitrack.markers import hookimpl

#: A commit, or a checkpoint, after which older commits may be gone.
_COMMIT: Final = re.compile(r"(\d{20})\.(?:json|checkpoint(?:\..+)?\.parquet)")


def is_near(path: Path) -> bool:
    """Return True if a path is a Delta table."""
    return (path / "_delta_log").is_dir()


@hookimpl
def find_data_version(path: Path | None) -> str | None:
    """Return ``delta:<number>``; None if the path is no Delta table."""
    if path is None or not is_near(path):
        return None
    with os.scandir(path / "_delta_log") as entries:
        numbers = [int(found[1]) for entry in entries if (found := _COMMIT.fullmatch(entry.name)) is not None]
    return f"delta:{max(numbers)}" if numbers else None
