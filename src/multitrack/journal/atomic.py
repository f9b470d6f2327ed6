"""Write files so that a reader sees the old one or the new one, whole."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec


def write_json(path: Path, value: msgspec.Struct) -> None:
    """Write ``value`` as a file, whole."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file so that a reader sees the old one or the new one, whole."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_output(path: Path, content: bytes) -> None:
    """Write a file that somebody asked for, whole, with the permissions of their umask.

    Into what is there and no file, such as ``/dev/stdout``, it is written as it is.

    Raises:
        OSError: It cannot be written; names the file.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            write_whole(path, content, 0o666)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # what was asked for, not the draft
        raise
