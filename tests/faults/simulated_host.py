"""What makes a Python process one of another machine, as far as locks and names go; started by a ``.pth`` file.

Two such machines share a directory whose locks hold within each of them only, as on NFS with ``local_lock=all`` or
Lustre with ``localflock``: ``flock`` on one becomes a lock of an open file description (``F_OFD_SETLK``) on the other.
Linux keeps the two kinds apart, and each is released with its file as the other is. Or there are no locks at all.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import venv
from pathlib import Path
from typing import Any

_plain_flock = fcntl.flock


def be(name: str, locks: str, lease: float) -> None:
    """Make this process one of the machine ``name``.

    Args:
        name: Its name.
        locks: ``first``: ``flock`` as it is; ``second``: locks that only others of this kind see; ``none``: none.
        lease: Seconds of a lease.
    """
    told = os.uname()
    here = os.uname_result((told.sysname, name, told.release, told.version, told.machine))
    os.uname = lambda: here
    if locks != "first":
        fcntl.flock = _other_lock if locks == "second" else _no_lock
    from multitrack.journal import signs

    signs.LEASE = lease  # type: ignore[misc]


def _other_lock(file: Any, how: int) -> None:
    kind = {fcntl.LOCK_EX: fcntl.F_WRLCK, fcntl.LOCK_SH: fcntl.F_RDLCK, fcntl.LOCK_UN: fcntl.F_UNLCK}
    how_to_wait = fcntl.F_OFD_SETLK if how & (fcntl.LOCK_NB | fcntl.LOCK_UN) else fcntl.F_OFD_SETLKW
    wanted = struct.pack("hhqqi", kind[how & ~fcntl.LOCK_NB], os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(file, how_to_wait, wanted)


def _no_lock(file: Any, how: int) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def make(directory: Path, name: str, locks: str, paths: list[str], lease: float) -> Path:
    """Make an interpreter whose processes, and all that they start, are of the machine ``name``.

    Args:
        directory: Where it is made.
        name: The machine's name.
        locks: As in :func:`be`.
        paths: Its module path.
        lease: Seconds of a lease.

    Returns:
        The interpreter's path.
    """
    venv.EnvBuilder(symlinks=True).create(directory / name)
    (packages,) = (directory / name / "lib").glob("python*/site-packages")
    start = f"import simulated_host; simulated_host.be({name!r}, {locks!r}, {lease!r})"
    (packages / "host.pth").write_text("\n".join([str(Path(__file__).parent), *paths, start, ""]))
    return directory / name / "bin" / "python"
