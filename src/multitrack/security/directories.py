"""Make and check private directories outside of a journal, whose contents a process trusts."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def private_directory(path: Path) -> Path:
    """Make a directory that only this user can access, or check that no other user can write to an existing one.

    In a directory that several users can write to, such as the system's temporary one, another user may have made the
    directory first, and put something into it.

    Args:
        path: The directory; missing parents are made.

    Raises:
        PermissionError: If it belongs to another user, or others can write to it.
        OSError: If it cannot be made, or is a symbolic link.
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
