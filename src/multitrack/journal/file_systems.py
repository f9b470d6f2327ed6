"""Find out whether the locks of a directory's file system hold between machines."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path
from typing import Final

import msgspec

#: File systems that several machines may mount at once. Some have locks that hold between machines, depending on the
#: server, the mount options and the version; none says so.
_SHARED: Final = frozenset({
    "nfs", "nfs4", "lustre", "cifs", "smb3", "smbfs", "ncpfs", "afs", "gpfs", "beegfs", "fhgfs", "ceph", "glusterfs",
    "9p", "virtiofs", "vboxsf", "prl_fs", "orangefs", "pvfs2", "panfs", "wekafs", "ocfs2", "gfs2", "acfs", "coda",
})  # fmt: skip
#: Errors of ``flock`` where a file system has no locks.
NO_LOCKS: Final = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOTTY}
_ESCAPED: Final = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))


class Mount(msgspec.Struct, frozen=True):
    """A mounted file system.

    Attributes:
        point: Where it is mounted.
        kind: Its type, such as ``nfs4``.
        source: Where it comes from, such as ``server:/home``.
    """

    point: str
    kind: str
    source: str

    @property
    def is_shared(self) -> bool:
        """True if other machines may have it mounted, too."""
        return self.kind in _SHARED or self.kind == "fuse" or self.kind.startswith("fuse.")

    def __str__(self) -> str:
        return f"{self.kind} ({self.source}, mounted at {self.point})"


def mount_of(directory: Path, table: Path = Path("/proc/self/mountinfo")) -> Mount | None:
    """The file system of a directory; None if this system does not tell.

    Args:
        directory: The directory, which exists.
        table: The mounts, in the form of proc_pid_mountinfo(5).
    """
    try:
        lines = table.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    place = os.path.realpath(directory)
    found: Mount | None = None
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, told = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(told) < 2:
            continue
        point = _plain(fields[4])
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and (found is None or len(point) >= len(found.point)):  # a later mount hides an earlier one
            found = Mount(point, told[0], _plain(told[1]))
    return found


def _plain(text: str) -> str:
    for escaped, character in _ESCAPED:
        text = text.replace(escaped, character)
    return text


def lock_trouble(directory: Path) -> str | None:
    """Try ``flock`` in a directory; None if it works within this machine, else what is wrong.

    Raises:
        OSError: If no file can be written there.
    """
    path = directory / f".lock-{os.getpid()}-{os.urandom(4).hex()}"
    fds: list[int] = []
    try:
        fds.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        fds.append(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        fcntl.flock(fds[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(fds[1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            return "locks there keep nobody out"
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return f"there are no locks ({error.strerror})"
    finally:
        for fd in fds:
            os.close(fd)
        with contextlib.suppress(OSError):
            path.unlink()
    return None
