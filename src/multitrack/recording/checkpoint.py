"""Leave the state of an open run beside it now and then, so that it is resumed quickly after a kill.

The state is complete only between two calls, and only its recorder knows it. So a recording call that changes nothing
after its record is the one that writes a checkpoint. It says how much of the open segment it includes.
"""

from __future__ import annotations

import time
from math import inf
from typing import Final

from msgspec import structs

from multitrack.journal.writer import Writer
from multitrack.recording.history import Past
from multitrack.recording.resuming import write_open
from multitrack.records import Trained

#: Milliseconds between looks at the number of records.
_LOOK_EVERY: Final = 500
#: Records after which a checkpoint is written; a resume reads them in a third of a second.
_RECORDS: Final = 300_000
#: Seconds that a checkpoint may take for as many records; a larger state is written less often.
_MOST: Final = 1e-3


class Checkpoints:
    """Writes the checkpoints of one run; the caller holds the run's recording lock.

    Args:
        past: The state at the start.

    Attributes:
        due: Time of the next look (ms since the epoch); infinity for never.
    """

    def __init__(self, past: Past) -> None:
        self.due: float = 0.0
        self._count = past.count
        self._after: float = _RECORDS
        # As recorded: what the run has counted is recorded later.
        self._trainings = past.trainings
        self._epochs = past.skipped_epochs
        self._batches = past.skipped_batches

    def note(self, record: Trained) -> None:
        """Take in a recorded note."""
        self._trainings = max(self._trainings, record.training)
        self._epochs += record.skipped_epochs
        self._batches += record.skipped_batches

    def look(self, now: int, past: Past, writer: Writer, own: set[int]) -> None:
        """Write a checkpoint if there are enough new records.

        Args:
            now: The time (ms).
            past: The state, with all records of the open segment.
            writer: The open segment.
            own: The numbers of the segments that this process has written.
        """
        self.due = now + _LOOK_EVERY
        if past.count - self._count < self._after:
            return
        closed = len(past.segments)
        # Records of others are not in the state, and those that were lost count in the open segment's total.
        if own != set(range(closed + 1, writer.number + 1)) or writer.lost:
            self.due = inf
            return
        begun = time.perf_counter()
        write_open(
            writer.directory,
            writer.number,
            structs.replace(
                past, objects={**past.objects, **past.own_objects}, own_objects={}, last_time=writer.last_time,
                trainings=self._trainings, skipped_epochs=self._epochs, skipped_batches=self._batches,
            ),
        )  # fmt: skip
        self._count = past.count
        self._after = _RECORDS * max(1.0, (time.perf_counter() - begun) / _MOST)
