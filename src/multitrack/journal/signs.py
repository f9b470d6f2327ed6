"""Signs of life in files, by which processes on several machines tell that the others live.

Another machine cannot ask the kernel whether a process lives. So it looks at the sign again and again, and takes the
process for dead once the sign has not changed for the seconds that it promises, by its own clock: the clocks of two
machines are never compared. On the process's own machine it is looked up instead.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import time
from pathlib import Path
from typing import Final

import msgspec

from multitrack.journal.prepared import prepared

#: Seconds without a change after which a sign is given up; less than the wait for a lane that does not move.
LEASE: Final = 20.0
#: Parts of that time after which a sign is renewed, and which one look at it can add at most. So an observer that was
#: paused, or cut off from the file server together with the process, does not give it up at its next look.
PARTS: Final = 5
#: Bytes of a sign, so that it is overwritten in place as a whole.
BYTES: Final = 512
#: Errors of a file that is no longer there.
GONE: Final = {errno.ENOENT, errno.ESTALE}


class Sign(msgspec.Struct, frozen=True):
    """The content of a lease's file.

    Attributes:
        name: The holder's machine, for messages.
        host: What tells that machine, since it was started, and the container from all others.
        pid: The holder's process.
        started: When that process was started, in ticks since the machine was; 0 if the system does not tell.
        id: A random name of this lease.
        seconds: Seconds without a change after which it is over.
        beat: Number of renewals.
        released: True if the holder has let go.
    """

    name: str
    host: str
    pid: int
    started: int
    id: str
    seconds: float
    beat: int = 0
    released: bool = False

    def __str__(self) -> str:
        return f"process {self.pid} on {self.name}"


def new_sign() -> Sign:
    """A sign of this process."""
    name = os.fsencode(os.uname().nodename).decode("utf-8", "backslashreplace")[:128]
    return Sign(name, _this_host(), os.getpid(), _start_of(os.getpid()) or 0, os.urandom(8).hex(), LEASE)


class Observed(msgspec.Struct):
    """Another process's lease, as this process has seen it.

    Attributes:
        sign: The last sign; None if it could not be understood.
        is_free: True if it was released, its process is dead, or it was silent for too long.
        lives: True if the process is known to live: it runs here, or the sign has changed since the last look.
    """

    sign: Sign | None
    is_free: bool
    lives: bool = False

    def __str__(self) -> str:
        return "another process" if self.sign is None else str(self.sign)


class _Seen(msgspec.Struct):
    content: bytes
    looked: float
    silent: float = 0.0


_seen: Final[dict[Path, _Seen]] = {}


def observe(path: Path) -> Observed | None:
    """Look at a lease's file; None if there is none. Whether it is silent shows only after several looks."""
    content = _content(path)
    if content is None:
        _seen.pop(path, None)
        return None
    sign = decode(content)
    if sign is not None and (sign.released or is_dead(sign)):
        _seen.pop(path, None)
        return Observed(sign, is_free=True)
    if sign is not None and sign.host == _this_host():
        return Observed(sign, is_free=False, lives=True)
    seconds = LEASE if sign is None else sign.seconds
    now = time.monotonic()
    seen = _seen.get(path)
    if seen is None or seen.content != content:
        _seen[path] = _Seen(content, now)
        return Observed(sign, is_free=False, lives=seen is not None)
    seen.silent += min(now - seen.looked, seconds / PARTS)
    seen.looked = now
    return Observed(sign, is_free=seen.silent >= seconds)


def is_present(path: Path) -> bool:
    """Return True if a lease's file is there, and its process is not known to be dead. A cheap check."""
    content = _content(path)
    if content is None:
        return False
    sign = decode(content)
    return sign is None or not (sign.released or is_dead(sign))


def is_dead(sign: Sign) -> bool:
    """Return True if a sign is of a process of this machine that has ended; of other machines nothing is known."""
    if sign.host != _this_host():
        return False
    if sign.started:
        return _start_of(sign.pid) != sign.started
    try:
        os.kill(sign.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _content(path: Path) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            return os.read(fd, 2 * BYTES)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in GONE:
            return None
        raise


def encode(sign: Sign) -> bytes:
    """The content of a sign's file."""
    return msgspec.json.encode(sign).ljust(BYTES - 1) + b"\n"


def decode(content: bytes) -> Sign | None:
    """The sign that a file has; None if it is being written."""
    try:
        return msgspec.json.decode(content, type=prepared(Sign))
    except ValueError:
        return None


@functools.cache
def _this_host() -> str:
    """What tells this machine, since it was started, and this container from others that share a directory."""
    facts = [os.uname().nodename]
    with contextlib.suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with contextlib.suppress(OSError):  # of another container, no process can be looked up
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(facts)[-256:]


def _start_of(pid: int) -> int | None:
    """When a process of this machine was started; None if it has ended, also if nobody has waited for it yet."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])
