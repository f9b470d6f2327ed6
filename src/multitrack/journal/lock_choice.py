"""Choose, when a run starts, whether the users of a journal go by locks alone or by leases as well."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final, Literal

import msgspec

from multitrack.journal.atomic import write_json
from multitrack.journal.file_systems import lock_trouble, mount_of
from multitrack.journal.locks import MARK
from multitrack.journal.signs import LEASE

log = logging.getLogger("multitrack")

LockSetting = Literal["auto", "flock", "lease"]
"""The setting ``locks``."""

_PAGE: Final = "docs/delivery.md#journals-on-shared-file-systems"


class Mark(msgspec.Struct, frozen=True):
    """The content of the mark: why the journal has it."""

    reason: str


_chosen: Final[set[tuple[Path, str]]] = set()


def choose_locks(journal: Path, setting: LockSetting) -> None:
    """Mark a journal if its users need leases, and say so once. The choice holds for all machines, until it is removed.

    Args:
        journal: The journal's directory, which exists.
        setting: ``auto``: leases if the file system is one that several machines share, or has no working locks;
            ``lease``: leases; ``flock``: locks alone.

    Raises:
        OSError: If the journal cannot be written.
    """
    if (journal, setting) in _chosen:
        return
    mark = journal / MARK
    if setting == "flock":
        if mark.exists():
            log.warning(
                'multitrack: locks = "flock" is ignored: the journal %s has leases; remove %s while nothing uses it',
                journal, mark,
            )  # fmt: skip
    elif not mark.exists():
        reason = 'locks = "lease" is set' if setting == "lease" else _reason(journal)
        if reason is not None:
            write_json(mark, Mark(reason))
            log.warning(
                "multitrack: %s: %s. So runs, lanes and alerts there also have leases: if a process or its machine "
                'dies, another machine waits %g s before it goes on. locks = "flock" goes without (%s)',
                journal, reason, LEASE, _PAGE,
            )  # fmt: skip
    _chosen.add((journal, setting))


def _reason(journal: Path) -> str | None:
    """Why locks in a directory may not hold between machines, or do not hold at all; None if they do."""
    mount = mount_of(journal)
    where = f"it is on {mount}" if mount is not None else "on its file system"
    if (trouble := lock_trouble(journal)) is not None:
        return f"{where}, and {trouble}" if mount is not None else f"{where} {trouble}"
    if mount is not None and mount.is_shared:
        return f"{where}, whose locks may not hold between machines"
    return None
