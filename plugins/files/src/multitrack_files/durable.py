"""Files and directories that survive a power cut."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_durably(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Create or overwrite a file, and force its content to disk. Not atomic: for files that no reader looks for."""
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def rename_durably(source: Path, target: Path) -> None:
    """Rename a file, replacing ``target``, and force the rename to disk."""
    source.replace(target)
    sync_directory(target.parent)


def replace_durably(path: Path, write: Callable[[BinaryIO], object], drafts: Path) -> None:
    """Write a file whole: a reader sees the old file or the new one.

    Args:
        path: The file.
        write: Writes the content.
        drafts: A directory of the same file system in which no reader looks.
    """
    draft = drafts / f"{path.name}.{secrets.token_hex(4)}"
    try:
        write_durably(draft, write)
        path.parent.mkdir(parents=True, exist_ok=True)
        rename_durably(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Force the names in a directory to disk."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
