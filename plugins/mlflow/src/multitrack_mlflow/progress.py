"""Which MLflow run is ours, and which points it has taken of a stretch whose position is not saved yet.

Sending a point again changes nothing, but takes MLflow twenty times as long as a new one, and some releases as long
as reading the metric's whole history. A long list that was cut off by a kill would then take longer than a lane may
stand still, and never be through. So each batch is noted, in the lane's own directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from multitrack.journal.atomic import write_json

Kind = Literal["metrics", "lists"]
Place = tuple[int, int]
"""Where a point stands: its record's ordinal, and its index in that record."""

_FILE: Final = "sent.json"
_NOTHING: Final[Place] = (-1, -1)


class _Note(msgspec.Struct):
    native: str
    segment: int
    metrics: Place = _NOTHING
    lists: Place = _NOTHING


def noted_run(directory: Path) -> str | None:
    """MLflow's id of the run that was delivered to, as far as is known: a slow server may have made two."""
    noted = _read(directory)
    return None if noted is None else noted.native


def _read(directory: Path) -> _Note | None:
    try:
        return msgspec.json.decode((directory / _FILE).read_bytes(), type=_Note)
    except (OSError, ValueError):
        return None  # nothing is known to be there: it is sent again, which harms nothing


class Sent:
    """The last point of each kind that MLflow has taken; all before it are there as well.

    Args:
        directory: The lane's own directory.
        native_id: MLflow's id of the run; what was noted of another says nothing of this one.
        segment: The journal's last segment; after a power cut, a later one may hold other records at the same places.
    """

    def __init__(self, directory: Path, native_id: str, segment: int) -> None:
        self._path = directory / _FILE
        self._in_order = True
        noted = _read(directory)
        if noted is not None and (noted.native, noted.segment) == (native_id, segment):
            self._note = noted
        else:
            self._note = _Note(native_id, segment)
            write_json(self._path, self._note)

    def holds(self, kind: Kind, place: Place) -> bool:
        """Whether MLflow has the point that stands there."""
        return place <= (self._note.metrics if kind == "metrics" else self._note.lists)

    def note(self, kind: Kind, place: Place) -> None:
        """MLflow has taken everything up to this place."""
        if self._in_order:
            setattr(self._note, kind, place)
            write_json(self._path, self._note)

    def stop(self) -> None:
        """Something was refused: what comes now need not follow what came before, and is no longer noted."""
        self._in_order = False
