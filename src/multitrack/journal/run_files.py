"""Files in a run's directory that stand for content without a file of its own, such as images."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

#: The folder in a run's directory.
FOLDER: Final = "files"
_UNSAFE: Final = re.compile(r"[^\w.\-]+", re.ASCII)
#: Longest part of a file's name, in characters; file systems have 255 bytes.
_LONGEST: Final = 100


def run_file(directory: Path, name: str, suffix: str = "") -> Path:
    """The path of a file in a run's directory.

    Args:
        directory: The run's directory.
        name: Name of the content; ``/`` makes folders, and characters that file systems may lack are replaced.
        suffix: End of the file's name, such as ``.png``.
    """
    parts = [_safe(part) for part in name.split("/") if part.strip(".")] or ["file"]
    path = directory.joinpath(FOLDER, *parts)
    return path if path.name.endswith(suffix) else path.with_name(path.name + _safe(suffix))


def write_run_file(path: Path, content: bytes) -> None:
    """Write a file, and its folders; a file of the same name is replaced.

    Raises:
        OSError: If it cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # like the rest of a journal, readable by its owner alone
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)


def _safe(part: str) -> str:
    return _UNSAFE.sub("_", part)[:_LONGEST]
