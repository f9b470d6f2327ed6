"""Runs that were deleted: a mark beside their records, which stay, so that they can be restored.

Listings leave such runs out; whoever names one by its id still reads it, and its delivery goes on.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from multitrack.journal.atomic import write_json
from multitrack.journal.prepared import prepared

#: Name of the mark in a run's directory.
MARK = "deleted.json"


class Deletion(msgspec.Struct, frozen=True, omit_defaults=True):
    """A mark.

    Attributes:
        time: Time of the deletion (ms).
        group: True if a group was deleted that the run belongs to, such as an experiment of MLflow's.
    """

    time: int
    group: bool = False


def deletion_of(directory: Path) -> Deletion | None:
    """The mark of a run; None if it is not deleted. A damaged mark is one, of an unknown time."""
    try:
        return msgspec.json.decode((directory / MARK).read_bytes(), type=prepared(Deletion))
    except OSError:  # no mark; or a run that cannot be read at all, of which its manifest tells
        return None
    except ValueError:
        return Deletion(0)


def is_deleted(directory: Path) -> bool:
    """Return True if a run is deleted; False also if its directory cannot be read, which its manifest tells."""
    return os.path.exists(directory / MARK)  # noqa: PTH110 - the method raises there


def delete(directory: Path, deletion: Deletion) -> None:
    """Mark a run as deleted.

    Raises:
        OSError: If the mark cannot be written.
    """
    write_json(directory / MARK, deletion)


def restore(directory: Path) -> None:
    """Remove the mark of a run, if it has one.

    Raises:
        OSError: If it cannot be removed.
    """
    (directory / MARK).unlink(missing_ok=True)
