"""Directories outside of a journal that a process believes what it finds in: they must be this user's alone."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def private_directory(path: Path) -> Path:
    """Make a directory for this user alone, or check that one that is there is so.

    In a directory that several users may write, such as the system's temporary one, another user may have made it
    first, and put something into it.

    Args:
        path: The directory; those above it are made where they are missing.

    Raises:
        PermissionError: It is a symbolic link, another user's, or others may write to it.
        OSError: It cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
    finally:
        os.close(fd)
    if found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "belongs to another user", str(path))
    if stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(errno.EPERM, "can be written by others", str(path))
    return path
