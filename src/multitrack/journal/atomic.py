"""Write files atomically: a reader sees the whole old file or the whole new one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec


def write_json(path: Path, value: msgspec.Struct) -> None:
    """Write ``value`` as indented JSON, atomically."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file atomically: a reader sees the whole old file or the whole new one."""
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
    """Write a file that the user asked for, atomically, with the permissions of the umask.

    An existing path that is no regular file, such as ``/dev/stdout``, is written directly.

    Raises:
        OSError: If the file cannot be written; the error names ``path``.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            write_whole(path, content, 0o666)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # the requested path, not the draft's
        raise
