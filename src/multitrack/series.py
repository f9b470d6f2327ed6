"""One series out of a run's journal, all at once: for plots and statistics over many points.

The journal's lines are decoded by the stretch, into as little as one series needs.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from multitrack.journal import Cursor
from multitrack.records import Metric


class Series(msgspec.Struct, frozen=True):
    """The points of a series, in the order they were logged, one list each.

    Attributes:
        name: The metric.
        steps: Each point's step; steps may repeat and go back.
        values: Each point's value; NaN and ±inf are kept.
        times: When each was logged (ms since the epoch).
    """

    name: str
    steps: list[int]
    values: list[int | float]
    times: list[int]

    def __len__(self) -> int:
        return len(self.steps)


def read_series(directory: Path, name: str) -> Series:
    """Read one series of the run in ``directory``; empty where there is none."""
    found = Series(name, [], [], [])
    cursor = Cursor(directory, resolved=False)
    while stretch := cursor.read():
        for record in stretch:
            if isinstance(record, Metric) and record.step is not None and name in record.values:
                found.steps.append(record.step)
                found.values.append(record.numbers[name])
                found.times.append(record.time)
    return found
