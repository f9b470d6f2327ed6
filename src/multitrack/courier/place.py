"""Where the processes of one user and host find their shared courier: a lock and a socket in a private directory.

The lock (``flock``) says whether a courier lives: the kernel releases it however that ends. Whoever has it may start
one, which inherits it. The socket's file is only good while the lock is held, so one that a reboot or a kill left is
replaced.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hmac
import os
import secrets
import socket
import stat
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

#: Connections that wait until the courier takes them: more than a node has processes.
_WAITING: Final = 512


@dataclasses.dataclass(frozen=True)
class Place:
    """The lock and the socket of one group.

    Attributes:
        directory: The private directory of this user.
        name: The name of both files: a keyed digest, as sockets' names can be seen by every user.
    """

    directory: Path
    name: str

    def lock(self) -> int | None:
        """Take the lock; return its file descriptor, or None while another process has it.

        Raises:
            OSError: If the directory cannot be used.
        """
        path = self.directory / f"{self.name}.lock"
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return None
            if self._is_lock(fd):
                return fd
            os.close(fd)  # its holder removed the file just before it released the lock

    def listen(self) -> socket.socket:
        """Open the socket; only for the holder of the lock.

        Raises:
            OSError: If that is not possible here.
        """
        self._socket.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        with self._short() as path:
            listener.bind(path)
        listener.listen(_WAITING)
        return listener

    def connect(self) -> socket.socket | None:
        """Connect to the courier; None if there is none just now.

        Raises:
            PermissionError: If another user's process listens there.
        """
        connection = socket.socket(socket.AF_UNIX)
        try:
            with self._short() as path:
                connection.connect(path)
        except OSError:
            connection.close()
            return None
        if peer_of(connection)[1] != os.geteuid():
            connection.close()
            raise PermissionError(f"a process of another user listens at {self._socket}")
        return connection

    def leave(self, lock: int) -> None:
        """Remove both files; only for the holder of the lock, which it releases afterwards.

        Args:
            lock: The lock's file descriptor. If a cleaner of temporary files removed the lock's file, those here may be
                another courier's.
        """
        if not self._is_lock(lock):
            return
        for path in (self._socket, self.directory / f"{self.name}.lock"):
            with contextlib.suppress(OSError):
                path.unlink()

    def sweep(self) -> None:
        """Remove files that couriers left when they were killed, or the machine was started anew."""
        for path in self.directory.glob("*.lock"):
            other = Place(self.directory, path.stem)
            if other != self and (fd := other.lock()) is not None:
                other.leave(fd)
                os.close(fd)

    def _is_lock(self, fd: int) -> bool:
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(fd), (self.directory / f"{self.name}.lock").lstat())
        return False

    @property
    def _socket(self) -> Path:
        return self.directory / f"{self.name}.sock"

    @contextlib.contextmanager
    def _short(self) -> Iterator[str]:
        """The socket's path, within the 107 bytes that the kernel allows (unix(7))."""
        fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{fd}/{self.name}.sock"
        finally:
            os.close(fd)


def place_of(facts: bytes) -> Place:
    """The place of the group with these facts.

    Raises:
        OSError: If there is no directory that only this user can use.
    """
    directory = _private_directory()
    return Place(directory, hmac.digest(_salt(directory), facts, "sha256").hex()[:32])


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """The process and the user at the other end, as they were when it connected, or began to listen."""
    size = struct.calcsize("3i")
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return pid, uid


def _private_directory() -> Path:
    """A directory of this user alone: in ``XDG_RUNTIME_DIR``, or else in the one for temporary files."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_absolute():
        with contextlib.suppress(OSError):
            if Path(runtime).stat().st_uid == os.geteuid():
                return _private(Path(runtime, "multitrack"))
    return _private(Path(tempfile.gettempdir(), f"multitrack-{os.geteuid()}"))


def _private(directory: Path) -> Path:
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        directory.chmod(0o700)  # whatever the umask is
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(f"{directory} is not a directory of this user alone: remove it")
    return directory


def _salt(directory: Path) -> bytes:
    """The key of the digests, made by the first process: without it, a name tells nothing about a password."""
    path = directory / "salt"
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    new = directory / f"salt-{os.getpid()}-{secrets.token_hex(4)}"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, secrets.token_bytes(32))
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    finally:
        os.close(fd)
        new.unlink()
    return path.read_bytes()
