"""The form in which records go to goodseed, whichever way it is written to."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple, Protocol

from multitrack.records import Status
from multitrack_goodseed.values import ConfigValue


class Single(NamedTuple):
    """A single value; a later one of the same path replaces it.

    Attributes:
        path: Its path.
        value: The value.
        time: Milliseconds since the epoch.
    """

    path: str
    value: ConfigValue
    time: int


class Point(NamedTuple):
    """A number of a series.

    Attributes:
        path: The path of its series.
        step: Its step.
        value: The number.
        time: Milliseconds since the epoch.
        exact_step: The step at which ``exact/`` holds it, if the series cannot; no other point there has it.
        repeats: False if no other point of the series can have its step.
    """

    path: str
    step: int
    value: float
    time: int
    exact_step: int
    repeats: bool


class Text(NamedTuple):
    """A text of a series of texts.

    Attributes:
        path: The path of its series.
        step: Its step; no other text of the series has it.
        text: The text.
        time: Milliseconds since the epoch.
    """

    path: str
    step: int
    text: str
    time: int


@dataclasses.dataclass
class Rows:
    """The rows of one or more records, in the order of the journal."""

    singles: list[Single] = dataclasses.field(default_factory=list)
    points: list[Point] = dataclasses.field(default_factory=list)
    texts: list[Text] = dataclasses.field(default_factory=list)

    def add(self, other: Rows) -> None:
        """Append the rows of later records."""
        self.singles += other.singles
        self.points += other.points
        self.texts += other.texts


class RowWriter(Protocol):
    """A way to write one run to goodseed. Not thread-safe.

    Attributes:
        id: The run's id in goodseed.
    """

    id: str

    def open(self, identity: list[Single], segment: int) -> int:
        """Create the run or find it, write its identity, and return the ordinal from which records are needed."""

    def write(self, rows: Rows, position: int) -> int:
        """Write the rows of all records below ``position`` that were not written yet.

        Returns: The ordinal from which records would be needed if the process died now.
        """

    def end(self, status: Status, time: int) -> list[str]:
        """End the run, and return messages about values that are kept in another form."""
