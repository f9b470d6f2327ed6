"""Which run in the tables belongs to which run of a journal.

A run is called by its id. If another journal's run already has that name, a digest is added: two runs never share rows.
"""

from __future__ import annotations

import errno
import hashlib
import secrets
import shutil
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from multitrack.errors import PermanentError
from multitrack.hookspecs import RunInfo
from multitrack.journal.prepared import prepared
from multitrack_files.durable import sync_directory, write_durably

_OWNER: Final = "owner.json"
_TAKEN: Final = {errno.EEXIST, errno.ENOTEMPTY}


class Owner(msgspec.Struct, frozen=True):
    """The run of a journal that a name belongs to: its id and its start, which no two journals' runs share."""

    id: str
    created: int


class Claim(NamedTuple):
    """A name in the tables.

    Attributes:
        run: The name.
        directory: Directory for the run's unfinished files.
        new: True if the name was not claimed before, so the tables have no records of the run.
    """

    run: str
    directory: Path
    new: bool

    def holds(self) -> bool:
        """Return True unless someone has deleted the tables."""
        return (self.directory / _OWNER).exists()


def claim(claims: Path, run: RunInfo) -> Claim:
    """Find the run's name, or claim one.

    Args:
        claims: Directory of the project's claims.
        run: The run.

    Raises:
        PermanentError: Both names that the run could have belong to others.
    """
    owner = Owner(run.id, run.created)
    digest = hashlib.sha256(msgspec.json.encode(owner)).hexdigest()[:8]
    names = [run.id, f"{run.id}-{digest}"]
    if (claims / names[1]).exists():
        names.reverse()  # its own, even if the other one is free by now
    for name in names:
        if _take(claims / name, owner):
            return Claim(name, claims / name, new=True)
        if _owner(claims / name) == owner:
            return Claim(name, claims / name, new=False)
    raise PermanentError(f"the names {' and '.join(names)} in {claims} belong to other runs")


def _take(directory: Path, owner: Owner) -> bool:
    """Claim a name if it is free. A renamed folder is there with its content, or not at all."""
    draft = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}")
    draft.mkdir()
    try:
        write_durably(draft / _OWNER, lambda file: file.write(msgspec.json.encode(owner)))
        draft.rename(directory)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if error.errno not in _TAKEN:
            raise
        return False
    sync_directory(directory.parent)
    return True


def _owner(directory: Path) -> Owner | None:
    try:
        return msgspec.json.decode((directory / _OWNER).read_bytes(), type=prepared(Owner))
    except (OSError, ValueError):
        return None


def name_of(claims: Path, run_id: str) -> str | None:
    """Return the name of another run of the project by its id; None if the tables do not have it."""
    return run_id if (claims / run_id / _OWNER).exists() else None
