"""The lane's note: where the run is written, and how far."""

from __future__ import annotations

from pathlib import Path

import msgspec

from multitrack.journal.atomic import write_json
from multitrack.journal.prepared import prepared
from multitrack_tensorboard.hparams import HParam


class Note(msgspec.Struct, frozen=True):
    """Content of ``note.json`` in the lane's directory.

    Attributes:
        directory: The run's directory, relative to the log directory.
        token: The token of the directory's owner.
        segment: Number of the journal's last segment when the run was opened.
        position: The ordinal below which every record is in the file of records.
        offset: Size of that file up to there. Anything behind it was written by a courier that was killed.
        hparams: The params in the HParams tab.
    """

    directory: str = ""
    token: str = ""
    segment: int = 0
    position: int = 0
    offset: int = 0
    hparams: dict[str, HParam] = {}


def note_of(directory: Path) -> Note | None:
    """Return the note of a lane; None if it is missing or damaged."""
    try:
        return msgspec.json.decode((directory / "note.json").read_bytes(), type=prepared(Note))
    except (OSError, ValueError):
        return None


def save_note(directory: Path, note: Note) -> None:
    """Write the note of a lane, atomically."""
    write_json(directory / "note.json", note)
