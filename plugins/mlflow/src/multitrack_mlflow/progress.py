"""Store the MLflow run of a lane, and the points it has accepted beyond the lane's saved position.

Sending a point again changes nothing, but takes MLflow twenty times as long as a new one, and in some releases as long
as reading the metric's whole history. A long list that was interrupted by a kill would then exceed the time that a lane
may stall, and never complete. So each accepted batch is noted in the lane's own directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from multitrack.journal.atomic import write_json
from multitrack.journal.prepared import prepared

Kind = Literal["metrics", "lists"]
Place = tuple[int, int]
"""Place of a point: the ordinal of its record, and its index in that record."""

_FILE: Final = "sent.json"
_NOTHING: Final[Place] = (-1, -1)


class _Note(msgspec.Struct):
    native: str
    segment: int
    metrics: Place = _NOTHING
    lists: Place = _NOTHING


def noted_run(directory: Path) -> str | None:
    """Return MLflow's id of the run delivered to so far, or None; a slow server may have created two runs."""
    noted = _read(directory)
    return None if noted is None else noted.native


def _read(directory: Path) -> _Note | None:
    try:
        return msgspec.json.decode((directory / _FILE).read_bytes(), type=prepared(_Note))
    except (OSError, ValueError):
        return None  # nothing is known to be delivered, and sending points again is harmless


class Sent:
    """The last point of each kind that MLflow has accepted, along with all earlier ones.

    Args:
        directory: The lane's own directory.
        native_id: MLflow's id of the run; notes on another run are discarded.
        segment: The journal's last segment. After a power cut, a later segment may hold other records at the same
            places.
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
        """Return True if MLflow has the point at this place."""
        return place <= (self._note.metrics if kind == "metrics" else self._note.lists)

    def note(self, kind: Kind, place: Place) -> None:
        """Note that MLflow has accepted all points up to this place."""
        if self._in_order:
            setattr(self._note, kind, place)
            write_json(self._path, self._note)

    def stop(self) -> None:
        """Stop noting places after a rejected batch, since later batches no longer imply earlier ones."""
        self._in_order = False
