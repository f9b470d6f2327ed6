"""What processes must have in common to share a courier: who they are, where, and with which environment."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, Final

from multitrack.courier.hosts import Delivery
from multitrack.environment.allowed import BASE, allowed
from multitrack.environment.directory import current_or_none

#: Variables of a login, which tell no SDK anything: two terminals of one user share a courier.
_LOGIN: Final = frozenset({
    "XDG_SESSION_ID", "XDG_SESSION_TYPE", "XDG_SESSION_CLASS", "XDG_SESSION_DESKTOP", "XDG_SEAT", "XDG_VTNR",
})  # fmt: skip
#: Namespaces of Linux, one file each: a container has others than its host, and sees other files and processes.
_NAMESPACES: Final = ("pid", "mnt", "net", "user")


@dataclasses.dataclass(frozen=True)
class Group:
    """The facts by which runs are told apart; runs that are equal in all of them share a courier.

    Attributes:
        journal: The journal's directory, without links.
        cwd: The current directory; the journal's, if it was deleted.
        environment: The variables that the courier gets.
        backends: Name, source and options of each backend, with their secrets.
        path: The module path.
    """

    journal: str
    cwd: str
    environment: dict[str, str]
    backends: list[tuple[str, str, dict[str, Any]]]
    path: list[str]

    def facts(self) -> bytes:
        """All facts, with those of this process and of this machine, in one form.

        Secrets are among them: never write this to a file, nor a digest of it without a secret key.
        """
        package = sys.modules["multitrack"]
        return json.dumps([
            dataclasses.asdict(self), sys.executable, sys.prefix, sys.version, package.__version__,
            package.__file__, os.geteuid(), os.getegid(), sorted(os.getgroups()), _umask(), *_host(),
        ], sort_keys=True, default=repr).encode()  # fmt: skip


def group_of(directory: Path, delivery: Delivery) -> Group:
    """The group of a run, as this process is now.

    Args:
        directory: The run's directory.
        delivery: Its backends.
    """
    environment = allowed(BASE) | delivery.environment
    journal = os.path.realpath(directory.parent.parent)
    return Group(
        journal, current_or_none() or journal,
        {name: value for name, value in environment.items() if name not in _LOGIN},
        [(entry.name, entry.load, delivery.options.get(entry.name, {})) for entry in delivery.entries],
        list(sys.path),
    )  # fmt: skip


def _host() -> list[str]:
    """What tells this machine, since it was started, and this container from others that share a directory."""
    facts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
    for name in _NAMESPACES:
        with contextlib.suppress(OSError):
            facts.append(str(Path(f"/proc/self/ns/{name}").readlink()))
    return facts


def _umask() -> str:
    """The umask, in octal, which only the system tells without changing it for other threads."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return line
    return ""
